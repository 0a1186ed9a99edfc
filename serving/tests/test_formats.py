"""Every format with a real trained model: served, it answers what the model answers itself."""

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy
import pytest

FLOWERS = 20


def inspected(folder, model, *arguments, python=sys.executable):
    command = [str(python), "-P", "-m", "tagboat_server", "inspect", str(folder), "--model", model, *arguments]
    done = subprocess.run(command, capture_output=True, cwd="/", timeout=120, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr.decode()


def save_joblib(model, path):
    joblib.dump(model, path)


def save_compressed(model, path):
    joblib.dump(model, path, compress=3)


def save_pickle(model, path):
    path.write_bytes(pickle.dumps(model))


def save_skops(model, path):
    import skops.io

    skops.io.dump(model, path)


@pytest.mark.parametrize(
    ("save", "name", "expected"),
    [
        (save_joblib, "m.joblib", "sklearn-joblib"),
        (save_joblib, "m.pkl", "sklearn-joblib"),
        (save_compressed, "m.bin", "sklearn-joblib"),
        (save_pickle, "m.pkl", "sklearn-pickle"),
        (save_pickle, "model", "sklearn-pickle"),
        (save_skops, "m.skops", "sklearn-skops"),
        (save_skops, "m.zip", "sklearn-skops"),
    ],
)
def test_a_scikit_learn_file_is_recognised_by_its_content(save, name, expected, forest, tmp_path):
    from tagboat_server import formats

    save(forest, tmp_path / name)
    model = formats.load(None, tmp_path / name)
    assert model.format == expected
    assert {"predict", "predict_proba"} <= set(model.methods)


@pytest.mark.parametrize(("save", "name"), [(save_pickle, "m.pkl"), (save_skops, "m.skops")])
def test_a_served_model_answers_what_it_answers_itself(save, name, serve, bundle_around, forest, iris, tmp_path):
    (tmp_path / "model").mkdir()
    save(forest, tmp_path / "model" / name)
    server = serve(bundle_around(tmp_path, name))
    rows = iris[0].iloc[::7][:FLOWERS]
    for data in (rows.to_dict("records"), rows.to_dict("list"), rows.to_numpy().tolist()):
        for method in ("predict", "predict_proba"):
            expected = getattr(forest, method)(rows).tolist()
            assert server.post(f"/{method}", {"data": data}).json["predictions"] == expected


def convert(estimator, width, **options):
    from skl2onnx import to_onnx

    return to_onnx(estimator, numpy.zeros((1, width), dtype=numpy.float32), **options).SerializeToString()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipmap", [True, False])
def test_an_onnx_classifier_has_the_methods_of_the_estimator_it_came_from(
    zipmap, serve, bundle_around, forest, iris, tmp_path
):
    (tmp_path / "model").mkdir()
    graph = convert(forest, 4, options={id(forest): {"zipmap": zipmap}})
    (tmp_path / "model" / "m.onnx").write_bytes(graph)
    code, document, _ = inspected(tmp_path / "model", "m.onnx")
    assert code == 0
    assert document["format"] == "onnx"
    assert document["methods"]["predict"]["input"] == {"kind": "tensor", "dtype": "float32", "shape": [None, 4]}
    server = serve(bundle_around(tmp_path, "m.onnx", methods=document["methods"]))
    rows = iris[0].to_numpy()[::7][:FLOWERS]
    assert (
        server.post("/predict", {"data": rows.tolist()}).json["predictions"]
        == forest.predict(iris[0].iloc[::7][:FLOWERS]).tolist()
    )
    probabilities = server.post("/predict_proba", {"data": rows.tolist()}).json["predictions"]
    numpy.testing.assert_allclose(probabilities, forest.predict_proba(iris[0].iloc[::7][:FLOWERS]), atol=1e-5)
    for data, path in (([[1, 2, 3]], "data[0]"), ([[1, 2, 3, "4"]], "data[0][3]"), ([[1, 2, 3, 1e39]], "data")):
        answer = server.post("/predict", {"data": data})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)


