"""Models saved by MLEM itself, served in an environment of their own: MLEM cannot live beside Tagboat's tools."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "demo.lock"

SAVE = """
import sys
import mlem.api, numpy
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
flowers = load_iris(as_frame=True)
features = flowers.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
species = flowers.target.map(dict(enumerate(flowers.target_names)))
forest = RandomForestClassifier(5, random_state=0).fit(features, species)
mlem.api.save(forest, sys.argv[1] + "/frame", sample_data=features.head().reset_index(drop=True))
mlem.api.save(forest, sys.argv[1] + "/unknown")
array = features.to_numpy()
pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(array, flowers.target)
mlem.api.save(pipeline, sys.argv[1] + "/array", sample_data=array[:3])
def double(x):
    return x * 2
mlem.api.save(double, sys.argv[1] + "/function", sample_data=array[:3])
def half(text):
    return {"half": text[: len(text) // 2]}
mlem.api.save(half, sys.argv[1] + "/text", sample_data="some text")
"""


@pytest.fixture(scope="session")
def python(environment_of):
    """The Python of an environment with MLEM, as the demo's data scientist has it."""
    return environment_of("mlem", "3.11", "--require-hashes", "-r", str(LOCK), needs_server=True)


@pytest.fixture(scope="session")
def saved(python, tmp_path_factory):
    """Models as MLEM writes them."""
    folder = tmp_path_factory.mktemp("mlem")
    script = folder / "save.py"
    script.write_text(SAVE)
    (folder / "model").mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "ITERATIVE_DO_NOT_TRACK": "1"}
    subprocess.run([str(python), str(script), str(folder / "model")], check=True, env=environment, cwd=folder)
    return folder


def inspected(python, saved, model):
    command = [str(python), "-m", "tagboat_server", "inspect", str(saved / "model"), "--model", model]
    done = subprocess.run(command, capture_output=True, env={"PYTHONPATH": str(ROOT / "serving")}, cwd="/", check=False)
    return done.returncode, json.loads(done.stdout)


pytestmark = pytest.mark.slow
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def started(serve, bundle_around, saved, python, model):
    bundle = bundle_around(saved, model, format="mlem")
    return serve(bundle, python=python, environment={"PYTHONPATH": str(ROOT / "serving")})


def test_the_signature_in_the_metadata_is_enforced(serve, bundle_around, saved, python):
    code, document = inspected(python, saved, "frame")
    assert (code, document["format"]) == (0, "mlem")
    assert set(document["methods"]) == {"predict", "predict_proba"}
    assert [column["name"] for column in document["methods"]["predict"]["input"]["columns"]] == list(FLOWER)
    assert document["methods"]["predict_proba"]["output"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 3]}
    server = started(serve, bundle_around, saved, python, "frame")
    assert server.post("/methods/predict", {"data": [FLOWER]}).json["predictions"] == ["setosa"]
    for wrong, path in (({"sepal_width": "3"}, "data[0].sepal_width"), ({"age": 1}, "data[0].age")):
        answer = server.post("/methods/predict", {"data": [{**FLOWER, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)


def test_the_metadata_file_and_the_model_beside_it_are_the_same_model(saved, python):
    assert inspected(python, saved, "array.mlem") == inspected(python, saved, "array")


def test_an_array_is_taken_at_its_width(serve, bundle_around, saved, python):
    server = started(serve, bundle_around, saved, python, "array")
    assert server.post("/methods/predict", {"data": [list(FLOWER.values())]}).json["predictions"] == [0]
    answer = server.post("/methods/predict", {"data": [[1, 2, 3]]})
    assert (answer.status, answer.json["error"]["path"]) == (422, "data[0]")


def test_a_model_saved_without_sample_data_is_described_by_the_estimator(saved, python):
    _, document = inspected(python, saved, "unknown")
    assert [column["name"] for column in document["methods"]["predict"]["input"]["columns"]] == list(FLOWER)


def test_functions_are_called_through_mlem(serve, bundle_around, saved, python):
    server = started(serve, bundle_around, saved, python, "function")
    for path in ("/methods/predict", "/methods/__call__"):
        assert server.post(path, {"data": [[1, 2, 3, 4]]}).json["predictions"] == [[2, 4, 6, 8]]


def test_a_single_value_is_taken_and_nothing_else(serve, bundle_around, saved, python):
    server = started(serve, bundle_around, saved, python, "text")
    assert server.post("/methods/predict", {"data": "abcd"}).json["predictions"] == {"half": "ab"}
    assert server.post("/methods/predict", {"data": {"a": 1}}).status == 422


def test_without_mlem_a_model_that_needs_it_names_the_requirement(saved, tmp_path):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, saved / "model" / "function")
    assert caught.value.requirement == "tagboat-server[mlem]"
