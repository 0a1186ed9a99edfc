"""Tensors in JSON and in binary, and results as tensors: whatever goes in comes out, or is refused."""

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tagboat_server.errors import Rejection
from tagboat_server.protocols.open_inference import binary, json_tensors
from tagboat_server.protocols.open_inference.datatypes import DTYPES, datatype_of
from tagboat_server.protocols.open_inference.documents import read
from tagboat_server.protocols.open_inference.outputs import tensors_of

NUMBERS = [dtype for name, dtype in DTYPES.items() if name != "BYTES"]
SHAPES = arrays.array_shapes(max_dims=4, max_side=4)
ARRAYS = st.sampled_from(NUMBERS).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        SHAPES,
        elements={"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None,
    )
)
TEXTS = arrays.arrays(object, SHAPES, elements=st.text(max_size=5))


def same(found, wanted):
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes() if wanted.dtype != object else found.tolist() == wanted.tolist()


@given(ARRAYS | TEXTS, st.booleans())
def test_json_says_every_array_nested_or_flat(array, flat):
    data = json.dumps((array.reshape(-1) if flat else array).tolist()).encode()
    same(json_tensors.read(data, array.dtype, list(array.shape), "x"), array)


@given(ARRAYS | TEXTS, st.integers(0, 9))
def test_binary_says_every_array_wherever_it_begins(array, start):
    written = bytes(binary.write(array))
    found = binary.read(bytes(start) + written, start, len(written), array.dtype, list(array.shape), "x")
    if array.dtype == object:
        found = numpy.array([part.decode() for part in found.reshape(-1)], object).reshape(found.shape)
    same(found, array)
    assert found.flags.aligned


@given(st.binary(max_size=40), st.sampled_from(list(DTYPES.values())), st.lists(st.integers(-1, 5), max_size=3))
def test_any_bytes_are_an_array_of_the_shape_or_refused(data, dtype, shape):
    for reading in (
        lambda: binary.read(data, 0, len(data), dtype, shape, "x"),
        lambda: json_tensors.read(data, dtype, shape, "x"),
    ):
        try:
            found = reading()
        except Rejection as rejection:
            assert rejection.status in {400, 422}
        else:
            assert list(found.shape) == shape


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_body_is_a_request_or_refused(body):
    with pytest.raises(Rejection):
        read(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_result_of_plain_values_has_a_form(result):
    for array in tensors_of(result, "m").values():
        assert array.ndim >= 1
        assert datatype_of(array.dtype) in DTYPES
        assert (array.dtype == object) == (datatype_of(array.dtype) == "BYTES")
        binary.write(array)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("dtype", ["<f8", "<f4"])
def test_a_large_matrix_is_read_as_a_small_one(flat, dtype):
    array = numpy.random.default_rng(0).normal(size=(200, 30)).astype(dtype)
    data = json.dumps((array.reshape(-1) if flat else array).tolist()).encode()
    assert len(data) > json_tensors.LARGE
    same(json_tensors.read(data, array.dtype, [200, 30], "x"), array)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda rows: rows[:-1], 400),
        (lambda rows: [*rows, rows[0]], 400),
        (lambda rows: [*rows[:-1], rows[0][:-1]], 400),
        (lambda rows: [rows[0] + rows[1], *rows[2:], []], 400),
        (lambda rows: [*rows[:-1], [*rows[0][:-1], "1"]], 422),
        (lambda rows: [*rows[:-1], [*rows[0][:-1], True]], 422),
        (lambda rows: [*rows[:-1], [*rows[0][:-1], [1]]], 422),
        (lambda rows: [*rows[:-1], 1], 422),
    ],
)
def test_a_large_matrix_is_checked_as_a_small_one(change, status):
    rows = numpy.random.default_rng(0).normal(size=(200, 30)).tolist()
    data = json.dumps(change(rows)).encode()
    assert len(data) > json_tensors.LARGE
    with pytest.raises(Rejection) as caught:
        json_tensors.read(data, numpy.dtype("<f8"), [200, 30], "x")
    assert caught.value.status == status


def test_null_is_a_missing_value():
    assert numpy.isnan(json_tensors.read(b"[1, null]", numpy.dtype("<f8"), [2], "x")).tolist() == [False, True]
    assert json_tensors.read(b"[1, null]", numpy.dtype("<i8"), [2], "x").tolist() == [1, None]
    assert json_tensors.read(b"[true, null]", numpy.dtype(bool), [2], "x").tolist() == [True, None]


def test_whole_numbers_may_be_written_with_a_point():
    assert json_tensors.read(b"[1.0, 2]", numpy.dtype("<i4"), [2], "x").tolist() == [1, 2]


def test_numbers_in_binary_are_the_body_itself():
    body = numpy.arange(6.0).tobytes()
    found = binary.read(body, 0, len(body), numpy.dtype("<f8"), [2, 3], "x")
    assert numpy.shares_memory(found, numpy.frombuffer(body, numpy.uint8))


def test_dataframes_and_mappings_are_an_output_for_each_part():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None], ("c", 1): pandas.array([1, None], dtype="Int64")})
    found = tensors_of(frame, "m")
    assert list(found) == ["a", "b", "c.1"]
    assert found["a"].dtype == numpy.int64
    assert found["b"].tolist() == ["x", None]
    assert found["c.1"].dtype == numpy.float64
    assert numpy.isnan(found["c.1"]).tolist() == [False, True]
    assert list(tensors_of({"label": ["a"], "score": 0.5}, "m")) == ["label", "score"]
    assert tensors_of(pandas.Series([1.5]), "m")["m"].tolist() == [1.5]
    with pytest.raises(TypeError, match="two outputs"):
        tensors_of({1: [1], "1": [2]}, "m")


def test_sparse_results_are_made_dense():
    sparse = pytest.importorskip("scipy.sparse")
    assert tensors_of(sparse.eye(2).tocsr(), "m")["m"].tolist() == [[1, 0], [0, 1]]


def test_text_beside_numbers_does_not_become_numbers_in_text():
    assert [json.loads(part) for part in tensors_of(["a", 1], "m")["m"]] == ["a", 1]
    assert [json.loads(part) for part in tensors_of([[1], [2, 3]], "m")["m"]] == [[1], [2, 3]]
