"""Which form a JSON document on /invocations is: every pair of forms, and nothing is guessed."""

import itertools
import json

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagboat_server.codecs import Fitting, decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.invocations.documents import FORMS, DocumentReader
from tagboat_server.invocations.splits import SplitReader
from tagboat_server.signature import Anything, Column, Frame, NamedTensor, Tensor, Tensors

PEOPLE = Frame((Column("age", "float64"), Column("city", "str"), Column("plan", "int64")))
NUMBERS = Frame((Column("a", "float64"), Column("b", "float64"), Column("c", "float64")))
MATRIX = Tensor("float64", (None, 3))
COLUMNAR = Tensors((NamedTensor("a", "float32", (None, 1)), NamedTensor("b", "int64", (None,))))
IMAGES = Tensors((NamedTensor("image", "float32", (None, 2)), NamedTensor("mask", "int64", (None, 3))))

RECORDS = [{"age": 3.5, "city": "Oslo", "plan": 1}, {"age": 4, "city": 'a"b', "plan": 2}]
ROWS = [list(record.values()) for record in RECORDS]
COLUMNS = {name: [record[name] for record in RECORDS] for name in RECORDS[0]}
SPLIT = {"columns": list(COLUMNS), "index": [0, 1], "data": ROWS}

DOCUMENTS = {
    "data": {"data": RECORDS},
    "data rows": {"data": ROWS},
    "dataframe_split": {"dataframe_split": SPLIT},
    "dataframe_split without names": {"dataframe_split": {"data": ROWS}},
    "dataframe_split in another order": {
        "dataframe_split": {"columns": list(COLUMNS)[::-1], "data": [row[::-1] for row in ROWS]}
    },
    "dataframe_records": {"dataframe_records": RECORDS},
    "instances rows": {"instances": ROWS},
    "instances records": {"instances": RECORDS},
    "instances columns": {"instances": COLUMNS},
    "inputs rows": {"inputs": ROWS},
    "inputs records": {"inputs": RECORDS},
    "inputs columns": {"inputs": COLUMNS},
    "empty params": {"inputs": COLUMNS, "params": {}},
    "no params": {"dataframe_split": SPLIT, "params": None},
    "bare rows": ROWS,
    "bare records": RECORDS,
}


def reader(signature):
    decode, fitting = decoder_for(signature), Fitting(signature)
    return DocumentReader(decode, signature, SplitReader(decode, fitting, signature))


