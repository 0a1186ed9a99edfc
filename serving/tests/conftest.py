"""Real models, real bundles, real server processes; a client of a few lines."""

import contextlib
import fcntl
import hashlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from array import array
from http.client import HTTPConnection
from importlib import metadata
from pathlib import Path

import pytest

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
PATIENCE = 90


class Answer:
    """Status, headers in lower case, and the body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class UnixConnection(HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class ServerProcess:
    """A server in a process of its own; ended, and waited for, by the fixture that made it."""

    def __init__(
        self, bundle, *, release="r1", stage="dev", settings=None, port=0, uds=None, python=None, environment=None
    ):
        # Unix sockets' paths are short; pytest's folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="tb"))
        self.control_path = self.folder / "c"
        self.log_path = self.folder / "log"
        self.uds = self.folder / "u" if uds else None
        command = [str(python or sys.executable), *(["-P"] if python is None else []), "-m", "tagboat_server", "serve"]
        command += [str(bundle), "--control", str(self.control_path)]
        command += ["--port", str(port)] if port is not None else []
        command += ["--uds", str(self.uds)] if uds else []
        command += ["--control-only"] if port is None and not uds else []
        env = {name: value for name, value in os.environ.items() if not name.startswith("TAGBOAT_")}
        env |= {"TAGBOAT_RELEASE": release, "TAGBOAT_STAGE": stage, "TAGBOAT_SETTINGS": json.dumps(settings or {})}
        env |= environment or {}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.address = None

    def wait_ready(self):
        deadline = threading.Event()
        for _ in range(PATIENCE * 20):
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.log}")
            with contextlib.suppress(OSError):
                status = self.control({"op": "status"})
                if status["ready"]:
                    tcp = [address for address in status["listening"] if address.startswith("http")]
                    if tcp:
                        host, _, port = tcp[0].removeprefix("http://").rpartition(":")
                        self.address = (host, int(port))
                    return self
            deadline.wait(0.05)
        raise AssertionError(f"the server was not ready in time: {self.log}")

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def events(self):
        whole = self.log.rpartition("\n")[0]  # the last line may be being written
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def connect(self, timeout=30):
        if self.address is None:
            return UnixConnection(self.uds, timeout)
        return HTTPConnection(*self.address, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, document, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.request("POST", path, body, {"content-type": "application/json", **headers})

    def socket(self, timeout=30):
        return socket.create_connection(self.address, timeout=timeout)

    def control(self, document, descriptor=None):
        return control(self.control_path, document, descriptor)[0]

    def share(self):
        answer, descriptors = control(self.control_path, {"op": "share"})
        assert answer["ok"], answer
        return descriptors[0]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


def control(path, document, descriptor=None):
    """One line to a control socket; the answer and the descriptors that came with it."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        line = json.dumps(document).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))] if descriptor is not None else []
        client.sendmsg([line], rights)
        data, ancillary, _, _ = client.recvmsg(65536, socket.CMSG_SPACE(4))
        descriptors = array("i")
        for _, _, payload in ancillary:
            descriptors.frombytes(payload)
        return json.loads(data), list(descriptors)


@pytest.fixture
def serve():
    """Starts servers; ends them after the test."""
    started = []

    def start(bundle, *, ready=True, **options):
        server = ServerProcess(bundle, **options)
        started.append(server)
        return server.wait_ready() if ready else server

    yield start
    for server in started:
        server.end()


@pytest.fixture(scope="module")
def serve_module():
    """As `serve`, for all tests of a module."""
    started = []

    def start(bundle, **options):
        server = ServerProcess(bundle, **options)
        started.append(server)
        return server.wait_ready()

    yield start
    for server in started:
        server.end()


def write_bundle(folder, model, *, code=None, **document):
    """A bundle around a model file that stands at ``folder/model/<model>``."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    for name, text in (code or {}).items():
        (folder / "code" / name).write_text(text)
    document = {
        "schema": 1,
        "name": "iris",
        "version": "v0.1.0",
        "commit": "0" * 40,
        "digest": "sha256:0",
        "model": model,
        **document,
    }
    (folder / "model.json").write_text(json.dumps(document))
    return folder


def dumped(folder, estimator, name="model.joblib"):
    """A bundle around an estimator saved with joblib."""
    import joblib

    (folder / "model").mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, folder / "model" / name)
    return write_bundle(folder, name)


@pytest.fixture(scope="session")
def iris():
    """Features with column names, and species as text."""
    from sklearn.datasets import load_iris

    flowers = load_iris(as_frame=True)
    return flowers.data.set_axis(COLUMNS, axis=1), flowers.target.map(dict(enumerate(flowers.target_names))).astype(
        object
    )


@pytest.fixture(scope="session")
def forest(iris):
    """A trained classifier."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(10, random_state=0, n_jobs=2).fit(*iris)


