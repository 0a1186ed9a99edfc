"""Models to become graphs: trained on public data, on tables and on arrays."""

import numpy
import pytest
from msgspec import structs

from tagboat_server.formats import estimators
from tagboat_server.optimizing.choosing import choose
from tagboat_server.optimizing.outcome import Tolerance


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """OpenMP's threads wait for each other by spinning, which is slow beside other tests."""
    import sklearn.ensemble  # noqa: F401 - what is loaded is limited
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def tumours():
    """30 columns with names, and kinds as text."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    return data.data, numpy.array(["malignant", "benign"], dtype=object)[data.target]


@pytest.fixture(scope="session")
def people():
    """Numbers, text, coded numbers, and a column that no model is given."""
    import pandas

    generator = numpy.random.default_rng(3)
    count = 300
    table = pandas.DataFrame(
        {
            "years of age": generator.normal(40, 12, count),
            "income": generator.normal(3e4, 9e3, count),
            "city": generator.choice(["Oslo", "Rome", "Bern"], count).astype(object),
            "plan": generator.choice([1.0, 2.0, 5.0], count),
            "id": numpy.arange(count),
        }
    )
    stays = (table["years of age"] > 40) ^ (table["city"] == "Rome") ^ (table["plan"] == 2.0)
    return table, stays.to_numpy()


@pytest.fixture(scope="session")
def mixed():
    """A pipeline's first step for `people`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def make(numbers=None, *, unknown="error"):
        return ColumnTransformer(
            [
                ("numbers", numbers or StandardScaler(), ["years of age", "income"]),
                ("codes", OneHotEncoder(handle_unknown=unknown), ["city", "plan"]),
            ]
        )

    return make


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """Converts an estimator: (the loaded model, the outcome, the graph or None)."""

    def convert(estimator, *, sample=None, rows=300, **tolerance):
        loaded = estimators.wrap(estimator, "sklearn-joblib", tmp_path_factory.getbasetemp(), [])
        return (loaded, *choose(loaded, sample, rows, Tolerance(**tolerance)))

    return convert


@pytest.fixture(scope="session")
def accepted(bundle_of):
    """Makes a bundle of an estimator with its graph beside it, as wrapping does."""
    import json

    import msgspec

    def write(folder, estimator, outcome, content, **more):
        bundle = bundle_of(folder, estimator)
        (bundle / "optimized").mkdir()
        (bundle / "optimized" / "model.onnx").write_bytes(content)
        document = json.loads((bundle / "model.json").read_text())
        outcome = structs.replace(outcome, graph="optimized/model.onnx")
        (bundle / "model.json").write_text(json.dumps({**document, "optimized": msgspec.to_builtins(outcome), **more}))
        return bundle

    return write