@pytest.mark.filterwarnings("ignore")
def test_an_onnx_graph_with_an_input_for_each_column_takes_records(serve, bundle_around, tmp_path):
    import pandas
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pandas.DataFrame({"age": [20.0, 30.0, 70.0, 80.0], "city": ["Oslo", "Oslo", "Rome", "Rome"]})
    preparation = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), ("passthrough", ["age"]))
    model = make_pipeline(preparation, LogisticRegression()).fit(frame, [0, 0, 1, 1])
    types = [("age", FloatTensorType([None, 1])), ("city", StringTensorType([None, 1]))]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.onnx").write_bytes(to_onnx(model, initial_types=types).SerializeToString())
    server = serve(bundle_around(tmp_path, "m.onnx"))
    data = frame.to_dict("records")
    assert server.post("/predict", {"data": data}).json["predictions"] == [0, 0, 1, 1]
    answer = server.post("/predict", {"data": [{"age": "old", "city": "Rome"}]})
    assert (answer.status, answer.json["error"]["path"]) == (422, "data[0].age")


def graph_of(inputs, outputs, nodes):
    from onnx import helper

    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def test_an_onnx_graph_of_several_arrays_answers_with_every_output_by_its_name(serve, bundle_around, tmp_path):
    from onnx import TensorProto, helper

    def pair(name, width):
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", width])

    nodes = [
        helper.make_node("Add", ["left", "right"], ["sum"]),
        helper.make_node("Mul", ["left", "right"], ["product"]),
    ]
    content = graph_of([pair("left", 2), pair("right", 2)], [pair("sum", 2), pair("product", 2)], nodes)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.onnx").write_bytes(content)
    server = serve(bundle_around(tmp_path, "m.onnx"))
    asked = {"left": [[1, 2], [3, 4]], "right": [[5, 6], [7, 8]]}
    answer = server.post("/predict", {"data": asked}).json["predictions"]
    assert answer == {"sum": [[6, 8], [10, 12]], "product": [[5, 12], [21, 32]]}
    for wrong, path in (({"left": [[1, 2]]}, "data.right"), ({"left": [[1]], "right": [[1]]}, "data.left[0]")):
        refused = server.post("/predict", {"data": wrong})
        assert (refused.status, refused.json["error"]["path"]) == (422, path)


def test_an_onnx_graph_that_takes_sequences_is_refused_by_name(tmp_path):
    from onnx import TensorProto, helper

    sequence = helper.make_tensor_sequence_value_info("words", TensorProto.FLOAT, None)
    size = helper.make_tensor_value_info("size", TensorProto.INT64, [])
    content = graph_of([sequence], [size], [helper.make_node("SequenceLength", ["words"], ["size"])])
    (tmp_path / "m.onnx").write_bytes(content)
    code, document, _ = inspected(tmp_path, "m.onnx")
    assert (code, document["error"]["where"]) == (2, "m.onnx")
    assert "'words'" in document["error"]["message"]


def test_inspect_tells_methods_signatures_and_libraries(forest_bundle):
    import sklearn

    code, document, _ = inspected(forest_bundle / "model", "model.joblib")
    assert code == 0
    assert set(document) == {"format", "methods", "libraries", "python", "server", "warnings"}
    assert document["format"] == "sklearn-joblib"
    assert document["methods"]["predict"]["input"]["columns"][0] == {"name": "sepal_length", "dtype": "float64"}
    assert document["methods"]["predict_proba"]["output"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 3]}
    assert document["libraries"]["scikit-learn"] == sklearn.__version__


