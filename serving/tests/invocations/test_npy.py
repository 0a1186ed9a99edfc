"""NumPy's files on /invocations: a view of the body, no pickles, and no header that is believed."""

import io

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tagboat_server.errors import Rejection
from tagboat_server.invocations import npy

PLAIN = numpy.arange(6.0).reshape(2, 3)


def saved(array, **options):
    out = io.BytesIO()
    numpy.save(out, array, **options)
    return out.getvalue()


def with_header(text, data=b"", version=(1, 0)):
    header = text if isinstance(text, bytes) else text.encode()
    width = 2 if version == (1, 0) else 4
    return b"\x93NUMPY" + bytes(version) + len(header).to_bytes(width, "little") + header + data


def refused(body):
    with pytest.raises(Rejection) as caught:
        npy.read(body)
    return caught.value


DTYPES = st.one_of(
    arrays.boolean_dtypes(),
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.unicode_string_dtypes(endianness="?", max_len=4),
)


@given(arrays.arrays(DTYPES, arrays.array_shapes(max_dims=3, max_side=4)), st.booleans())
@settings(deadline=None)
def test_an_array_is_read_as_numpy_wrote_it(array, by_columns):
    array = numpy.asfortranarray(array) if by_columns else array
    found = npy.read(saved(array))
    assert (found.shape, found.dtype) == (array.shape, array.dtype.newbyteorder("="))
    assert found.tobytes() == array.astype(found.dtype).tobytes()
    assert npy.read(npy.write(found)).tobytes() == found.tobytes()


def test_the_numbers_are_not_copied():
    body = saved(PLAIN)
    found = npy.read(body)
    start = numpy.frombuffer(body, numpy.uint8).__array_interface__["data"][0]
    assert found.__array_interface__["data"][0] == start + len(body) - PLAIN.nbytes
    assert not found.flags.writeable


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version):
    out = io.BytesIO()
    numpy.lib.format.write_array(out, PLAIN, version=version)
    assert npy.read(out.getvalue()).tolist() == PLAIN.tolist()


def test_a_pickle_is_never_read():
    class Boom:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    for array in (numpy.array([Boom()], dtype=object), numpy.array([(1, Boom())], dtype=[("a", "i4"), ("b", "O")])):
        refusal = refused(saved(array, allow_pickle=True))
        assert refusal.status == 422
        assert "objects" in refusal.message


@pytest.mark.parametrize(
    "shape",
    ["(2, 4)", "(1000000000, 1000000000)", "(2, -3)", "(6,)", "(2,)", "()", "(2.0, 3)", "(True, 6)", "('2', 3)", "3"],
)
def test_a_header_that_tells_another_size_than_the_file_has_is_refused(shape):
    data = PLAIN.tobytes()[:40]
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }\n"
    refusal = refused(with_header(header, data))
    assert refusal.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"PK\x03\x04" + bytes(100),
        saved(PLAIN)[:-1],
        saved(PLAIN) + b"x",
        saved(PLAIN)[:40],
        with_header("{'descr': '<f8'}"),
        with_header("__import__('os').system('true')"),
        with_header("(" * 9000),
        with_header("[" * 500 + "]" * 500),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}" + " " * 20_000, bytes(8)),
        with_header("{'descr': 'V0', 'fortran_order': False, 'shape': (5,)}"),
        with_header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(8), (4, 0)),
        with_header(b"\xff\xfe", version=(3, 0)),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 40 + ")}", bytes(8)),
    ],
)
def test_what_is_no_npy_file_is_refused(body):
    assert refused(body).status == 400


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_an_array_without_cells_has_no_rows(shape):
    assert refused(saved(numpy.empty(shape))).reason == "empty"


@given(st.binary(max_size=200), st.integers(0, 200))
@settings(deadline=None, max_examples=300)
def test_no_bytes_at_all_make_it_fail_in_another_way(noise, at):
    body = saved(PLAIN)
    damaged = body[:at] + noise + body[at + len(noise) :]
    try:
        npy.read(damaged)
    except Rejection as rejection:
        assert rejection.status in {400, 422}
