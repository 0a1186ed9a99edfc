"""Arrow and Parquet on /invocations: every column as it was sent, and nothing that becomes more than a body may be."""

import datetime
import io
import json
import zlib

import numpy
import pandas
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from tagboat_server.codecs import Fitting, decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.invocations import arrow, arrow_sizes
from tagboat_server.signature import Column, Frame, Tensor

LIMIT = 1_000_000

TABLE = pyarrow.table(
    {
        "truth": [True, False, True],
        "small": pyarrow.array([1, -2, 3], pyarrow.int8()),
        "large": pyarrow.array([2**63 - 1, None, -(2**63)], pyarrow.int64()),
        "single": pyarrow.array([0.5, None, 1.5], pyarrow.float32()),
        "double": [0.1, float("nan"), -0.0],
        "text": ["a", None, "ß"],
        "day": [datetime.date(2024, 1, 31), datetime.date(1970, 1, 1), datetime.date(2000, 2, 29)],
        "moment": pyarrow.array([1, 2, 3], pyarrow.timestamp("ns")),
        "nothing": pyarrow.nulls(3),
    }
)


def stream(table, **options):
    sink = pyarrow.BufferOutputStream()
    with ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def file(table, **options):
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


def read(body, known=(), limit=LIMIT):
    reader = arrow.read_parquet if body.startswith(b"PAR1") else arrow.read_stream
    return reader(body, known, limit)


def refused(body, limit=LIMIT):
    with pytest.raises(Rejection) as caught:
        read(body, limit=limit)
    return caught.value


WRITERS = {
    "stream": stream,
    "stream lz4": lambda table: stream(table, compression="lz4"),
    "stream zstd": lambda table: stream(table, compression="zstd"),
    "parquet": file,
    "parquet plain": lambda table: file(table, use_dictionary=False, compression="none"),
    "parquet gzip": lambda table: file(table, compression="gzip"),
    "parquet zstd": lambda table: file(table, compression="zstd", data_page_version="2.0", row_group_size=2),
    "parquet brotli": lambda table: file(table, compression="brotli", store_schema=False),
    "parquet with checksums": lambda table: file(table, write_page_checksum=True, write_page_index=True),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_column_arrives_as_it_was_sent(write):
    columns = read(write(TABLE))
    assert list(columns) == TABLE.column_names
    assert columns["truth"].tolist() == [True, False, True]
    assert columns["small"].tolist() == [1, -2, 3]
    assert columns["large"].tolist() == [2**63 - 1, None, -(2**63)]
    assert columns["single"].dtype == numpy.float32
    assert numpy.isnan(columns["single"]).tolist() == [False, True, False]
    assert columns["double"].tobytes() == numpy.array([0.1, numpy.nan, -0.0]).tobytes()
    assert columns["text"].tolist() == ["a", None, "ß"]
    assert columns["day"].astype(str).tolist() == ["2024-01-31", "1970-01-01", "2000-02-29"]
    assert columns["moment"].astype("datetime64[ns]").astype(int).tolist() == [1, 2, 3]
    assert columns["nothing"].tolist() == [None, None, None]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**63), 2**63 - 1),
            st.text(st.characters(codec="utf-8")),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=10)
def test_the_model_is_given_what_json_would_have_given_it(write, rows):
    signature = Frame((Column("a", "float64"), Column("b", "int64"), Column("c", "str"), Column("d", "bool")))
    table = pyarrow.table({name: pyarrow.array([row["abcd".index(name)] for row in rows]) for name in "dbca"})
    taken = Fitting(signature).columns(read(write(table)), "arrow").value
    expected = decoder_for(signature)(json.dumps({"data": rows}).encode()).value
    assert taken.equals(expected)
    assert taken["a"].to_numpy().tobytes() == expected["a"].to_numpy().tobytes()


def test_one_batch_of_numbers_is_not_copied():
    body = stream(pyarrow.table({"a": numpy.arange(5.0)}))
    found = read(body)["a"]
    start = numpy.frombuffer(body, numpy.uint8).__array_interface__["data"][0]
    assert start <= found.__array_interface__["data"][0] < start + len(body)


def test_an_index_of_pandas_says_nothing_unless_the_model_knows_it():
    frame = pandas.DataFrame({"a": [1.0, 2.0]}, index=[5, 9])
    out = io.BytesIO()
    frame.to_parquet(out)
    assert list(read(out.getvalue())) == ["a"]
    assert list(read(out.getvalue(), ["a", "__index_level_0__"])) == ["a", "__index_level_0__"]


def test_times_keep_their_zone():
    moments = pyarrow.array([0], pyarrow.timestamp("us", tz="Europe/Oslo"))
    found = read(stream(pyarrow.table({"at": moments})))["at"]
    assert found[0].isoformat() == "1970-01-01T01:00:00+01:00"


