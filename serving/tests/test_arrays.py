"""Arrays by any way in: what fits is what the same values in JSON would have become, what does not is refused."""

import json

import numpy
import pytest

pytest.importorskip("pandas")

import pandas
from hypothesis import given
from hypothesis import strategies as st

from tagboat_server.codecs import Fitting, decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.exact import Table
from tagboat_server.signature import Anything, Column, Frame, NamedTensor, Tensor, Tensors

MIXED = Frame(
    (
        Column("age", "float64"),
        Column("orders", "int64"),
        Column("city", "object"),
        Column("vip", "bool"),
        Column("since", "datetime64[ns]", nullable=True),
        Column("note", "str", nullable=True, optional=True),
    )
)
NUMBERS = Frame((Column("a", "float64"), Column("b", "float64")))


def objects(*values):
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def decoded(signature, data, **options):
    return decoder_for(signature, **options)(json.dumps({"data": data}).encode())


def refused(fit, *arguments, **named):
    with pytest.raises(Rejection) as caught:
        fit(*arguments, **named)
    assert caught.value.status == 422
    return caught.value


def test_named_columns_in_any_order_become_the_dataframe_that_json_becomes():
    arrays = {
        "city": objects("Oslo", b"Rom\xc3\xa9"),
        "orders": numpy.array([1, 2], dtype=numpy.uint8),
        "vip": numpy.array([[True], [False]]),
        "age": numpy.array([40, 41], dtype=numpy.int32),
        "since": numpy.array(["2024-01-31", "NaT"], dtype="datetime64[D]"),
    }
    found = Fitting(MIXED).columns(arrays)
    wanted = decoded(
        MIXED,
        {
            "age": [40, 41],
            "orders": [1, 2],
            "city": ["Oslo", "Romé"],
            "vip": [True, False],
            "since": ["2024-01-31", None],
        },
    )
    assert found.rows == 2
    pandas.testing.assert_frame_equal(found.value, wanted.value)


def test_a_matrix_of_the_wanted_dtype_is_not_copied():
    array = numpy.arange(8.0).reshape(4, 2)
    table = Fitting(NUMBERS, tables=True).matrix(array).value
    assert type(table) is Table
    assert numpy.shares_memory(table.matrix, array)
    tensor = Fitting(Tensor("float64", (None, 2))).matrix(array).value
    assert numpy.shares_memory(tensor, array)
    columns = {"x": numpy.arange(3), "y": numpy.arange(3.0)}
    signature = Tensors((NamedTensor("y", "float64", (None,)), NamedTensor("x", "int64", (None, 1))))
    named = Fitting(signature).columns(columns).value
    assert numpy.shares_memory(named["x"], columns["x"])
    assert named["x"].shape == (3, 1)
    assert numpy.shares_memory(named["y"], columns["y"])


def test_memory_that_nobody_may_write_into_is_copied_for_a_model_that_might():
    array = numpy.frombuffer(bytes(32), numpy.float64).reshape(2, 2)
    signature = Tensor("float64", (None, 2))
    assert Fitting(signature).matrix(array).value.flags.writeable
    assert numpy.shares_memory(Fitting(signature, writable=False).matrix(array).value, array)
    assert Fitting(NUMBERS).matrix(array).value.to_numpy(copy=False).base is not array


def test_columns_of_numbers_become_one_matrix_by_rows():
    found = Fitting(NUMBERS, tables=True).columns({"b": numpy.array([3, 4]), "a": numpy.array([1.0, 2.0], "f4")})
    assert found.value.matrix.flags.c_contiguous
    assert found.value.matrix.tolist() == [[1, 3], [2, 4]]


def test_a_column_in_fortran_order_is_laid_out_as_json_is():
    array = numpy.asfortranarray(numpy.arange(6.0).reshape(3, 2))
    for signature in (Tensor("float64", (None, 2)), Tensor("float64", (None, None))):
        assert Fitting(signature).matrix(array).value.flags.c_contiguous
    assert Fitting(NUMBERS, tables=True).matrix(array).value.matrix.flags.c_contiguous


