"""Models for the protocol: a dataframe of mixed columns, and one that gives back what it is given."""

import numpy
import pytest

ECHO = '''
"""Gives back what it is given, and other shapes of answers."""
import numpy


class Echo:
    def predict(self, value):
        return value

    def kind(self, value):
        return [type(value).__name__, str(getattr(value, "dtype", ""))]

    def records(self, value):
        return [{"class": "a", "score": 0.5}, {"class": "b", "score": float("nan")}]

    def several(self, value):
        return [numpy.zeros((2, 1)), numpy.ones((2, 3), "f4")]

    def words(self, value):
        return numpy.array(["\\u00e9t\\u00e9", None, ""], dtype=object)

    def times(self, value):
        return numpy.array(["2024-01-31", "NaT"], dtype="datetime64[s]")

    def complex(self, value):
        return numpy.array([1j])

    def fails(self, value):
        raise RuntimeError("secret")


def load():
    return Echo()
'''

DATATYPES = {
    "BOOL": numpy.array([True, False, True]),
    "INT8": numpy.array([-128, 0, 127], "i1"),
    "INT16": numpy.array([-(2**15), 0, 2**15 - 1], "i2"),
    "INT32": numpy.array([-(2**31), 0, 2**31 - 1], "i4"),
    "INT64": numpy.array([-(2**63), 2**53 + 1, 2**63 - 1], "i8"),
    "UINT8": numpy.array([0, 1, 255], "u1"),
    "UINT16": numpy.array([0, 1, 2**16 - 1], "u2"),
    "UINT32": numpy.array([0, 1, 2**32 - 1], "u4"),
    "UINT64": numpy.array([0, 2**53 + 1, 2**64 - 1], "u8"),
    "FP16": numpy.array([0.1, -65504, 6e-8], "f2"),
    "FP32": numpy.array([0.1, -3.4e38, 1e-45], "f4"),
    "FP64": numpy.array([0.1, -1.7e308, 5e-324], "f8"),
    "BYTES": numpy.array(["Oslo", "R\u00f8ros \u2603", ""], dtype=object),
}


@pytest.fixture(scope="session")
def datatypes():
    """An array of each datatype, with its ends."""
    return DATATYPES


@pytest.fixture(scope="session")
def echo_bundle(tmp_path_factory, bundle_around):
    """A predictor that says nothing of what it takes. Its artifact's name has what a path has to encode."""
    folder = tmp_path_factory.mktemp("echo")
    (folder / "model").mkdir()
    (folder / "model" / "predictor.py").write_text(ECHO)
    return bundle_around(folder, "predictor.py", name="models/tests:echo", version="v1.2.0-rc.1")


@pytest.fixture(scope="session")
def customers():
    """Columns of four types, and who stays."""
    import pandas

    random = numpy.random.default_rng(3)
    frame = pandas.DataFrame(
        {
            "age": random.normal(40, 15, 200),
            "orders": random.integers(0, 9, 200),
            "city": random.choice(["Oslo", "Rome", "Bern"], 200).astype(object),
            "vip": random.random(200) > 0.5,
        }
    )
    return frame, ((frame.city == "Oslo") ^ (frame.age > 40)).to_numpy()


@pytest.fixture(scope="session")
def mixed(customers):
    """A trained pipeline for them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer(
        [("city", OneHotEncoder(handle_unknown="ignore"), ["city"])], remainder="passthrough", sparse_threshold=0
    )
    return make_pipeline(columns, LogisticRegression()).fit(*customers)


SIGNATURE = {
    "kind": "dataframe",
    "columns": [
        {"name": "age", "dtype": "float64"},
        {"name": "orders", "dtype": "int64"},
        {"name": "city", "dtype": "object"},
        {"name": "vip", "dtype": "bool"},
    ],
}


@pytest.fixture(scope="session")
def mixed_bundle(mixed, tmp_path_factory, bundle_around):
    """The pipeline as a bundle, with its signature and a sample."""
    import json

    import joblib

    folder = tmp_path_factory.mktemp("mixed")
    (folder / "model").mkdir()
    joblib.dump(mixed, folder / "model" / "model.joblib")
    row = {"age": 40.5, "orders": 2, "city": "Oslo", "vip": True}
    (folder / "sample.json").write_text(json.dumps({"data": [row, row]}))
    methods = {name: {"input": SIGNATURE} for name in ("predict", "predict_proba", "decision_function")}
    return bundle_around(folder, "model.joblib", name="churn", sample="sample.json", methods=methods)
