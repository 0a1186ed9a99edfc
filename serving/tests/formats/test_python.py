"""Predictors in Python: ``predictor.py`` with ``load()`` and methods, alone or in a folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from tagboat_server import formats
from tagboat_server.errors import MissingLibraryError, ModelError

PREDICTOR = '''
"""A predictor with a file, a module and a state of its own."""
import json
import threading

import numpy

from scaling import scaled

SIGNATURES = {
    "predict": {"input": {"kind": "tensor", "dtype": "float64", "shape": [None, 3]}},
    "explain": {"input": {"kind": "dataframe", "columns": [{"name": "age", "dtype": "float64"}]}},
}


class Predictor:
    def __init__(self, weights):
        self.weights = numpy.asarray(weights)
        self.lock = threading.Lock()
        self.asked = 0

    def predict(self, rows):
        with self.lock:
            self.asked += 1
        return scaled(rows) @ self.weights

    def explain(self, frame):
        return (frame["age"] * 2).to_list()

    def shout(self, text: str) -> str:
        return text.upper()

    def lengths(self, texts: list[str]):
        assert type(texts) is list
        return [len(text) for text in texts]

    def count(self, _):
        return self.asked

    def fails(self, value):
        if value == "wrong":
            raise ValueError("this one is wrong")
        raise RuntimeError("out of order")

    def _hidden(self, value):
        return value

    def needs(self, value, another):
        return value


def load(folder):
    return Predictor(json.loads((folder / "weights.json").read_text()))
'''

METHODS = {"predict", "explain", "shout", "lengths", "count", "fails"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictor")
    model = folder / "model" / "pricing"
    (model / "code").mkdir(parents=True)
    (model / "predictor.py").write_text(PREDICTOR)
    (model / "weights.json").write_text("[1, 2, 3]")
    (model / "code" / "scaling.py").write_text("def scaled(rows): return rows * 10\n")
    return folder


@pytest.fixture(scope="module")
def server(folder, bundle_around, serve_module):
    return serve_module(bundle_around(folder, "pricing"))


def test_every_method_is_served_with_the_signature_that_it_declares_or_hints(server):
    for path, data, answer in (
        ("/predict", [[1, 0, 0], [0, 1, 1]], [10, 50]),
        ("/explain", [{"age": 4}], [8]),
        ("/shout", "abc", "ABC"),
        ("/lengths", ["abc", "de"], [3, 2]),
    ):
        answered = server.post(path, {"data": data})
        assert answered.status == 200, answered.body
        assert answered.json["predictions"] == answer
    for path, data, place in (
        ("/predict", [[1, 2]], "data[0]"),
        ("/explain", [{"age": "old"}], "data[0].age"),
        ("/shout", 3, "data"),
        ("/lengths", ["abc", 3], "data[1]"),
    ):
        answered = server.post(path, {"data": data})
        assert (answered.status, answered.json["error"]["path"]) == (422, place)
    for hidden in ("/_hidden", "/needs", "/load"):
        assert server.post(hidden, {"data": 1}).status == 404


def test_no_bytecode_is_left_in_the_bundle_whose_bytes_are_its_identity(folder, server):
    assert server.post("/predict", {"data": [[1, 0, 0]]}).status == 200
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "model.json",
        "predictor.py",
        "scaling.py",
        "weights.json",
    }


def test_it_is_loaded_once_and_keeps_its_state(server):
    before = server.post("/count", {"data": None}).json["predictions"]
    for _ in range(3):
        server.post("/predict", {"data": [[1, 2, 3]]})
    assert server.post("/count", {"data": None}).json["predictions"] == before + 3


def test_a_value_error_is_the_senders_and_anything_else_the_models(server):
    answer = server.post("/fails", {"data": "wrong"})
    assert (answer.status, answer.json["error"]["message"]) == (422, "the model refuses the input: this one is wrong")
    answer = server.post("/fails", {"data": "right"})
    assert (answer.status, answer.json["error"]["type"]) == (500, "RuntimeError")
    assert "out of order" in server.log


def inspect(folder, model):
    command = [sys.executable, "-P", "-m", "tagboat_server", "inspect", str(folder), "--model", model]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=100, check=False)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_inspect_tells_what_the_predictor_declares(folder):
    document = inspect(folder / "model", "pricing")
    assert document["format"] == "python"
    assert set(document["methods"]) == METHODS
    assert document["methods"]["predict"]["input"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 3]}
    assert document["methods"]["shout"]["input"] == {"kind": "tensor", "dtype": "str", "shape": []}
    assert document["methods"]["lengths"]["input"] == {"kind": "tensor", "dtype": "str", "shape": [None]}
    assert document["methods"]["count"]["input"] == {"kind": "any"}


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads a predictor of some text; the test's own process forgets it again."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def load(text):
        (tmp_path / "predictor.py").write_text(text)
        return formats.load(None, tmp_path / "predictor.py")

    yield load
    for name in ("predictor", "beside"):
        sys.modules.pop(name, None)


def test_a_module_without_load_serves_its_own_functions_alone(loaded):
    text = (
        "from math import sqrt\ndef _own(x): return x\ndef predict(x): return sqrt(x)\ndef two(x, y=1): return x + y\n"
    )
    model = loaded(text)
    assert set(model.methods) == {"predict", "two"}
    assert model.methods["two"].call(2) == 3
    assert model.forkable is False


OWN = """
from sklearn.base import BaseEstimator