@pytest.mark.parametrize(
    ("dtype", "array", "at", "words"),
    [
        ("float64", numpy.array([1.0, numpy.nan]), 1, "NaN"),
        ("float64", numpy.array([1.0, -numpy.inf]), 1, "-inf is not taken"),
        ("float32", numpy.array([1e39, 1.0]), 0, "out of the range of float32"),
        ("float64", numpy.array([0, 2**53 + 1]), 1, "exactly"),
        ("float64", numpy.array([0, 2**64 - 1], "u8"), 1, "exactly"),
        ("float64", numpy.array([2**63 - 1, 0]), 0, "exactly"),
        ("float64", objects(1.0, "1"), 1, "got text"),
        ("float64", objects(1.0, True), 1, "got true or false"),
        ("float64", objects(1.0, None), 1, "got null"),
        ("float64", objects(1.0, float("inf")), 1, "inf is not taken"),
        ("int64", numpy.array([1.0, 1.5]), 1, "whole number, got 1.5"),
        ("int64", numpy.array([0.0, 2.0**63]), 1, "out of the range of int64"),
        ("int64", numpy.array([0.0, numpy.nan]), 1, "NaN"),
        ("int64", numpy.array([0, 2**63], "u8"), 1, "out of the range of int64"),
        ("int8", numpy.array([0, -129]), 1, "out of the range of int8"),
        ("uint8", numpy.array([0, -1], "i1"), 1, "out of the range of uint8"),
        ("object", objects("a", None), 1, "null"),
        ("str", objects("a", 1), 1, "expected text"),
        ("str", objects("a", b"\xff"), 1, "UTF-8"),
        ("datetime64[ns]", objects("2024-01-01", "today"), 1, "ISO 8601, got 'today'"),
        ("datetime64[ns]", objects("20240101T1200", "1/2/2024"), 1, "ISO 8601"),
        ("datetime64[ns]", objects("2024-01-01 12:00:00,5", "2024-02-30"), 1, "ISO 8601"),
        ("datetime64[ns]", numpy.array(["2024-01-01", "NaT"], "M8[s]"), 1, "null"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(dtype, array, at, words):
    rejection = refused(Fitting(Frame((Column("x", dtype),))).columns, {"x": array})
    assert words in rejection.message
    assert rejection.path == f"data.x[{at}]"
    by_rows = refused(Fitting(Frame((Column("x", dtype),))).matrix, array.reshape(2, 1))
    assert words in by_rows.message
    assert by_rows.path == f"data[{at}][0]"


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        ("float64", numpy.array(["1"])),
        ("float64", numpy.array([True])),
        ("int64", numpy.array([b"1"])),
        ("int64", numpy.array([True])),
        ("bool", numpy.array([1])),
        ("str", numpy.array([1.0])),
        ("float64", numpy.array([1j])),
        ("object", numpy.array([1j])),
        ("any", numpy.array([1j])),
        ("datetime64[ns]", numpy.array([1])),
        ("int64", numpy.array([1], "m8[s]")),
    ],
)
def test_no_kind_of_value_stands_for_another(dtype, array):
    rejection = refused(Fitting(Frame((Column("x", dtype),))).columns, {"x": array})
    assert rejection.reason == "type"
    assert rejection.path == "data.x"


@pytest.mark.parametrize(
    ("dtype", "values", "array"),
    [
        ("float64", [1.5, None], numpy.array([1.5, numpy.nan])),
        ("float32", [1.1, None], numpy.array([1.1, numpy.nan])),
        ("float16", [1.1, 3.0], numpy.array([1.1, 3.0])),
        ("Float64", [1.5, None], objects(1.5, None)),
        ("int64", [1, None], numpy.array([1.0, numpy.nan])),
        ("int64", [1, 2], numpy.array([1.0, 2.0])),
        ("Int64", [1, None], numpy.array([1.0, numpy.nan])),
        ("Int32", [1, 2], numpy.array([1, 2], "u2")),
        ("Int64", [2**53 + 1, None], objects(2**53 + 1, None)),
        ("boolean", [True, None], objects(True, None)),
        ("object", ["a", None], objects("a", numpy.nan)),
        ("object", [1.5, 2.0], numpy.array([1.5, 2.0])),
        ("string", ["a", None], objects(b"a", pandas.NA)),
        ("category", ["a", "b"], numpy.array(["a", "b"])),
        ("datetime64[ns]", ["2024-01-31T12:00:00", None], numpy.array(["2024-01-31T12:00:00", "NaT"], "M8[ns]")),
        ("datetime64[ns, UTC]", ["2024-01-31T12:00:00+00:00"], objects("2024-01-31T12:00:00+00:00")),
        ("any", [1.5, 2.5], numpy.array([1.5, 2.5])),
        ("any", ["a", "b"], numpy.array(["a", "b"])),
    ],
)
def test_a_column_is_the_one_that_json_makes(dtype, values, array):
    signature = Frame((Column("x", dtype, nullable=True), Column("y", "int64")))
    counts = numpy.arange(len(values))
    found = Fitting(signature).columns({"y": counts, "x": array})
    wanted = decoded(signature, {"x": values, "y": counts.tolist()})
    pandas.testing.assert_frame_equal(found.value, wanted.value)


def test_missing_unknown_ragged_and_empty_columns_are_refused():
    fit = Fitting(NUMBERS).columns
    one, two = numpy.array([1.0]), numpy.array([1.0, 2.0])
    assert refused(fit, {"a": one}).path == "data.b"
    assert refused(fit, {"a": one}).reason == "missing-column"
    assert refused(fit, {"a": one, "b": one, "c": one}, path="inputs").path == "inputs.c"
    assert refused(fit, {"a": one, "b": two}).reason == "ragged"
    assert refused(fit, {"a": one[:0], "b": one[:0]}).reason == "empty"
    assert refused(fit, {}).reason == "empty"
    assert refused(fit, {"a": one, "b": numpy.zeros((1, 2))}).reason == "width"
    assert refused(fit, {"a": one, "b": numpy.array(1.0)}).reason == "width"


def test_a_matrix_of_another_width_or_without_rows_is_refused():
    for signature in (NUMBERS, Tensor("float64", (None, 2))):
        fit = Fitting(signature).matrix
        assert refused(fit, numpy.zeros((2, 3))).reason == "width"
        assert refused(fit, numpy.zeros(2)).reason == "width"
        assert refused(fit, numpy.zeros((0, 2))).reason == "empty"


def test_an_optional_column_may_be_absent():
    signature = Frame((Column("a", "float64"), Column("b", "float64", optional=True)))
    found = Fitting(signature).columns({"a": numpy.array([1.0])})
    pandas.testing.assert_frame_equal(found.value, decoded(signature, {"a": [1.0]}).value)
    assert refused(Fitting(signature).columns, {"b": numpy.array([1.0])}).path == "data.a"


def test_an_index_is_taken_out_of_the_columns():
    signature = Frame((Column("k", "int64"), Column("a", "float64")), index=("k",))
    found = Fitting(signature).matrix(numpy.array([[7.0, 1.5]]))
    pandas.testing.assert_frame_equal(found.value, decoded(signature, [[7, 1.5]]).value)


def test_a_matrix_of_objects_is_checked_column_by_column():
    cells = numpy.empty((1, 3), dtype=object)
    cells[0] = [1.5, "Oslo", True]
    signature = Frame((Column("a", "float64"), Column("c", "object"), Column("v", "bool")))
    found = Fitting(signature).matrix(cells)
    pandas.testing.assert_frame_equal(found.value, decoded(signature, [[1.5, "Oslo", True]]).value)


def test_structured_arrays_are_columns():
    array = numpy.array([(1.5, 2), (2.5, 3)], dtype=[("b", "f8"), ("a", "i4")])
    found = Fitting(NUMBERS, tables=True).matrix(array)
    assert found.value.matrix.tolist() == [[2, 1.5], [3, 2.5]]


def test_a_tensor_takes_columns_in_their_order_and_a_single_array_as_it_is():
    fit = Fitting(Tensor("float32", (None, 2)))
    assert fit.columns({"z": numpy.array([1, 2]), "a": numpy.array([3, 4])}).value.tolist() == [[1, 3], [2, 4]]
    whole = fit.columns({"input": numpy.array([[1.0, 2.0]])})
    assert whole.value.dtype == numpy.float32
    assert whole.rows == 1
    assert refused(fit.columns, {"a": numpy.array([1.0])}).reason == "width"
    assert refused(fit.columns, {"x": numpy.array([1]), "y": numpy.array([numpy.nan])}).path == "data.y[0]"
    assert refused(Fitting(Tensor("float64", (None, 2, 2))).matrix, numpy.full((1, 2, 2), numpy.nan)).path == (
        "data[0][0][0]"
    )


def test_several_tensors_come_by_name_with_equally_many_rows():
    signature = Tensors((NamedTensor("image", "float32", (None, 2, 2)), NamedTensor("ids", "int64", (None,))))
    fit = Fitting(signature).columns
    image, ids = numpy.zeros((3, 2, 2), "f4"), numpy.arange(3)
    found = fit({"ids": ids, "image": image})
    assert found.rows == 3
    assert numpy.shares_memory(found.value["image"], image)
    assert refused(fit, {"ids": ids}).path == "data.image"
    assert refused(fit, {"ids": ids, "image": image, "x": ids}).reason == "unknown-column"
    assert refused(fit, {"ids": ids[:2], "image": image}).reason == "ragged"
    assert refused(fit, {"ids": ids, "image": image.reshape(3, 4)}).reason == "width"
    assert refused(Fitting(signature).matrix, ids).reason == "layout"


def test_several_columns_that_are_tensors_may_come_as_one_matrix():
    signature = Tensors((NamedTensor("x", "float32", (None,)), NamedTensor("y", "int64", (None, 1))))
    found = Fitting(signature).matrix(numpy.array([[1.5, 2.0], [2.5, 3.0]]))
    assert found.value["x"].tolist() == [1.5, 2.5]
    assert found.value["y"].tolist() == [[2], [3]]
    assert found.value["y"].dtype == numpy.int64


def test_a_model_that_says_nothing_gets_a_dataframe_of_columns_and_arrays_of_anything_else():
    fit = Fitting(Anything())
    frame = fit.columns({"x": numpy.array([1, 2]), "y": objects("a", "b")})
    pandas.testing.assert_frame_equal(frame.value, pandas.DataFrame({"x": [1, 2], "y": objects("a", "b")}))
    images = {"x": numpy.zeros((2, 3, 3)), "y": numpy.zeros(2)}
    assert fit.columns(images).value.keys() == images.keys()
    matrix = numpy.zeros((2, 3))
    assert fit.matrix(matrix).value is matrix
    assert fit.matrix(matrix).rows == 2


FLOATS = st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1, max_size=5
)