@pytest.fixture(scope="session")
def forest_bundle(forest, tmp_path_factory):
    """The classifier as a bundle."""
    return dumped(tmp_path_factory.mktemp("forest"), forest)


@pytest.fixture(scope="session")
def linear_bundle(iris, tmp_path_factory):
    """A quick classifier without column names, as a bundle."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris[0].to_numpy(), iris[1].to_numpy())
    return dumped(tmp_path_factory.mktemp("linear"), model)


SLOW = '''
import time


class Slow:
    """Sleeps as many seconds as its input says."""

    n_features_in_ = 1

    def predict(self, rows):
        time.sleep(float(rows[0][0]))
        return [0.0] * len(rows)
'''


@pytest.fixture(scope="session")
def slow_bundle(tmp_path_factory):
    """A model of the user's own module, which the bundle brings along."""
    folder = tmp_path_factory.mktemp("slow")
    module = types.ModuleType("slow_model")
    exec(SLOW, module.__dict__)  # the class must be importable as slow_model.Slow while it is pickled
    sys.modules["slow_model"] = module
    try:
        data = pickle.dumps(module.Slow())
    finally:
        del sys.modules["slow_model"]
    (folder / "model").mkdir()
    (folder / "model" / "slow.pkl").write_bytes(data)
    return write_bundle(folder, "slow.pkl", code={"slow_model.py": SLOW})


@pytest.fixture(scope="session")
def wait_until():
    """Looks until it is so."""

    def wait(condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError("it never was so")

    return wait


@pytest.fixture(scope="session")
def bundle_of():
    """Makes a bundle around an estimator saved with joblib."""
    return dumped


@pytest.fixture(scope="session")
def bundle_around():
    """Makes a bundle around a model's file that is there already."""
    return write_bundle


@pytest.fixture(scope="session")
def environment_of():
    """Makes environments with uv, kept between runs by what is in them; gives the path of their Python."""
    return make_environment


def make_environment(name, version, *requirements, needs_server=False):
    """An environment of one Python version. Skips the test where that Python is not on this machine."""
    interpreter = find_python(version)
    if interpreter is None:
        pytest.skip(f"NOT TESTED: there is no Python {version} here (looked on PATH, with uv, and in PYENV_ROOT)")
    wanted = [*requirements]
    own = [f"{library}=={metadata.version(library)}" for library in SERVER_NEEDS] if needs_server else []
    files = [Path(part).read_bytes() for part in wanted if part.endswith(".lock")]
    key = hashlib.sha256(repr((str(interpreter), wanted, own, files)).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagboat-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{key}"
    python = folder / "bin" / "python"
    with (cache / f"{name}-{key}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            uv("venv", "--python", interpreter, folder)
            # Some of what a lock pins by hash comes as source alone (antlr4-python3-runtime).
            wheels = () if files else ("--only-binary", ":all:")
            # Where pip is shown wheels of its own (PyTorch's without CUDA, say), uv is shown them too.
            places = os.environ.get("PIP_FIND_LINKS", "").split()
            links = [part for place in places for part in ("--find-links", place)]
            install = ("pip", "install", *wheels, *links, "--python", python)
            uv(*install, *wanted)
            if own:
                uv(*install, *own)
            (folder / "complete").touch()
    return python


SERVER_NEEDS = ("httptools", "msgspec", "prometheus-client", "uvicorn", "uvloop")


def uv(*arguments):
    """Run uv, and say what it said where it fails."""
    command = [str(Path(sys.executable).parent / "uv"), *map(str, arguments), "--quiet", "--no-config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def find_python(version):
    """An interpreter of a version: one that answers on PATH, one of pyenv's, one of uv's; or None."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = os.environ.get("PYENV_ROOT")
    if pyenv:
        candidates += sorted(Path(pyenv, "versions").glob(f"{version}.*/bin/python{version}"), reverse=True)
    found = subprocess.run(
        [str(Path(sys.executable).parent / "uv"), "python", "find", "--no-config", "--offline", version],
        capture_output=True,
        text=True,
        check=False,
    )
    candidates.append(found.stdout.strip())
    for candidate in filter(None, candidates):
        asked = subprocess.run([str(candidate), "-c", "import venv"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None