class Own(BaseEstimator):
    def rank(self, rows): return rows

load = Own
"""


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("def load(): return lambda rows: rows", {"predict"}),
        ("class Model:\n def __call__(self, rows): return rows\nload = Model", {"predict"}),
        ("from sklearn.dummy import DummyRegressor\ndef load(): return DummyRegressor().fit([[1]], [2])", {"predict"}),
        (OWN, {"rank"}),
    ],
)
def test_what_load_returns_may_be_a_function_or_a_librarys_object(text, methods, loaded):
    model = loaded(text)
    assert (model.format, set(model.methods)) == ("python", methods)


def test_a_predictor_may_say_that_it_can_be_forked(loaded, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert loaded("FORKABLE = True\ndef predict(x): return x").forkable is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def load(): return 1 / 0", "ZeroDivisionError"),
        ("import sys\nsys.exit('not today')", "not today"),
        ("def load(:", "SyntaxError"),
        ("def load(): pass", "returned nothing"),
        ("async def load(): return 1", "load() is async"),
        ("load = 3", "not a function"),
        ("async def predict(x): return x", "predict is async"),
        ("class M:\n async def answer(self, x): yield x\nload = M", "answer is async"),
        ("x = 3", "neither load() nor a function"),
        ("def load(): return 3", "no method to serve"),
        ("def load(a, b): return 3", "missing 2 required positional arguments"),
        ("SIGNATURES = {'predict': {'input': {'kind': 'no'}}}\ndef predict(x): return x", "SIGNATURES"),
        ("SIGNATURES = {'other': {'input': {'kind': 'any'}}}\ndef predict(x): return x", "other"),
        ("", "neither load() nor a function"),
    ],
)
def test_a_predictor_that_cannot_be_served_is_told_so(text, words, loaded):
    with pytest.raises(ModelError) as caught:
        loaded(text)
    assert words in caught.value.message
    assert caught.value.where == "predictor.py"


def test_a_library_that_it_imports_is_named_as_the_requirement(loaded):
    with pytest.raises(MissingLibraryError) as caught:
        loaded("import skimage")
    assert caught.value.requirement == "scikit-image"


def test_modules_beside_it_shadow_nothing_that_is_installed(loaded, tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "beside.py").write_text("value = 4")
    model = loaded("import numpy\nfrom beside import value\ndef predict(x): return numpy.asarray(x) * value")
    assert model.methods["predict"].call(2) == 8


def test_the_predictor_of_the_documentation_is_one(loaded, tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "serving" / "formats.md").read_text(encoding="utf-8")
    (sample,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    numpy.save(tmp_path / "weights.npy", numpy.array([1.0, 2.0, 3.0, 4.0]))
    methods = loaded(sample).methods
    assert set(methods) == {"predict", "describe"}
    assert methods["predict"].call(numpy.ones((2, 4))).tolist() == [10, 10]
    assert methods["predict"].signature.input.shape == (None, 4)