@given(FLOATS)
def test_the_way_in_changes_no_bit(rows):
    array = numpy.array(rows)
    wanted = decoded(NUMBERS, rows, tables=True).value.matrix
    for found in (
        Fitting(NUMBERS, tables=True).matrix(array).value.matrix,
        Fitting(NUMBERS, tables=True).columns({"b": array[:, 1], "a": array[:, :1]}).value.matrix,
        Fitting(Tensor("float64", (None, 2))).matrix(array).value,
        Fitting(NUMBERS).matrix(array).value.to_numpy(),
        Fitting(NUMBERS, tables=True).matrix(array.astype(">f8")).value.matrix,
    ):
        assert found.tobytes() == wanted.tobytes()


NUMPYS = st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
TARGETS = st.sampled_from(
    ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)


@given(NUMPYS, TARGETS, st.data())
def test_a_number_is_taken_as_what_it_is_or_not_at_all(given_dtype, target, data):
    dtype = numpy.dtype(given_dtype)
    if dtype.kind == "f":
        numbers = st.floats(width=dtype.itemsize * 8)
    else:
        numbers = st.integers(int(numpy.iinfo(dtype).min), int(numpy.iinfo(dtype).max))
    array = numpy.array(data.draw(st.lists(numbers, min_size=1, max_size=4)), dtype=dtype)
    try:
        found = Fitting(Tensor(target, (None,))).matrix(array).value
    except Rejection:
        holds = numpy.dtype(target)
        wide = holds.kind == "f" and (dtype.kind != "f" or holds.itemsize >= dtype.itemsize)
        exact = all(int(value) == value for value in array.tolist()) if numpy.isfinite(array).all() else False
        if exact and holds.kind in "iu":
            bounds = numpy.iinfo(holds)
            assert any(not bounds.min <= int(value) <= bounds.max for value in array.tolist())
        elif wide and numpy.isfinite(array).all():
            assert any(int(float(value)) != value for value in array.tolist())
    else:
        assert found.dtype == target
        assert numpy.isfinite(found).all()
        if target == "float32":
            assert (found == array.astype("f8").astype("f4")).all()
        else:
            assert [int(value) if array.dtype.kind != "f" else value for value in found.tolist()] == array.tolist()
