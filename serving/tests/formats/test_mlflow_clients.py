"""MLflow's own client, and the bodies that its own functions write, against the server."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.slow

CLIENT = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import numpy, pandas
from mlflow.models.utils import convert_input_example_to_serving_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
import requests

host, port = sys.argv[1], int(sys.argv[2])
client = ScoringServerClient(host, port)
client.wait_server_ready()
names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
frame = pandas.DataFrame([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], columns=names, index=[7, 3])
said = {"version": client.get_version()}


def ask(data, **options):
    return client.invoke(data, **options).get_predictions("ndarray").tolist()


said["frame"] = ask(frame)
said["in another order"] = ask(frame[names[::-1]])
said["array"] = ask(frame.to_numpy())
said["rows"] = ask(frame.to_numpy().tolist())
said["no parameters"] = ask(frame, params={})
said["frame of predictions"] = client.invoke(frame).get_predictions()[0].tolist()
for name, options in (("parameters", {"params": {"temperature": 1}}),):
    try:
        said[name] = ask(frame, **options)
    except Exception as error:
        said[name] = str(error)
holed = frame.copy()
holed.iloc[1, 2] = numpy.nan
for name, data in (("a missing value", holed), ("a missing column", frame[names[:3]])):
    try:
        said[name] = ask(data)
    except Exception as error:
        said[name] = str(error)


def post(body):
    answer = requests.post(f"http://{host}:{port}/invocations", body, headers={"Content-Type": "application/json"})
    return answer.json()


examples = {"example of a frame": frame, "example of an array": frame.to_numpy()}
examples["example of columns"] = {name: frame[name].to_numpy() for name in names}
for name, example in examples.items():
    said[name] = post(convert_input_example_to_serving_input(example))
said["to_json"] = post('{"dataframe_split": ' + frame.to_json(orient="split") + "}")
said["to_json records"] = post('{"dataframe_records": ' + frame.to_json(orient="records") + "}")
said["to_json with a missing value"] = post('{"dataframe_split": ' + holed.to_json(orient="split") + "}")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(libraries, serve_module, forest_bundle):
    """What MLflow's client and functions got."""
    server = serve_module(forest_bundle)
    host, port = server.address
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [str(libraries), "-c", CLIENT, host, str(port)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FLOWERS = ["setosa", "virginica"]


@pytest.mark.parametrize("sent", ["frame", "in another order", "array", "rows", "no parameters"])
def test_what_mlflows_client_sends_is_answered(said, sent):
    assert [answer for row in said[sent] for answer in (row if isinstance(row, list) else [row])] == FLOWERS


def test_mlflows_client_makes_a_frame_of_the_predictions(said):
    assert said["frame of predictions"] == FLOWERS


@pytest.mark.parametrize(
    "sent", ["example of a frame", "example of an array", "example of columns", "to_json", "to_json records"]
)
def test_what_mlflow_and_pandas_write_is_answered_as_mlflow_answers(said, sent):
    assert said[sent] == {"predictions": FLOWERS}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("parameters", '"path":"params"'),
        ("a missing value", '"path":"dataframe_split.data[1][2]"'),
        ("a missing column", "the column 'petal_width' is missing"),
    ],
)
def test_mlflows_client_is_told_what_was_wrong_and_where(said, sent, words):
    assert "error code 422" in said[sent]
    assert words in said[sent]


def test_a_missing_value_that_pandas_writes_is_refused_with_its_place(said):
    error = said["to_json with a missing value"]["error"]
    assert error["path"] == "dataframe_split.data[1][2]"
    assert "got null" in error["message"]


def test_the_version_is_one(said):
    assert said["version"].count(".") == 2