def read(signature, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return reader(signature)(body).input


def refused(signature, document):
    with pytest.raises(Rejection) as caught:
        read(signature, document)
    return caught.value


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_form_is_the_same_question(name):
    expected = read(PEOPLE, {"data": ROWS})
    taken = read(PEOPLE, DOCUMENTS[name])
    assert taken.rows == 2
    assert taken.value.equals(expected.value)
    assert list(taken.value.dtypes) == list(expected.value.dtypes)


VALUES = {
    "data": ROWS,
    "dataframe_split": SPLIT,
    "dataframe_records": RECORDS,
    "instances": ROWS,
    "inputs": ROWS,
}


@pytest.mark.parametrize("pair", list(itertools.permutations(FORMS, 2)), ids=" beside ".join)
def test_two_forms_in_one_document_are_refused(pair):
    refusal = refused(PEOPLE, {form: VALUES[form] for form in pair})
    assert refusal.status == 422
    assert all(form in refusal.message for form in pair)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", ["signature_name", "model", "Data", "messages"])
def test_an_unknown_key_beside_a_form_is_refused(form, other):
    refusal = refused(PEOPLE, {form: VALUES[form], other: 1})
    assert (refusal.status, refusal.path) == (422, other)


@pytest.mark.parametrize("form", FORMS[1:])
def test_no_spelling_of_a_second_key_comes_past_the_quick_reader(form):
    value = json.dumps(VALUES[form])
    for key in ('"data"', '"\\u0064ata"', '"d\\u0061ta"'):
        for separator in (", ", ",\n\t"):
            body = f'{{"{form}": {value}{separator}{key}: {json.dumps(ROWS)}}}'.encode()
            assert refused(PEOPLE, body).status == 422
    assert read(PEOPLE, f'{{"{form}": {value}, "params": {{}}}}'.encode()).rows == 2


@pytest.mark.parametrize("form", FORMS)
def test_parameters_are_refused_by_a_method_that_takes_none(form):
    refusal = refused(PEOPLE, {form: VALUES[form], "params": {"temperature": 1}})
    assert (refusal.status, refusal.path) == (422, "params")


@pytest.mark.parametrize(
    "document", [{}, {"age": [1]}, RECORDS[0], COLUMNS, 3, "text", None, True, {"params": {}}], ids=json.dumps
)
def test_what_is_no_form_is_refused_and_told_what_is(document):
    refusal = refused(PEOPLE, document)
    assert refusal.status == 422
    assert all(form in refusal.hint for form in FORMS)


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"data": [*ROWS, [1, 2, 3]]}, "data[2][1]", "got a whole number"),
        ({"instances": [*ROWS, [1, "x"]]}, "instances[2]", "3 values"),
        ({"instances": [*RECORDS, {**RECORDS[0], "age": "3"}]}, "instances[2].age", "got text"),
        ({"instances": {**COLUMNS, "age": [1]}}, "instances.age", "1 values"),
        ({"instances": ROWS[0]}, "instances[0]", "got a number"),
        ({"inputs": {**COLUMNS, "plan": [1, None]}}, "inputs.plan[1]", "got null"),
        ({"inputs": {**COLUMNS, "size": [1, 2]}}, "inputs.size", "unknown"),
        ({"inputs": {"age": [1]}}, "inputs.city", "missing"),
        ({"inputs": []}, "inputs", "no rows"),
        ({"inputs": RECORDS[0]}, "inputs.age", "expected a list"),
        ({"dataframe_records": ROWS}, "dataframe_records", "list of records"),
        ({"dataframe_records": COLUMNS}, "dataframe_records", "list of records"),
        ({"dataframe_records": [*RECORDS, {**RECORDS[0], "age": True}]}, "dataframe_records[2].age", "true or false"),
        ({"dataframe_records": [*RECORDS, ROWS[0]]}, "dataframe_records[2]", "mixed"),
        ({"dataframe_split": ROWS}, "dataframe_split", "got a list"),
        ({"dataframe_split": {"columns": list(COLUMNS)}}, "dataframe_split.data", "needs 'data'"),
        ({"dataframe_split": {**SPLIT, "dtype": 1}}, "dataframe_split.dtype", "unknown key"),
        ({"dataframe_split": {**SPLIT, "data": [*ROWS[:1], [1, "x", 1.5]]}}, "dataframe_split.data[1][2]", "whole"),
        ({"dataframe_split": {**SPLIT, "data": [ROWS[0][:2]]}}, "dataframe_split.data[0]", "3 values"),
        ({"dataframe_split": {**SPLIT, "index": [0]}}, "dataframe_split.index", "1 values for 2 rows"),
        ({"dataframe_split": {**SPLIT, "columns": ["age", "city"]}}, "dataframe_split.columns", "'plan' is missing"),
        ({"dataframe_split": {**SPLIT, "columns": ["age", "city", "Plan"]}}, "dataframe_split.columns[2]", "unknown"),
        ({"dataframe_split": {**SPLIT, "columns": ["age", "age", "plan"]}}, "dataframe_split.columns[1]", "twice"),
        ({"dataframe_split": {**SPLIT, "columns": "age"}}, "dataframe_split.columns", "expected a list"),
        ({"dataframe_split": {**SPLIT, "columns": [1.5]}}, "dataframe_split.columns[0]", "got a number"),
        (
            {"dataframe_split": {"columns": ["plan", "city", "age"], "data": [[1, "x", 2], [1, "x", "y"]]}},
            "dataframe_split.data[1][2]",
            "got text",
        ),
        (
            {"dataframe_split": {"columns": ["plan", "city", "age"], "data": [[1, "x", 2], [1, "x"]]}},
            "dataframe_split.data[1]",
            "3 values",
        ),
        ([*ROWS, [1, "x", "y"]], "[2][2]", "got text"),
        ([*RECORDS, {**RECORDS[0], "size": 1}], "[2].size", "unknown"),
        ([*RECORDS, ROWS[0]], "[2]", "mixed"),
        ([], None, "no rows"),
        ([1], "[0]", "got a whole number"),
        (b'{"instances": [[1, "x", NaN]]}', "instances[0][2]", "NaN"),
        (b'{"dataframe_split": {"data": [[Infinity, "x", 1]]}}', "dataframe_split.data[0][0]", "Infinity"),
        (b'[[NaN, "x", 1]]', "[0][0]", "NaN"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_in_the_senders_terms(document, path, words):
    refusal = refused(PEOPLE, document)
    assert refusal.status == 422
    assert refusal.path == path
    assert words in refusal.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b'{"instances": [[1 2]]}', "byte 18"),
        (b"[[1 2]]", "byte 4"),
        (b"[[1, 2, 3]", "ends too early"),
        (b'{"instances": [[1, 2, 3]]', "ends too early"),
        (b'{"instances": ' + b"[" * 5000, "too deeply"),
        (b'[{"a":' + b"[" * 5000, "too deeply"),
        (b'[[1, 2, 3]]}, {"data": [[1, 2, 3]]', "trailing"),
        (b'[[1, 2, 3]], "x": [', "trailing"),
        (b'[[1, 2, 3]], "data": [[4, 5, 6]]', "trailing"),
        (b"[[1, 2, 3]], [[4, 5, 6]]", "trailing"),
        (b'{"instances": [[1, 2, 3]]}, {"data": [[4, 5, 6]]}', "trailing"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place_in_what_was_sent(body, words):
    refusal = refused(NUMBERS, body)
    assert refusal.status == 400
    assert words in refusal.message


def test_columns_that_the_model_ignores_may_be_left_out_of_a_split():
    signature = Frame((Column("a", "float64"), Column("b", "any", nullable=True, optional=True), Column("c", "int64")))
    split = {"columns": ["c", "a"], "data": [[1, 2.5], [2, 3.5]]}
    taken = read(signature, {"dataframe_split": split}).value
    assert taken["a"].tolist() == [2.5, 3.5]
    assert taken["c"].tolist() == [1, 2]
    assert taken["b"].isna().all()


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=200
    ),
    st.permutations(["a", "b", "c"]),
)
@settings(deadline=None, max_examples=30)
def test_columns_in_any_order_give_the_same_bits(rows, names):
    places = ["abc".index(name) for name in names]
    moved = [[row[place] for place in places] for row in rows]
    taken = read(NUMBERS, {"dataframe_split": {"columns": names, "data": moved}}).value
    assert taken.to_numpy().tobytes() == numpy.array(rows).tobytes()
    assert list(taken.columns) == ["a", "b", "c"]


