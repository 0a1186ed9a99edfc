"""What models give back, as JSON."""

import datetime
import json

import numpy
import pandas
import pytest
import scipy.sparse

from tagboat_server.codecs import encode


def told(value):
    return json.loads(encode(value))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (numpy.array([1, 2]), [1, 2]),
        (numpy.array([[0.5], [numpy.nan]]), [[0.5], [None]]),
        (numpy.array([numpy.inf, -numpy.inf]), [None, None]),
        (numpy.array(["a", "ü"]), ["a", "ü"]),
        (numpy.array(["a", None, 3, numpy.float32(0.5)], dtype=object), ["a", None, 3, 0.5]),
        (numpy.array([True, False]), [True, False]),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(3), 3),
        (numpy.str_("x"), "x"),
        (numpy.bool_(1), True),
        ([numpy.array([1.0]), numpy.array([2])], [[1.0], [2]]),
        ((numpy.array([1]), numpy.array([2])), [[1], [2]]),
        ({"label": numpy.array([1]), 3: numpy.float64("nan")}, {"label": [1], "3": None}),
        ([{numpy.int64(1): numpy.float32(0.25)}], [{"1": 0.25}]),
        (scipy.sparse.csr_matrix([[0, 1], [2, 0]]), [[0, 1], [2, 0]]),
        (pandas.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (pandas.DataFrame({("a", "b"): [1.5]}), [{"a.b": 1.5}]),
        (pandas.Series([1, 2], dtype="Int64"), [1, 2]),
        (pandas.Series([1, None], dtype="Int64"), [1, None]),
        (pandas.Series(pandas.to_datetime(["2024-01-31"])), ["2024-01-31T00:00:00"]),
        (pandas.Categorical(["a", "b"]), ["a", "b"]),
        (numpy.array(["2024-01-31"], dtype="datetime64[D]"), ["2024-01-31"]),
        (datetime.date(2024, 1, 31), "2024-01-31"),
        (numpy.array([(1, 0.5)], dtype=[("n", int), ("x", float)]), [{"n": 1, "x": 0.5}]),
        (numpy.zeros((2, 0)), [[], []]),
        ("text", "text"),
        (None, None),
    ],
    ids=str,
)
def test_an_answer_is_json(given, expected):
    assert told(given) == expected


@pytest.mark.parametrize("given", [object(), 1j, numpy.array([1j]), {"x": object()}])
def test_what_has_no_form_in_json_is_a_type_error(given):
    with pytest.raises(TypeError):
        encode(given)


def test_floats_come_back_bit_for_bit():
    values = numpy.random.default_rng(1).standard_normal(1000)
    assert told(values) == values.tolist()


def test_many_outputs_and_sparse_ones_are_served(serve, bundle_of, tmp_path):
    from sklearn.datasets import make_multilabel_classification
    from sklearn.ensemble import RandomForestClassifier

    features, labels = make_multilabel_classification(60, 4, n_classes=2, random_state=0)
    model = RandomForestClassifier(5, random_state=0).fit(features, labels)
    server = serve(bundle_of(tmp_path, model))
    rows = features[:3]
    assert server.post("/predict", {"data": rows.tolist()}).json["predictions"] == model.predict(rows).tolist()
    expected = [part.tolist() for part in model.predict_proba(rows)]
    assert server.post("/predict_proba", {"data": rows.tolist()}).json["predictions"] == expected


def test_a_transformer_is_served(serve, bundle_of, tmp_path):
    from sklearn.preprocessing import OneHotEncoder

    model = OneHotEncoder(handle_unknown="ignore").fit(pandas.DataFrame({"city": ["Oslo", "Rome"]}))
    server = serve(bundle_of(tmp_path, model))
    answer = server.post("/transform", {"data": [{"city": "Rome"}, {"city": "Lima"}]})
    assert answer.json["predictions"] == [[0.0, 1.0], [0.0, 0.0]]
