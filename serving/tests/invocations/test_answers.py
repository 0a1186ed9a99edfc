"""Results of every kind in every form that they have, and None where they have none."""

import csv
import io
import json

import numpy
import pandas
import pytest
import scipy.sparse
from pyarrow import ipc, parquet

from tagboat_server.codecs import encode
from tagboat_server.invocations import answers

FRAME = pandas.DataFrame({"a": [0.1, numpy.nan], "b": ["x", 'y,"z"'], "c": [1, 2], "d": [True, False]})

TABLES = {
    "floats": numpy.array([0.1, -0.0, 1e300]),
    "matrix": numpy.array([[0.1, 0.2], [1 / 3, 5e-324]]),
    "column": numpy.array([[1.5], [2.5]]),
    "by columns": numpy.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
    "narrow": numpy.array([0.1, 0.2], numpy.float32),
    "whole numbers": numpy.array([2**53 + 1, -1]),
    "truths": numpy.array([True, False]),
    "text": numpy.array(["setosa", "a,b", ""]),
    "objects of text": numpy.array(["setosa", 'say "hi"\n'], dtype=object),
    "text of NumPy's": numpy.array([numpy.str_("a"), numpy.str_("b")], dtype=object),
    "objects of numbers": numpy.array([numpy.int64(3), numpy.int64(4)], dtype=object),
    "list of numbers": [1.5, 2.5],
    "list of text": ["a", "b"],
    "list of lists": [[1, 2], [3, 4]],
    "sparse": scipy.sparse.csr_matrix(numpy.eye(3)),
    "series": pandas.Series([1.5, 2.5]),
    "records": numpy.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i8"), ("b", "f8")]),
    "frame": FRAME,
    "list of records": [{"a": 1.5, "b": "x"}, {"a": 2.5, "b": "y"}],
}


def rows(result):
    """The rows as JSON has them."""
    listed = json.loads(encode(result))
    return [list(row.values()) if isinstance(row, dict) else row if isinstance(row, list) else [row] for row in listed]


def told(value):
    """As JSON tells a number of a narrow dtype, a missing one, or any other value."""
    return None if value is None or value != value else value


def by_table(table):
    return [[told(value) for value in row.values()] for row in table.to_pylist()]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_the_same_in_every_form(name):
    result, wanted = TABLES[name], rows(TABLES[name])
    lines = answers.as_lines(result)
    assert [json.loads(line) for line in lines.splitlines()] == json.loads(encode(result))
    assert by_table(ipc.open_stream(answers.as_arrow(result)).read_all()) == wanted
    assert by_table(parquet.read_table(io.BytesIO(answers.as_parquet(result)))) == wanted
    read = pandas.read_csv(io.BytesIO(answers.as_csv(result, header=True)), keep_default_na=False, dtype=str)
    assert len(read) == len(wanted)
    assert read.shape[1] == len(wanted[0])


@pytest.mark.parametrize("name", [name for name in TABLES if name not in {"frame", "list of records"}])
def test_an_array_is_the_same_array_in_npy(name):
    found = numpy.load(io.BytesIO(answers.as_npy(TABLES[name])), allow_pickle=False)
    listed = [list(row) if found.dtype.names else row for row in found.tolist()]
    assert [row if isinstance(row, list) else [row] for row in listed] == rows(TABLES[name])


def test_a_frame_of_several_types_has_no_form_in_npy():
    assert answers.as_npy(FRAME) is None
    assert numpy.load(io.BytesIO(answers.as_npy(FRAME[["a"]]))).shape == (2, 1)


def test_csv_quotes_what_must_be_and_leaves_missing_cells_empty():
    assert answers.as_csv(FRAME, header=True) == b'a,b,c,d\n0.1,x,1,true\n,"y,""z""",2,false\n'
    assert answers.as_csv(numpy.array([numpy.nan, numpy.inf, 1.0]), header=False) == b'""\n""\n1.0\n'
    assert answers.as_csv(["", "a\nb"], header=False) == b'""\n"a\nb"\n'


@pytest.mark.parametrize("value", ["", "é", '"', '""', ",", "\n", "\r", " a ", "1", "null", "true"])
def test_text_survives_csv(value):
    body = answers.as_csv([[value, 1]], header=False).decode()
    assert next(csv.reader(io.StringIO(body, newline=""))) == [value, "1"]


NO_TABLES = {
    "a mapping": {"a": [1], "b": {"c": 2}},
    "several arrays": [numpy.zeros((2, 2)), numpy.zeros((2, 3))],
    "mixed": numpy.array([1, "a", None], dtype=object),
    "objects": numpy.array([{"a": 1}, [2]], dtype=object),
    "a cube": numpy.zeros((2, 2, 2)),
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_has_no_form_in_arrow_and_parquet(name):
    assert answers.as_arrow(NO_TABLES[name]) is None
    assert answers.as_parquet(NO_TABLES[name]) is None


@pytest.mark.parametrize("name", ["a mapping", "several arrays", "objects", "a cube"])
def test_what_is_no_table_has_no_form_in_csv(name):
    assert answers.as_csv(NO_TABLES[name], header=False) is None


def test_records_are_told_by_their_names_in_any_order():
    records = [{"a": 1, "b": 2}, {"b": 3, "a": 4}]
    assert answers.as_csv(records, header=True) == b"a,b\n1,2\n4,3\n"
    assert answers.as_csv([*records, {"a": 1, "c": 2}], header=True) is None
    assert answers.as_csv([[1, 2], [3]], header=False) is None


def test_one_value_alone_is_no_list_of_rows():
    assert answers.as_lines({"a": 1}) is None
    assert answers.as_csv(3.5, header=False) is None
    assert numpy.load(io.BytesIO(answers.as_npy(numpy.float64(3.5)))).tolist() == 3.5