@pytest.mark.parametrize("document", [{"inputs": [[1, 2, 3]] * 2}, {"instances": [[1, 2, 3]] * 2}, [[1, 2, 3]] * 2])
def test_a_tensor_comes_by_every_form_that_has_no_names(document):
    assert read(MATRIX, document).value.tolist() == [[1.0, 2.0, 3.0]] * 2


def test_a_model_without_column_names_takes_the_numbers_that_pandas_gives_them_and_no_names():
    numbered = {"columns": [0, 1, 2], "index": [0], "data": [[1, 2, 3]]}
    assert read(MATRIX, {"dataframe_split": numbered}).value.tolist() == [[1.0, 2.0, 3.0]]
    for columns in (["a", "b", "c"], [0, 2, 1], ["0", "1", "2"]):
        refusal = refused(MATRIX, {"dataframe_split": {**numbered, "columns": columns}})
        assert refusal.path == "dataframe_split.columns"
        assert "no column names" in refusal.message


def test_columns_named_by_numbers_are_found_by_them():
    signature = Frame((Column(0, "float64"), Column(1, "float64")))
    taken = read(signature, {"dataframe_split": {"columns": [1, 0], "data": [[1, 2]]}})
    assert taken.value.to_numpy().tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": {"image": [[1, 2], [3, 4]], "mask": [[1, 2, 3], [4, 5, 6]]}},
        {"instances": [{"image": [1, 2], "mask": [1, 2, 3]}, {"mask": [4, 5, 6], "image": [3, 4]}]},
    ],
    ids=["inputs", "instances"],
)
def test_named_tensors_come_together_or_row_by_row(document):
    taken = read(IMAGES, document)
    assert taken.rows == 2
    assert taken.value["image"].tolist() == [[1, 2], [3, 4]]
    assert taken.value["mask"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_row_that_lacks_a_named_tensor_is_refused():
    refusal = refused(IMAGES, {"instances": [{"image": [1, 2], "mask": [1, 2, 3]}, {"image": [1, 2]}]})
    assert (refusal.status, refusal.path) == (422, "instances[1]")
    assert "'mask'" in refusal.message


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": {"a": [[1], [2]], "b": [3, 4]}},
        {"inputs": {"a": [1, 2], "b": [[3], [4]]}},
        {"instances": [{"a": 1, "b": 3}, {"a": 2, "b": 4}]},
        {"dataframe_split": {"columns": ["b", "a"], "data": [[3, 1], [4, 2]]}},
    ],
)
def test_tensors_of_one_value_a_row_come_as_columns_of_either_shape(document):
    taken = read(COLUMNAR, document).value
    assert taken["a"].tolist() == [[1.0], [2.0]]
    assert taken["b"].tolist() == [3, 4]


def test_a_model_that_says_nothing_of_its_input_gets_what_the_names_say():
    taken = read(Anything(), {"dataframe_split": {"columns": ["x", "y"], "data": [[1, "a"], [2, "b"]]}})
    assert taken.rows == 2
    assert taken.value.to_dict("list") == {"x": [1, 2], "y": ["a", "b"]}


def test_numbers_read_quickly_are_those_read_carefully():
    rows = numpy.random.default_rng(3).normal(size=(400, 3))
    careful = numpy.concatenate([read(NUMBERS, {"instances": [row]}).value.to_numpy() for row in rows.tolist()[:50]])
    for document in ({"instances": rows.tolist()}, rows.tolist(), {"dataframe_split": {"data": rows.tolist()}}):
        quick = read(NUMBERS, document).value.to_numpy()
        assert quick.tobytes() == rows.tobytes()
        assert quick[:50].tobytes() == careful.tobytes()