def test_columns_without_names_are_an_array_in_their_order():
    body = stream(pyarrow.table({"x": [1.0, 2.0], "y": [3.0, 4.0]}))
    assert Fitting(Tensor("float64", (None, 2))).columns(read(body)).value.tolist() == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array(["a", "b"]).dictionary_encode(),
        pyarrow.array([[1], [2]]),
        pyarrow.array([{"a": 1}, {"a": 2}]),
        pyarrow.array([[1], [2]], pyarrow.list_(pyarrow.int64(), 1)),
        pyarrow.array([1, 2], pyarrow.decimal128(5, 2)),
    ],
    ids=lambda column: str(column.type).split("<")[0],
)
@pytest.mark.parametrize("write", [stream, file])
def test_dictionaries_and_nested_columns_are_refused_by_their_name(write, column):
    refusal = refused(write(pyarrow.table({"fine": [1, 2], "odd": column})))
    assert refusal.status == 422
    assert refusal.path.endswith(".odd")


RUN_ENDS = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2**30], pyarrow.int32()), pyarrow.array(["x" * 1000]))


@pytest.mark.parametrize(
    "column",
    [pyarrow.array(["x"] * 5, pyarrow.string_view()), RUN_ENDS, pyarrow.array([1, 2], pyarrow.duration("s"))],
    ids=["views", "run ends", "durations"],
)
def test_columns_of_arrow_alone_are_refused_by_their_name(column):
    refusal = refused(stream(pyarrow.table({"odd": column})))
    assert (refusal.status, refusal.path) == (422, "arrow.odd")


def test_a_name_that_stands_twice_is_refused():
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    for body in (stream(table), file(table)):
        assert refused(body).path.endswith(".a")


ZEROS = pyarrow.table({"a": numpy.zeros(4_000_000)})
SAME_TEXT = pyarrow.table({"a": ["x" * 50_000] * 100})
NO_WEIGHT = pyarrow.table({"a": pyarrow.nulls(2_000_000)})
TRUTHS = pyarrow.table({"a": pyarrow.array(numpy.ones(2_000_000, bool))})
BOMBS = {
    "stream lz4": stream(ZEROS, compression="lz4"),
    "stream zstd": stream(ZEROS, compression="zstd"),
    "stream of nothing": stream(NO_WEIGHT),
    "stream of truths": stream(TRUTHS),
    "parquet gzip": file(ZEROS, compression="gzip", use_dictionary=False),
    "parquet zstd": file(ZEROS, compression="zstd", use_dictionary=False),
    "parquet brotli": file(ZEROS, compression="brotli", use_dictionary=False, data_page_version="2.0"),
    "parquet dictionary": file(ZEROS),
    "parquet of nothing": file(NO_WEIGHT),
    "parquet of one text": file(SAME_TEXT),
    "parquet of truths": file(TRUTHS),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_body_that_becomes_large_is_refused_before_it_does(name):
    body = BOMBS[name]
    assert len(body) < LIMIT
    before = pyarrow.total_allocated_bytes()
    refusal = refused(body)
    assert refusal.status == 413
    assert pyarrow.total_allocated_bytes() - before < 2 * LIMIT


def test_buffers_that_are_named_many_times_count_each_time():
    batch = pyarrow.record_batch({"a": numpy.zeros(50_000)})
    one = stream(pyarrow.Table.from_batches([batch]))
    sizes = [message.size for message in arrow_sizes.messages(one)]
    many = pyarrow.record_batch({f"c{place}": batch.column(0) for place in range(3)})
    assert (
        max(message.size for message in arrow_sizes.messages(stream(pyarrow.Table.from_batches([many])))) >= 3 * 400_000
    )
    assert max(sizes) >= 400_000


def test_what_unpacks_to_less_than_a_body_may_be_is_read():
    table = pyarrow.table({"a": numpy.zeros(100_000)})
    for body in (stream(table, compression="zstd"), file(table, compression="gzip"), file(table)):
        assert len(body) < 20_000
        assert len(read(body)["a"]) == 100_000


@pytest.mark.parametrize(
    "body",
    [b"", b"PAR1", b"PAR1" * 4, b"ARROW1\0\0", zlib.compress(b"x" * 100), stream(TABLE)[:-300], file(TABLE)[:-20]],
)
def test_what_is_neither_is_refused(body):
    assert refused(body).status == 400


@pytest.mark.parametrize("write", [stream, lambda table: stream(table, compression="zstd"), file])
def test_no_damage_makes_it_fail_in_another_way(write):
    body = write(TABLE)
    random = numpy.random.default_rng(5)
    for _ in range(1500):
        damaged = bytearray(body)
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(0, len(body))] = random.integers(0, 256)
        try:
            read(bytes(damaged))
        except Rejection as rejection:
            assert rejection.status in {400, 413, 422}
