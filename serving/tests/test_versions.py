"""The lowest and the highest of what the server promises to run on: Python 3.9 with NumPy 1, 3.13 with NumPy 2."""

import io
import json
import subprocess
from pathlib import Path

import numpy
import pyarrow
import pytest
from pyarrow import ipc, parquet

SERVING = Path(__file__).parents[1]

SAVE = """
import json, sys
import joblib, numpy, pandas, sklearn
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
folder = sys.argv[1]
flowers = load_iris(as_frame=True)
features = flowers.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
species = flowers.target.map(dict(enumerate(flowers.target_names)))
forest = RandomForestClassifier(10, random_state=0, n_jobs=2).fit(features, species)
joblib.dump(forest, folder + "/forest.joblib")
pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(features.to_numpy(), species)
joblib.dump(pipeline, folder + "/linear.joblib")
mixed = pandas.DataFrame({"age": [20.0, 30, 70, 80], "city": ["Oslo", "Oslo", "Rome", "Rome"]})
preparation = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["age"]))
joblib.dump(make_pipeline(preparation, LogisticRegression()).fit(mixed, [0, 0, 1, 1]), folder + "/mixed.joblib")
rows = features.iloc[::7]
print(json.dumps({"rows": rows.to_numpy().tolist(), "forest": forest.predict_proba(rows).tolist(),
                  "linear": pipeline.predict(rows.to_numpy()).tolist(), "sklearn": sklearn.__version__,
                  "numpy": numpy.__version__}))
"""

LOWEST = [
    "httptools==0.6.0",
    "msgspec==0.18.0",
    "numpy==1.21.0",
    "pandas==1.3.0",
    "prometheus-client==0.17.0",
    "pyarrow==14.0.1",
    "scikit-learn==0.24.0",
    "uvicorn==0.23.2",
    "uvloop==0.17.0",
]
"""The lower bounds of serving/pyproject.toml, and the oldest scikit-learn and pandas with wheels for Python 3.9."""
HIGHEST = ["httptools", "msgspec", "numpy>=2", "pandas", "prometheus-client", "pyarrow"]
HIGHEST += ["scikit-learn", "uvicorn", "uvloop"]
WITHOUT_UVLOOP = [requirement for requirement in HIGHEST if requirement != "uvloop"]

CASES = [
    pytest.param("3.9", LOWEST, "1.", id="lowest"),
    pytest.param("3.13", HIGHEST, "2.", id="highest"),
    pytest.param("3.13", WITHOUT_UVLOOP, "2.", id="without uvloop"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "requirements", "major"), CASES)
def test_the_server_does_its_work_on(
    version, requirements, major, environment_of, serve, bundle_around, tmp_path, request
):
    python = environment_of(request.node.callspec.id.replace(" ", "-"), version, *requirements)
    environment = {"PYTHONPATH": str(SERVING)}
    (tmp_path / "model").mkdir()
    (tmp_path / "save.py").write_text(SAVE)
    script = [str(python), "-W", "ignore", str(tmp_path / "save.py"), str(tmp_path / "model")]
    done = subprocess.run(script, check=True, capture_output=True, env=environment, cwd=tmp_path)
    expected = json.loads(done.stdout)
    assert expected["numpy"].startswith(major)

    for model in ("forest", "linear", "mixed"):
        command = [
            str(python),
            "-m",
            "tagboat_server",
            "inspect",
            str(tmp_path / "model"),
            "--model",
            f"{model}.joblib",
        ]
        found = subprocess.run(command, capture_output=True, env=environment, cwd="/", check=False)
        document = json.loads(found.stdout)
        assert found.returncode == 0, document
        assert document["libraries"]["scikit-learn"] == expected["sklearn"]
        bundle = bundle_around(tmp_path, f"{model}.joblib", methods=document["methods"], format=document["format"])
        server = serve(bundle, python=python, environment=environment, uds=True)
        check(server, model, expected)
        server.terminate()
        assert server.wait() == 0, server.log
        assert not [event for event in server.events if "traceback" in event]


def check(server, model, expected):
    """What each model must answer, and refuse."""
    if model == "forest":
        assert server.post("/predict_proba", {"data": expected["rows"]}).json["predictions"] == expected["forest"]
        assert refused(server, [[1, 2, 3]]) == "data[0]"
        assert refused(server, [[1, 2, 3, "4"]]) == "data[0][3]"
        assert refused(server, [[1, 2, 3, None]]) == "data[0][3]"
    elif model == "linear":
        assert server.post("/predict", {"data": expected["rows"]}).json["predictions"] == expected["linear"]
        assert refused(server, [[1, 2, 3, True]]) == "data[0][3]"
        for content_type, body in bodies(expected["rows"]).items():
            headers = {"content-type": content_type, "accept": "application/json"}
            answer = server.request("POST", "/invocations", body, headers)
            assert answer.json == {"predictions": expected["linear"]}, content_type
            headers["accept"] = content_type
            assert server.request("POST", "/invocations", body, headers).status == 200, content_type
    else:
        people = [{"age": 25, "city": "Oslo"}, {"age": 75, "city": "Rome"}]
        assert server.post("/predict", {"data": people}).json["predictions"] == [0, 1]
    assert server.get("/health/ready").status == 200
    assert b"tagboat_rows_total" in server.get("/metrics").body
    assert server.get("/openapi.json").json["paths"]["/predict"]
    assert server.post("/predict", b"{").status == 400


def bodies(rows):
    """The rows in every type that `/invocations` reads and writes."""
    file, stream, npy = io.BytesIO(), io.BytesIO(), io.BytesIO()
    table = pyarrow.table({str(place): list(column) for place, column in enumerate(zip(*rows))})
    parquet.write_table(table, file)
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    numpy.save(npy, numpy.array(rows))
    return {
        "text/csv": "".join(",".join(map(repr, row)) + "\n" for row in rows).encode(),
        "application/jsonlines": "\n".join(map(json.dumps, rows)).encode(),
        "application/x-npy": npy.getvalue(),
        "application/vnd.apache.arrow.stream": stream.getvalue(),
        "application/x-parquet": file.getvalue(),
    }


def refused(server, data):
    """Where the server says that data does not fit; scikit-learn before 1.0 keeps no names, and width is all."""
    answer = server.post("/predict", {"data": data})
    assert answer.status == 422
    return answer.json["error"]["path"]
