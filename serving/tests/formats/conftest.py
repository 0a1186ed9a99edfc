"""Models trained, saved and asked by their own libraries, in environments of their own; then served."""

import json
import subprocess
from pathlib import Path

import pytest

SERVING = Path(__file__).parents[2]

LIBRARIES = (
    "catboost==1.2.10",
    "lightgbm==4.7.0",
    "mlflow-skinny==3.17.2",
    "pandas==3.1.1",
    "scikit-learn==1.9.1",
    "skops==0.16.0",
    "xgboost-cpu==3.2.0",
)

RECORDING = '''
import json, os, sys
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
import numpy

expected = {}


def rows(matrix, count=40):
    return [[None if cell != cell else cell for cell in row] for row in matrix[:count].tolist()]


def tell(name, data, **answers):
    """What a served model of this name has to answer."""
    size = len(data) if isinstance(data, list) else None
    plain = {method: numpy.asarray(answer)[:size].tolist() for method, answer in answers.items()}
    expected[name] = {"data": data, "answers": plain}


def finish():
    with open("expected.json", "w") as file:
        json.dump(expected, file)
'''
"""How a training script tells what its models have to answer."""

CUSTOMERS = (
    RECORDING
    + """
import pandas

random = numpy.random.default_rng(7)
ROWS = 400
customers = pandas.DataFrame({
    "age": random.normal(40, 15, ROWS),
    "orders": random.integers(0, 9, ROWS),
    "newsletter": random.random(ROWS) > 0.5,
    "city": random.choice(["Oslo", "Rome", "Bern"], ROWS),
    "plan": random.choice([3, 5, 9], ROWS),
})
customers.loc[::7, "age"] = numpy.nan
stays = ((customers.city == "Oslo") ^ (customers.age > 40) ^ (customers.plan == 5)).to_numpy()
numbers = random.normal(size=(ROWS, 4))
numbers[::9, 2] = numpy.nan
value = numpy.nansum(numbers, axis=1) * 3
kind = numpy.digitize(value, [-3, 3])


def records(frame, count=40):
    columns = frame.head(count).astype(object).T.values.tolist()
    exact = [[None if cell != cell else cell for cell in column] for column in columns]
    return [dict(zip(frame.columns, row)) for row in zip(*exact)]
"""
)
"""What every training script begins with: customers with categories, and plain numbers, some of them missing."""


@pytest.fixture(scope="session")
def libraries(environment_of):
    """The Python of an environment with every library but PyTorch."""
    return environment_of("formats", "3.11", *LIBRARIES, needs_server=True)


@pytest.fixture(scope="session")
def pytorch(environment_of):
    """The Python of an environment with PyTorch; 4 seconds where there is a wheel without CUDA, minutes else."""
    return environment_of("torch", "3.11", "torch==2.13.0", "numpy==2.4.6", needs_server=True)


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """Runs a script that trains and saves models; gives the folder, and what each model answered there."""

    def run(python, name, script, *, customers=True):
        folder = tmp_path_factory.mktemp(name)
        (folder / "model").mkdir()
        (folder / "train.py").write_text((CUSTOMERS if customers else RECORDING) + script + "\nfinish()\n")
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
        done = subprocess.run(
            [str(python), "train.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return folder, json.loads((folder / "expected.json").read_text())

    return run


@pytest.fixture(scope="session")
def inspected():
    """Runs ``inspect`` in an environment: the document, which may be an error."""

    def inspect(python, folder, model, **environment):
        command = [str(python), "-m", "tagboat_server", "inspect", str(folder), "--model", model]
        done = subprocess.run(
            command,
            capture_output=True,
            env={"PYTHONPATH": str(SERVING), **environment},
            cwd="/",
            timeout=200,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return json.loads(done.stdout)

    return inspect


@pytest.fixture
def start(serve, bundle_around):
    """Serves one model of a folder in an environment."""

    def run(python, folder, model, **document):
        bundle = bundle_around(folder, model, **document)
        return serve(bundle, python=python, environment={"PYTHONPATH": str(SERVING)})

    return run


@pytest.fixture(scope="session")
def same():
    """Asserts that a server answers as the library did: all rows at once, and row by row if they are ``alone``."""

    def compare(server, expected, *, alone=True):
        data = expected["data"]
        for method, answers in expected["answers"].items():
            together = server.post(f"/{method}", {"data": data})
            assert together.status == 200, together.body
            assert together.json["predictions"] == answers
            for row, answer in list(zip(data, answers))[: 5 if alone else 0]:
                assert server.post(f"/{method}", {"data": [row]}).json["predictions"] == [answer]

    return compare


CALLED = """
import json, sys
from pathlib import Path
import msgspec
from tagboat_server import formats
from tagboat_server.codecs import decoder_for
from tagboat_server.codecs.encoding import encode
folder, asked = Path(sys.argv[1]), json.load(sys.stdin)
told = {}
for name, each in asked.items():
    model = formats.load(None, folder / name)
    body = json.dumps({"data": each["data"]}).encode()
    answers = {}
    for known in each["answers"]:
        method = model.methods[known]
        value = decoder_for(method.signature.input, tables=method.tables)(body).value
        answers[known] = json.loads(encode(method.call(value)))
    signatures = msgspec.to_builtins({known: method.signature for known, method in model.methods.items()})
    told[name] = {"format": model.format, "answers": answers, "methods": signatures}
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def called():
    """Every method of several models through a server's own way in, but without one: formats and answers by model."""

    def call(python, folder, expected):
        asked = json.dumps(expected)
        environment = {"PYTHONPATH": str(SERVING), "OMP_NUM_THREADS": "1"}
        command = [str(python), "-c", CALLED, str(folder)]
        done = subprocess.run(
            command, input=asked, env=environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return call


REFUSED = """
import json, os, sys
from pathlib import Path
from tagboat_server import formats
from tagboat_server.errors import ModelError
told = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        formats.load(sys.argv[2], file)
        told[file.name] = {"where": None}
    except ModelError as error:
        told[file.name] = error.document()["error"]
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def refused():
    """Loads every file of a folder, none of which is a model; gives the errors by file."""

    def load(python, folder, format_):
        done = subprocess.run(
            [str(python), "-c", REFUSED, str(folder), format_],
            env={"PYTHONPATH": str(SERVING), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return load


FORK = """
import os, signal, sys
from pathlib import Path
import numpy
from tagboat_server import formats
model = formats.load(None, Path(sys.argv[1]))
call = model.methods["predict"].call
rows = numpy.random.default_rng(3).normal(size=(500, 4))
rows[::11, 2] = numpy.nan
before = call(rows)
assert model.methods["predict"].quick
assert model.methods["predict"].alone == (sys.argv[2] == "alone")
for size in (1, 3, 64) if sys.argv[2] == "alone" else ():
    parts = [call(rows[start : start + size]) for start in range(0, len(rows), size)]
    assert numpy.array_equal(before, numpy.concatenate(parts)), size
child = os.fork()
if child == 0:
    signal.alarm(5)
    os._exit(0 if repr(call(rows).tolist()) == repr(before.tolist()) else 1)
_, status = os.waitpid(child, 0)
print(model.forkable, status)
"""


@pytest.fixture(scope="session")
def forked():
    """Calls a model in batches of several sizes, all the same to the bit if ``alone``; forks, calls it in the child.

    Gives whether the format said that one may fork, and the child's status.
    """

    def run(python, path, threads, *, alone=True):
        environment = {"PYTHONPATH": str(SERVING), "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [str(python), "-c", FORK, str(path), "alone" if alone else "together"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said, status = done.stdout.split()
        return said == "True", int(status)

    return run
