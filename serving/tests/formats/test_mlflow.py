"""MLflow's model folders: what ``mlflow.pyfunc`` answers, and a scikit-learn model's other methods besides."""

import base64

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import pathlib, warnings
warnings.simplefilter("ignore")
import mlflow, mlflow.pyfunc, mlflow.sklearn, mlflow.xgboost
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

prepare = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
frame = customers.fillna(40)
pipeline = make_pipeline(prepare, RandomForestClassifier(8, random_state=0)).fit(frame, stays)
signature = infer_signature(frame, stays)
mlflow.sklearn.save_model(pipeline, "model/pipeline", signature=signature, serialization_format="cloudpickle")
told = dict(predict=pipeline.predict(frame), predict_proba=pipeline.predict_proba(frame))
tell("pipeline", records(frame), **told)

asked = numpy.nan_to_num(numbers)
forest = RandomForestClassifier(8, random_state=0).fit(asked, kind)
mlflow.sklearn.save_model(
    forest, "model/probabilities", serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
)
served = mlflow.pyfunc.load_model("model/probabilities")
tell("probabilities", rows(asked), predict=served.predict(asked), predict_proba=forest.predict_proba(asked))

import xgboost
booster = xgboost.XGBClassifier(n_estimators=8, n_jobs=1).fit(numbers, kind)
mlflow.xgboost.save_model(booster, "model/boosted", signature=infer_signature(numbers, kind))
tell("boosted", rows(numbers), predict=booster.predict(numbers), predict_proba=booster.predict_proba(numbers))

pathlib.Path("own").mkdir()
pathlib.Path("own/pricing_code.py").write_text("def price(age, gift): return age * 2 + gift\\n")
sys.path.append("own")


class Pricing(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        from pricing_code import price

        gifts = model_input["gift"] if "gift" in model_input else 0
        sizes = [len(picture) for picture in model_input["picture"]]
        return (price(model_input["age"], gifts) + sizes).to_numpy()


columns = Schema([
    ColSpec("double", "age"), ColSpec("binary", "picture"), ColSpec("datetime", "day"),
    ColSpec("long", "gift", required=False),
])
mlflow.pyfunc.save_model(
    "model/pricing", python_model=Pricing(), code_paths=["own/pricing_code.py"],
    signature=ModelSignature(columns, Schema([ColSpec("double")])),
)


class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input.sum(axis=(1, 2))


shape = Schema([TensorSpec(numpy.dtype("float32"), (-1, 2, 2))])
mlflow.pyfunc.save_model("model/sums", python_model=Sums(), signature=ModelSignature(shape))
cubes = asked.astype("float32").reshape(-1, 2, 2)
tell("sums", cubes[:10].tolist(), predict=cubes.sum(axis=(1, 2)))
"""


@pytest.fixture(scope="module")
def trained(libraries, train):
    return train(libraries, "mlflow", TRAIN)


def test_a_served_scikit_learn_model_answers_what_it_answers_itself_without_mlflow(libraries, trained, start, same):
    folder, expected = trained
    server = start(libraries, folder, "pipeline")
    same(server, expected["pipeline"])
    row = expected["pipeline"]["data"][2]
    for wrong, path in (({"city": 3}, "data[0].city"), ({"age": "old"}, "data[0].age"), ({"pets": 1}, "data[0].pets")):
        answer = server.post("/predict", {"data": [{**row, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)
    answer = server.post("/predict", {"data": [{**row, "city": "Paris"}]})
    assert (answer.status, "Paris" in answer.json["error"]["message"]) == (422, True)


def test_a_served_function_gets_what_its_schema_says(libraries, trained, start):
    server = start(libraries, trained[0], "pricing")
    picture = base64.b64encode(b"12345").decode()
    row = {"age": 10, "picture": picture, "day": "2026-01-02"}
    for data, answers in (([row], [25]), ([{**row, "gift": 3}, {**row, "gift": 4}], [28, 29])):
        answer = server.post("/predict", {"data": data})
        assert answer.status == 200, answer.body
        assert answer.json["predictions"] == answers
    wrongs = ({"age": "old"}, {"day": "some day"}, {"picture": None}, {"gift": 1.5}, {"pets": 1})
    for wrong in wrongs:
        answer = server.post("/predict", {"data": [{**row, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, f"data[0].{next(iter(wrong))}")
    assert server.post("/predict", {"data": [{**row, "picture": "no base64"}]}).status == 422
    assert not list(trained[0].rglob("model/pricing/**/__pycache__"))


def test_every_flavour_answers_what_mlflow_answers(libraries, trained, called):
    folder, expected = trained
    told = called(libraries, folder / "model", expected)
    for model, document in told.items():
        assert document["format"] == "mlflow"
        assert document["answers"] == expected[model]["answers"], model
    assert told["boosted"]["methods"]["predict"]["input"]["dtype"] == "float64"
    assert told["sums"]["methods"]["predict"]["input"] == {
        "kind": "tensor",
        "dtype": "float32",
        "shape": [None, 2, 2],
        "nullable": True,
    }


def test_inspect_tells_the_declared_signature(libraries, trained, inspected):
    document = inspected(libraries, trained[0] / "model", "pricing")
    assert document["libraries"]["mlflow-skinny"] == "3.17.2"
    assert document["methods"]["predict"] == {
        "input": {
            "kind": "dataframe",
            "columns": [
                {"name": "age", "dtype": "float64", "nullable": True},
                {"name": "picture", "dtype": "str"},
                {"name": "day", "dtype": "datetime64[ns]", "nullable": True},
                {"name": "gift", "dtype": "int64", "optional": True},
            ],
        },
        "output": {"kind": "tensor", "dtype": "float64", "shape": [None]},
    }


def test_a_folder_that_is_no_model_is_told_so(libraries, refused, tmp_path):
    for name, text in (
        ("empty", ""),
        ("broken", "flavors: ["),
        ("list", "- 1"),
        ("spark", "flavors: {spark: {}}"),
        ("absent", "flavors: {sklearn: {pickled_model: model.pkl, serialization_format: pickle}}"),
        ("outside", "flavors: {sklearn: {pickled_model: ../../etc/passwd, serialization_format: pickle}}"),
        ("signature", "flavors: {python_function: {}}\nsignature: {inputs: '[{}]'}"),
        ("loader", "flavors: {python_function: {loader_module: absent_module, env: {}}}"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MLmodel").write_text(text)
    (tmp_path / "nothing").mkdir()
    told = refused(libraries, tmp_path, "mlflow")
    assert len(told) == 9
    assert all(error["where"] for error in told.values()), told
    assert "spark" in told["spark"]["message"]
    assert "absent_module" in told["loader"]["message"]


def test_without_mlflow_the_requirement_is_named(trained):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, trained[0] / "model" / "sums")
    assert caught.value.requirement == "tagboat-server[mlflow]"
