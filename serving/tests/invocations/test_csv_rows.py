"""CSV on /invocations: RFC 4180, cells as the signature's dtypes want them, and what is wrong told by the line."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagboat_server.codecs import Fitting, decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.invocations.answers import as_csv
from tagboat_server.invocations.csv_rows import CsvReader
from tagboat_server.signature import Anything, Column, Frame, NamedTensor, Tensor, Tensors

PEOPLE = Frame(
    (
        Column("age", "float64", nullable=True),
        Column("city", "str", nullable=True),
        Column("plan", "int64"),
        Column("news", "bool"),
    )
)
NUMBERS = Frame((Column("a", "float64"), Column("b", "float64")))


def read(signature, text, header=False):
    body = text if isinstance(text, bytes) else text.encode()
    return CsvReader(decoder_for(signature), Fitting(signature), signature)(body, header=header).input


def refused(signature, text, header=False):
    with pytest.raises(Rejection) as caught:
        read(signature, text, header)
    return caught.value


def by_json(signature, rows):
    return decoder_for(signature)(json.dumps({"data": rows}).encode())


@pytest.mark.parametrize(
    "text",
    [
        "3.5,Oslo,1,true\n4,Rome,2,false\n",
        "3.5,Oslo,1,true\r\n4,Rome,2,false",
        '"3.5","Oslo","1","True"\r\n4.0,Rome,2.0,False\r\n',
        "\ufeff3.5,Oslo,1,TRUE\n4.,Rome,+2,FALSE\n",
    ],
    ids=["plain", "CRLF", "quoted", "byte order mark"],
)
def test_cells_are_read_as_their_columns_want_them(text):
    taken = read(PEOPLE, text)
    expected = by_json(PEOPLE, [[3.5, "Oslo", 1, True], [4, "Rome", 2, False]])
    assert taken.rows == 2
    assert taken.value.equals(expected.value)
    assert list(taken.value.dtypes) == list(expected.value.dtypes)


def test_quotes_hold_commas_quotes_and_line_breaks():
    taken = read(PEOPLE, '1,"a, ""b""\r\nc",1,true\n2,d,"x",true\n'.replace('"x"', "2"))
    assert taken.value["city"].tolist() == ['a, "b"\r\nc', "d"]


def test_an_empty_cell_is_missing_and_an_empty_text_is_in_quotes():
    taken = read(PEOPLE, ',,1,true\n1,"",2,true\n')
    assert taken.value["age"].isna().tolist() == [True, False]
    assert taken.value["city"].isna().tolist() == [True, False]
    assert taken.value["city"][1] == ""


def test_a_header_is_there_only_where_the_content_type_says_so():
    text = "news,plan,age,city\ntrue,1,3.5,Oslo\n"
    assert read(PEOPLE, text, header=True).value.to_dict("records") == [
        {"age": 3.5, "city": "Oslo", "plan": 1, "news": True}
    ]
    refusal = refused(PEOPLE, "age,city,plan,news\n3.5,Oslo,1,true\n")
    assert refusal.path == "csv line 1, column age"
    assert "header=present" in refusal.hint


def test_columns_that_the_model_ignores_may_be_left_out_by_a_header():
    signature = Frame((Column("a", "float64"), Column("b", "any", nullable=True, optional=True)))
    assert read(signature, "a\n1\n2\n", header=True).value["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "header", "path", "words"),
    [
        ("1,Oslo,1,true\n1,Oslo,x,true\n", False, "csv line 2, column plan", "got text"),
        ("1,Oslo,1,true\n1,Oslo,1.5,true\n", False, "csv line 2, column plan", "whole number"),
        ("1,Oslo,1,true\n1,Oslo,,true\n", False, "csv line 2, column plan", "got null"),
        ("1,Oslo,1,yes\n", False, "csv line 1, column news", "true or false"),
        ("1,Oslo,1,1\n", False, "csv line 1, column news", "true or false"),
        ("nan,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        ("inf,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        ("1_0,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        (" 1,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        ("0x1F,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        ("1e999,Oslo,1,true\n", False, "csv line 1, column age", "out of range"),
        ("١,Oslo,1,true\n", False, "csv line 1, column age", "got text"),
        ("1,Oslo,99999999999999999999,true\n", False, "csv line 1, column plan", "out of the range"),
        ('1,"a\nb",1,true\n1,c,1\n', False, "csv line 3", "4 cells"),
        ("1,Oslo,1,true\n\n1,Oslo,1,true\n", False, "csv line 2", "4 cells"),
        ("", False, "csv", "no rows"),
        ("age,city,plan,news\n", True, "csv", "no rows"),
        ("", True, "csv line 1", "no header"),
        ("age,city,plan\n1,a,1\n", True, "csv header, column news", "missing"),
        ("age,city,plan,news,x\n1,a,1,true,1\n", True, "csv header, column x", "unknown"),
        ("age,age,plan,news\n1,1,1,true\n", True, "csv header, column age", "twice"),
        ("news,plan,age,city\ntrue,x,3.5,Oslo\n", True, "csv line 2, column plan", "got text"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line_and_column(text, header, path, words):
    refusal = refused(PEOPLE, text, header)
    assert refusal.status == 422
    assert refusal.path == path
    assert words in refusal.message


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('1,"Oslo,1,true\n', "csv line 1, column 2"),
        ('1,Os"lo,1,true\n', "csv line 1, column 2"),
        ('1,"Oslo"x,1,true\n', "csv line 1, column 2"),
        ("1,Oslo\r,1,true\n", "csv line 1, column 2"),
        ('1,"a\nb",1,true\n1,b"c,1,true\n', "csv line 3, column 2"),
        (b"1,Oslo,1,true\n1,\xff,1,true\n", "csv line 2"),
    ],
)
def test_what_is_no_csv_is_refused_with_its_line(text, path):
    refusal = refused(PEOPLE, text)
    assert (refusal.status, refusal.path) == (400, path)


@pytest.mark.parametrize("text", ["1,2\r3,4", "1,\r2", "1\r,2", "1,[2", "1],[2", "1,2],[3,4", "1,2}", "[1,2]"])
def test_no_cell_breaks_out_of_its_row(text):
    assert refused(NUMBERS, text).status in {400, 422}


@pytest.mark.parametrize("text", ["1,2\n", "1,2\r\n3,4\r\n", "1e5,-0.0\n.5,5.\n+1,01\n", "1,2\n3,4"])
def test_numbers_are_read_alike_by_the_quick_and_the_careful_way(text):
    quick = read(NUMBERS, text).value.to_numpy()
    careful = read(NUMBERS, "".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"\n' for line in text.split()))
    assert quick.tobytes() == careful.value.to_numpy().tobytes()


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: "\0" not in text),
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_what_any_writer_of_csv_writes_is_what_json_says(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(["" if cell is None else cell for cell in row] for row in rows)
    text = out.getvalue()
    expected = by_json(PEOPLE, rows).value
    taken = read(PEOPLE, text).value
    assert taken.equals(expected)
    assert taken["age"].to_numpy().tobytes() == expected["age"].to_numpy().tobytes()


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text()), min_size=1, max_size=5))
@settings(deadline=None)
def test_an_answer_in_csv_reads_back_as_it_was(rows):
    signature = Frame((Column("x", "float64"), Column("y", "str", nullable=True)))
    written = as_csv([list(row) for row in rows], header=False)
    taken = read(signature, written).value
    assert list(zip(taken["x"].tolist(), taken["y"].tolist())) == rows


def test_a_matrix_has_no_names_and_any_width_that_the_signature_leaves_open():
    assert read(Tensor("float64", (None, 2)), "1,2\n3,4\n").value.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert read(Tensor("float64", (None, None)), "1,2,3\n").value.tolist() == [[1.0, 2.0, 3.0]]
    assert read(Tensor("int64", (None, 2)), "1,2\n").value.dtype == "int64"
    refusal = refused(Tensor("float64", (None, 2)), "a,b\n1,2\n", header=True)
    assert (refusal.status, refusal.path) == (422, "csv header")


def test_an_array_of_one_dimension_is_one_column():
    assert read(Tensor("str", (None,)), 'good film\n"bad, long"\n').value.tolist() == ["good film", "bad, long"]
    assert read(Tensor("float64", (None,)), "1\n2\n").value.tolist() == [1.0, 2.0]
    assert refused(Tensor("float64", (None,)), "1\nx\n").path == "csv line 2, column 1"


def test_named_tensors_of_one_value_a_row_are_columns():
    signature = Tensors((NamedTensor("a", "float32", (None, 1)), NamedTensor("b", "int64", (None,))))
    taken = read(signature, "b,a\n1,2.5\n", header=True).value
    assert (taken["a"].tolist(), taken["b"].tolist()) == ([[2.5]], [1])


def test_what_csv_cannot_hold_is_another_content_type():
    assert refused(Tensor("float64", (None, 2, 2)), "1,2\n").status == 415


def test_where_nothing_is_known_bare_numbers_are_numbers_and_quoted_ones_text():
    taken = read(Anything(), 'x,y,z\n1,"2",a\n1.5,"3",b\n', header=True).value
    assert taken.to_dict("list") == {"x": [1.0, 1.5], "y": ["2", "3"], "z": ["a", "b"]}


def test_a_number_in_a_column_of_text_is_text():
    assert read(Frame((Column("zip", "str"),)), "01234\n5\n").value["zip"].tolist() == ["01234", "5"]
