"""An environment with MLEM and its server, models that it has saved, and models of our own for all protocols."""

import json
import subprocess

import pytest

REQUIREMENTS = (
    "mlem==0.4.14",
    "isort<8",
    "typer<0.26",
    "pydantic==1.10.27",
    "fastapi==0.125.0",
    "starlette==0.50.0",
    "requests==2.34.2",
    "scikit-learn==1.9.1",
    "pandas==3.1.1",
    "numpy==2.4.6",
)
"""MLEM's server as it is installed today; FastAPI is the last that knows pydantic 1."""

SAVE = """
import sys
import mlem.api, numpy, pandas
from mlem.contrib.numpy import NumpyNdarrayType
from mlem.core.data_type import PrimitiveType
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def save(name, model, sample=None, **more):
    mlem.api.save(model, sys.argv[1] + "/" + name, sample_data=sample, **more)

flowers = load_iris(as_frame=True)
features = flowers.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
species = flowers.target.map(dict(enumerate(flowers.target_names))).astype(object)
forest = RandomForestClassifier(5, random_state=0).fit(features, species)
save("frame", forest, features.head().reset_index(drop=True), params={"owner": "botany"})
save("unknown", forest)
array = features.to_numpy()
pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(array, flowers.target)
save("array", pipeline, array[:3])
save("nested", pipeline, array[:3].tolist())
save("imputed", make_pipeline(SimpleImputer(), LogisticRegression()).fit(features, species), features.head())
save("scaler", StandardScaler().fit(features), features.head())

def half(text):
    if text == "odd":
        raise ValueError("an odd text\\nis refused")
    if text == "worse":
        raise KeyError("a secret")
    return {"half": text[: len(text) // 2], "letters": len(text)}
save("text", half, "some text")

def ends(values):
    return [values[0], values[-1]]
save("list", ends, [1, 2, 3])
save("mixed", lambda values: values, [1, "a", 2.5])
save("dict", lambda values: values, {"a": 1, "b": [1.0, 2.0]})
save("number", lambda x: x + 1, numpy.float32(1.5))
save("table", lambda frame: frame.assign(total=frame.sum(axis=1)), features.head())

def add(left: NumpyNdarrayType(shape=(None, 2), dtype="float64"),
        right: NumpyNdarrayType(shape=(None, 2), dtype="float64"),
        name: PrimitiveType(ptype="float") = 2.0) -> NumpyNdarrayType(shape=(None, 2), dtype="float64"):
    return left + right * name
save("several", add)
def scaled(left: NumpyNdarrayType(shape=(None, 2), dtype="float64"),
        factor: PrimitiveType(ptype="int")) -> NumpyNdarrayType(shape=(None, 2), dtype="float64"):
    return left * factor
save("scaled", scaled)
save("bytes", lambda contents: contents[::-1], b"abc")
"""

SEED = {"PYTHONHASHSEED": "0"}
"""MLEM shows sets in its errors, whose order differs from process to process."""


@pytest.fixture(scope="session")
def quiet():
    """The environment of a process that runs MLEM in a folder, and tells nobody."""
    return lambda folder: {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "ITERATIVE_DO_NOT_TRACK": "1",
        "MLEM_NO_ANALYTICS": "1",
        **SEED,
    }


@pytest.fixture(scope="session")
def mlem(environment_of):
    """The Python of an environment with MLEM, its server and ours."""
    return environment_of("mlem-rest", "3.11", *REQUIREMENTS, needs_server=True)


@pytest.fixture(scope="session")
def models(mlem, quiet, tmp_path_factory):
    """Models as MLEM writes them."""
    folder = tmp_path_factory.mktemp("mlem-rest")
    (folder / "save.py").write_text(SAVE)
    (folder / "model").mkdir()
    subprocess.run([mlem, "save.py", "model"], check=True, env=quiet(folder), cwd=folder)
    return folder


@pytest.fixture(scope="session")
def with_sample(bundle_of, bundle_around, tmp_path_factory):
    """Makes a bundle of an estimator and rows of a sample."""

    def make(estimator, rows, name="iris"):
        folder = tmp_path_factory.mktemp(name)
        bundle_of(folder, estimator)
        (folder / "sample.json").write_text(json.dumps({"data": rows}))
        return bundle_around(folder, "model.joblib", sample="sample.json", name=name)

    return make


@pytest.fixture(scope="session")
def table(iris, with_sample):
    """A model of a dataframe."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(*iris)
    return with_sample(model, iris[0].head(3).to_dict("records"))


@pytest.fixture(scope="session")
def matrix(iris, with_sample):
    """A model of an array."""
    from sklearn.ensemble import RandomForestClassifier

    rows = iris[0].to_numpy()
    return with_sample(RandomForestClassifier(5, random_state=0).fit(rows, iris[1].to_numpy()), rows[:3].tolist())


@pytest.fixture(scope="session")
def mixed(with_sample):
    """A pipeline of text, numbers of which some are missing, whole numbers, and true and false."""
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pandas.DataFrame(
        {
            "city": ["Oslo", "Rome", "Oslo", "Bergen"],
            "income": [3.5, None, 1.5, 2.0],
            "children": [0, 2, 1, 3],
            "member": [True, False, False, True],
        }
    )
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (SimpleImputer(), ["income"]),
        remainder="passthrough",
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    return with_sample(model, json.loads(frame.head(2).to_json(orient="records")), name="customers")
