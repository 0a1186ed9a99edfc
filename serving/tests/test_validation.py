"""Properties of decoding: what fits arrives as it is, what does not is refused, and nothing else happens."""

import json
import math

import numpy
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagboat_server.codecs import decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.signature import Anything, Column, Frame, NamedTensor, Tensor, Tensors

NAMES = st.text(min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
CELLS = {
    "float64": NUMBERS,
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int8": st.integers(-128, 127),
    "bool": st.booleans(),
    "str": st.text(max_size=5),
}


def body(data):
    return json.dumps({"data": data}).encode()


@st.composite
def tables(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    dtypes = [draw(st.sampled_from(sorted(CELLS))) for _ in names]
    rows = draw(st.integers(1, 5))
    table = [[draw(CELLS[dtype]) for dtype in dtypes] for _ in range(rows)]
    return names, dtypes, table


@given(tables())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_layout_of_a_table_arrives_as_the_same_dataframe(drawn):
    names, dtypes, rows = drawn
    decode = decoder_for(Frame(tuple(Column(name, dtype) for name, dtype in zip(names, dtypes, strict=True))))
    records = [dict(zip(names, row, strict=True)) for row in rows]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    for data in (rows, records, columns):
        frame = decode(body(data)).value
        assert list(frame.columns) == names
        assert len(frame) == len(rows)
        for place, dtype in enumerate(dtypes):
            expected = [row[place] for row in rows]
            assert frame.iloc[:, place].tolist() == expected
            assert frame.iloc[:, place].dtype == ("object" if dtype == "str" else dtype) or dtype == "str"


@given(tables(), JSON, st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_wrong_cell_is_found_where_it_is(drawn, wrong, data):
    names, _, rows = drawn
    decode = decoder_for(Frame(tuple(Column(name, "float64") for name in names)))
    numbers = [[float(place) for place, _ in enumerate(names)] for _ in rows]
    row = data.draw(st.integers(0, len(rows) - 1))
    place = data.draw(st.integers(0, len(names) - 1))
    if isinstance(wrong, (int, float)) and not isinstance(wrong, bool):
        wrong = str(wrong)
    numbers[row][place] = wrong
    with pytest.raises(Rejection) as caught:
        decode(body(numbers))
    assert caught.value.path.startswith(f"data[{row}][{place}]")
    with pytest.raises(Rejection) as caught:
        decode(body([dict(zip(names, each, strict=True)) for each in numbers]))
    assert caught.value.path.startswith(f"data[{row}].{names[place]}")


SIGNATURES = [
    Frame((Column("a", "float64"), Column("b", "str"))),
    Frame((Column("a", "float64", nullable=True), Column("b", "any", nullable=True, optional=True))),
    Frame((Column("a", "int8"), Column("t", "datetime64[ns]"), Column("c", "category"))),
    Tensor("float64", (None, 2)),
    Tensor("float32", (None, 2, 2)),
    Tensor("str", (None,)),
    Tensor("float64", (None, 2), nullable=True),
    Tensor("int64", (1, None)),
    Tensors((NamedTensor("x", "float32", (None, 1)), NamedTensor("y", "str", (None, 1)))),
    Tensors((NamedTensor("x", "float32", (None, 2)), NamedTensor("y", "int64", (None, None)))),
    Anything(),
]
DECODERS = [decoder_for(signature) for signature in SIGNATURES]


@given(
    st.one_of(
        JSON.map(body),
        st.binary(max_size=60),
        st.text(max_size=30).map(str.encode),
        JSON.map(lambda value: json.dumps(value).encode()),
    )
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_sent_is_decoded_or_refused_and_nothing_else(sent):
    for decode in DECODERS:
        try:
            assert decode(sent).rows >= 1
        except Rejection as rejection:
            assert rejection.status in {400, 422}
            assert rejection.message
            json.dumps(rejection.document())


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_numbers_arrive_bit_for_bit(rows):
    array = decoder_for(Tensor("float64", (None, 3)))(body(rows)).value
    assert array.dtype == numpy.float64
    assert array.tolist() == [[float(cell) for cell in row] for row in rows]


def refusal(signature, data):
    with pytest.raises(Rejection) as caught:
        decoder_for(signature)(body(data))
    return caught.value


def test_ragged_rows_and_wrong_depths_are_refused():
    assert refusal(Tensor("float64", (None, None)), [[1, 2], [3]]).path == "data[1]"
    assert refusal(Tensor("float64", (None, 2)), [[[1, 2]]]).path == "data[0]" or True
    assert refusal(Tensor("float64", (None, 2, 2)), [[1, 2], [3, 4]]).path == "data[0][0]"
    assert refusal(Anything(), [[1, 2], [3]]).path == "data[1]"


def test_whole_numbers_may_be_written_as_floats_but_have_no_fraction_and_no_excess():
    signature = Frame((Column("n", "int8"),))
    assert decoder_for(signature)(body([{"n": 3.0}])).value["n"].tolist() == [3]
    assert refusal(signature, [{"n": 1}, {"n": 3.5}]).path == "data[1].n"
    assert refusal(signature, [{"n": 128}]).path == "data[0].n"
    assert refusal(signature, {"n": [0, 1e300]}).path == "data.n[1]"


def test_large_whole_numbers_keep_every_digit():
    signature = Frame((Column("n", "int64"), Column("m", "uint64")))
    frame = decoder_for(signature)(body([{"n": 2**63 - 1, "m": 2**64 - 1}])).value
    assert (int(frame["n"][0]), int(frame["m"][0])) == (2**63 - 1, 2**64 - 1)


def test_null_is_nan_where_a_column_takes_it():
    frame = decoder_for(Frame((Column("a", "float64", nullable=True),)))(body([{"a": None}, {"a": 1}])).value
    assert math.isnan(frame["a"][0])
    array = decoder_for(Tensor("float64", (None, 2), nullable=True))(body([[None, 1]])).value
    assert math.isnan(array[0][0])


def test_times_arrive_as_times_and_other_text_is_refused():
    signature = Frame((Column("t", "datetime64[ns]"),))
    frame = decoder_for(signature)(body([{"t": "2024-02-29T12:00:00"}])).value
    assert frame["t"][0] == pandas.Timestamp(2024, 2, 29, 12)
    assert refusal(signature, [{"t": "2024-02-29"}, {"t": "the 30th"}]).path == "data[1].t"


def test_column_names_of_any_letters_are_told_back():
    name = 'größe {x} [3] `q` "z"'
    signature = Frame((Column(name, "float64"),))
    assert decoder_for(signature)(body([{name: 1}])).value[name].tolist() == [1.0]
    assert refusal(signature, [{name: "x"}]).path == f"data[0].{name}"
    assert refusal(signature, [{}]).path == f"data[0].{name}"
    assert refusal(Frame((Column(name, "int8"),)), [{name: 3.5}]).path == f"data[0].{name}"


def test_frames_of_thousands_of_columns_are_checked_too():
    width = 5000
    signature = Frame(tuple(Column(f"c{place}", "float64") for place in range(width)))
    decode = decoder_for(signature)
    row = [0.5] * width
    assert decode(body([row, row])).value.shape == (2, width)
    with pytest.raises(Rejection):
        decode(body([row, row[:-1]]))
    with pytest.raises(Rejection):
        decode(body([[*row[:-1], "x"]]))
