"""Large matrices are read as the careful decoder reads them, or left to it."""

import json

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagboat_server.codecs.matrices import LARGE, MatrixReader
from tagboat_server.codecs.tensors import TensorDecoder
from tagboat_server.errors import Rejection
from tagboat_server.signature import Tensor

pytest.importorskip("simdjson", reason="NOT TESTED: pysimdjson is not installed")
PAD = " " * LARGE
"""White space, so that the reader takes a small body for a large one."""


def body(text):
    return (text + PAD).encode()


@given(
    st.lists(
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_the_same_numbers_as_the_careful_decoder(rows):
    sent = body(json.dumps({"data": rows}))
    wanted = TensorDecoder(Tensor("float64", (None, 3))).body(sent)
    found = MatrixReader(3)(sent)
    assert found is not None
    assert found.tolist() == [[float(cell) for cell in row] for row in wanted]
    assert found.flags.writeable


@pytest.mark.parametrize(
    "text",
    [
        '{"data": [[1, true]]}',
        '{"data": [[1, "2"]]}',
        '{"data": [[1, null]]}',
        '{"data": [[1, [2]]]}',
        '{"data": [[1, {"a": 2}]]}',
        '{"data": [[1, 2], [3]]}',
        '{"data": [[1, 2], 3]}',
        '{"data": [1, [2, 3]]}',
        '{"data": []}',
        '{"data": {"a": [1, 2]}}',
        '{"data": [[1, 2]], "more": 1}',
        '{"data": [[1, 2]], "data": [[3, 4]]}',
        '{"data": [[1, NaN]]}',
        '{"data": [[1, 1e999]]}',
        '{"data": [[1, 2]]',
        "[[1, 2]]",
        "",
    ],
)
def test_what_is_no_matrix_is_left_to_the_careful_decoder(text):
    reader = MatrixReader(2)
    assert reader(body(text)) is None
    assert reader(body('{"data": [[1, 2]]}')).tolist() == [[1.0, 2.0]]


def test_a_refusal_still_names_the_place():
    rows = [[0.5] * 30 for _ in range(100)]
    rows[57][3] = "x"
    with pytest.raises(Rejection) as refused:
        TensorDecoder(Tensor("float64", (None, 30)))(json.dumps({"data": rows}).encode())
    assert refused.value.path == "data[57][3]"


def test_a_large_body_gives_the_array_that_a_small_one_gives():
    rows = numpy.random.default_rng(0).normal(size=(200, 30))
    decoder = TensorDecoder(Tensor("float64", (None, 30)))
    whole = decoder(json.dumps({"data": rows.tolist()}).encode()).value
    single = numpy.concatenate([decoder(json.dumps({"data": [row]}).encode()).value for row in rows.tolist()])
    assert whole.tobytes() == single.tobytes() == rows.tobytes()