def test_inspect_writes_to_a_file_and_what_the_model_prints_goes_elsewhere(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "loud.py").write_text(
        "print('hello')\nclass Loud:\n    def predict(self, rows): return rows\n"
    )
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04cloud\nLoud\n)\x81.")
    arguments = ["--code", str(tmp_path / "code")]
    code, document, errors = inspected(tmp_path, "m.pkl", *arguments)
    assert (code, document["methods"]["predict"]["input"]) == (0, {"kind": "any"})
    assert "hello" in errors
    code, nothing, _ = inspected(tmp_path, "m.pkl", *arguments, "--output", str(tmp_path / "out.json"))
    assert (code, nothing) == (0, None)
    assert json.loads((tmp_path / "out.json").read_text())["methods"] == document["methods"]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"\x80\x04cxgboost_that_is_absent\nModel\n)\x81.", "m.pkl", "xgboost_that_is_absent"),
        (b"\x80\x04\x95", "m.pkl", "cannot be loaded"),
        (b"", "m.pkl", "cannot be loaded"),
        (b"no graph", "m.onnx", "cannot load the graph"),
        (b"", "m.onnx", "cannot load the graph"),
        (b"something", "m.xyz", "cannot be told"),
        (b"PK\x03\x04" + b"x" * 40 + b"PK\x05\x06" + b"\xff" * 18, "m.zip", "cannot be told"),
        (b"PK\x03\x04" + b"x" * 40 + b"PK\x05\x06" + b"\xff" * 18, "m.skops", "cannot be loaded"),
        (b"\x78\x9c\x00", "m.joblib", "cannot be loaded"),
        (b"\x80\x04K\x01.", "m.pkl", "no method to serve"),
        (b"a: [", "m.mlem", "YAML"),
        (b"object_type: data", "m.mlem", "no model of MLEM"),
    ],
)
def test_a_file_that_is_no_model_is_told_so_without_a_traceback(content, name, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    code, document, errors = inspected(tmp_path, name)
    assert code == 2
    assert words in document["error"]["message"]
    assert document["error"]["hint"] or document["error"]["where"] == name
    assert "Traceback" not in errors


def test_a_missing_library_is_named_as_the_requirement_to_add(tmp_path):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    (tmp_path / "m.pkl").write_bytes(b"\x80\x04cskimage.nothing\nModel\n)\x81.")
    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, tmp_path / "m.pkl")
    assert caught.value.requirement == "scikit-image"
    assert "scikit-image" in caught.value.hint


@pytest.mark.parametrize("model", ["../outside.pkl", "/etc/passwd", "absent.pkl"])
def test_inspect_does_not_leave_its_folder(model, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "outside.pkl").write_bytes(b"\x80\x04K\x01.")
    code, document, _ = inspected(tmp_path / "in", model)
    assert code == 2
    assert document["error"]["message"]


OTHER = """
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Method, Tensor


class Format:
    name = "numbers"

    def recognises(self, path):
        return path.suffix == ".numbers"

    def load(self, path):
        factor = float(path.read_text())
        call = LoadedMethod(lambda rows: rows.sum(axis=1) * factor, Method(Tensor("float64", (None, 2))))
        return LoadedModel(self.name, {"predict": call})


FORMAT = Format()
"""


@pytest.fixture
def another_package(tmp_path):
    """A package with a format, installed from its wheel by uv; the folder that it is in."""
    wheel = tmp_path / "other-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other.py", OTHER)
        archive.writestr("other-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1\n")
        archive.writestr("other-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("other-1.dist-info/entry_points.txt", "[tagboat_server.formats]\nnumbers = other:FORMAT\n")
        archive.writestr("other-1.dist-info/RECORD", "")
    site = tmp_path / "site"
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--no-config", "--offline", "--no-deps"]
    subprocess.run([*uv, "--target", str(site), str(wheel)], check=True)
    return site


def test_a_format_of_an_installed_package_is_found_by_its_entry_point(another_package, serve, bundle_around, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.numbers").write_text("3")
    (tmp_path / "model" / "m.bin").write_text("3")
    environment = {"PYTHONPATH": str(another_package)}
    for model, arguments in (("m.numbers", ()), ("m.bin", ("--format", "numbers"))):
        command = [sys.executable, "-P", "-m", "tagboat_server", "inspect", str(tmp_path / "model"), "--model", model]
        done = subprocess.run([*command, *arguments], capture_output=True, env=environment, timeout=60, check=True)
        assert json.loads(done.stdout)["format"] == "numbers"
    server = serve(bundle_around(tmp_path, "m.numbers"), environment=environment)
    assert server.post("/predict", {"data": [[1, 2], [3, 4]]}).json["predictions"] == [9, 21]
    command = [sys.executable, "-P", "-m", "tagboat_server", "inspect", str(tmp_path / "model"), "--model", "m.bin"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert "numbers" in json.loads(done.stdout)["error"]["hint"]
