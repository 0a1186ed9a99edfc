"""The servers that are measured: what each needs, and how it is started, as its own documentation says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import serving_questions as questions
from benchmarks.serving_environments import UnavailableError, subprocess_output

PROGRAMS = Path(__file__).with_name("peers")
SERVING = Path(__file__).parents[1] / "serving"
RELEASE = "cancer.prod.1.0.0"


@dataclasses.dataclass(frozen=True)
class Place:
    """What a server is started with: its Python, an empty folder, the model's file, rows to show, a free port."""

    python: Path
    folder: Path
    model: Path
    rows: Path
    port: int

    def tool(self, name: str) -> str:
        """A command of the environment."""
        return str(self.python.with_name(name))

    def program(self, name: str, *arguments: object) -> list[str]:
        """One of our own programs."""
        return [str(self.python), str(PROGRAMS / name), *map(str, arguments)]


@dataclasses.dataclass(frozen=True)
class Start:
    """A command to be run in the place's folder."""

    command: Sequence[str]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server. ``prepare`` writes what it needs and says how it is started; ``family`` names its environment.

    ``batches``: it answers several requests by one call of the model. ``answers_model``: False for the constant.
    ``of_every_model``: False where only the models with an exact path are worth the time.
    ``optimized``: what it serves is a graph of the model, which need not have its bits; measured of the models
    without an exact path.
    """

    name: str
    family: str
    requirements: tuple[str, ...]
    prepare: Callable[[Place], Start]
    protocol: questions.Protocol = questions.DATA
    binary: questions.Protocol | None = None
    ours: bool = False
    batches: bool = False
    answers_model: bool = True
    of_every_model: bool = True
    optimized: bool = False


def fastapi(place: Place) -> Start:
    return Start(place.program("by_fastapi.py", place.model, place.port))


def litserve(how: str) -> Callable[[Place], Start]:
    return lambda place: Start(place.program("by_litserve.py", place.model, place.port, how))


def bentoml(service: str) -> Callable[[Place], Start]:
    def prepare(place: Place) -> Start:
        shutil.copy(PROGRAMS / "by_bentoml.py", place.folder)
        command = [place.tool("bentoml"), "serve", f"by_bentoml:{service}", "--port", str(place.port)]
        home = place.folder / "home"
        return Start(
            [*command, "--host", "127.0.0.1"],
            {"MODEL": str(place.model), "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
        )

    return prepare


def kserve(place: Place) -> Start:
    return Start(place.program("by_kserve.py", place.model, "--http_port", place.port, "--enable_grpc", "False",
                               "--enable_latency_logging", "False"))  # fmt: skip


def mlserver(batch: int) -> Callable[[Place], Start]:
    """In one process (``parallel_workers`` 0), which is its quickest for small models."""

    def prepare(place: Place) -> Start:
        server = {"http_port": place.port, "grpc_port": place.port + 1, "metrics_port": place.port + 2,
                  "host": "127.0.0.1", "parallel_workers": 0, "debug": False}  # fmt: skip
        model = {"name": "cancer", "implementation": "mlserver_sklearn.SKLearnModel",
                 "parameters": {"uri": str(place.model)}}  # fmt: skip
        if batch:
            model |= {"max_batch_size": batch, "max_batch_time": 0.005}
        (place.folder / "settings.json").write_text(json.dumps(server))
        (place.folder / "model-settings.json").write_text(json.dumps(model))
        return Start([place.tool("mlserver"), "start", str(place.folder)])

    return prepare


def mlem(place: Place) -> Start:
    subprocess_output(place.program("save_mlem.py", place.model, place.rows, place.folder), place.folder)
    return Start([place.tool("mlem"), "serve", "fastapi", "--model", str(place.folder / "cancer"),
                  "--host", "127.0.0.1", "--port", str(place.port)], {"MLEM_NO_ANALYTICS": "true"})  # fmt: skip


def mlflow(place: Place) -> Start:
    saved = place.folder / "saved"
    subprocess_output(place.program("save_mlflow.py", place.model, place.rows, saved), place.folder)
    return Start([place.tool("mlflow"), "models", "serve", "-m", str(saved), "--env-manager", "local",
                  "--workers", "1", "--port", str(place.port)],
                 {"PATH": f"{place.python.parent}:{os.environ['PATH']}"})  # fmt: skip


def tagboat(settings: dict[str, object], *, optimize: bool = False) -> Callable[[Place], Start]:
    """A bundle as Tagboat makes it, served with a release and, but for ``settings``, every default."""

    def prepare(place: Place) -> Start:
        (place.folder / "model").mkdir()
        shutil.copy(place.model, place.folder / "model" / "model.joblib")
        shutil.copy(place.rows.with_name("sample.json"), place.folder / "sample.json")
        document = {"schema": 1, "name": "cancer", "version": "1.0.0", "model": "model.joblib",
                    "format": "sklearn-joblib", "sample": "sample.json"}  # fmt: skip
        if optimize:
            document["optimized"] = graph_of(place)
        (place.folder / "model.json").write_text(json.dumps(document))
        return Start([place.tool("tagboat-server"), "serve", str(place.folder), "--port", str(place.port)],
                     {"TAGBOAT_RELEASE": RELEASE, "TAGBOAT_SETTINGS": json.dumps(settings)})  # fmt: skip

    return prepare


def graph_of(place: Place) -> dict[str, object]:
    """Make the model's ONNX graph as wrapping does; gives what ``model.json`` says of it. Raises `UnavailableError`."""
    graph, told = place.folder / "model.onnx", place.folder / "outcome.json"
    command = [place.tool("tagboat-server"), "optimize", str(place.folder / "model"), "--model", "model.joblib"]
    command += ["--sample", str(place.folder / "sample.json"), "--graph", str(graph), "--output", str(told)]
    subprocess_output(command, place.folder)
    outcome: dict[str, object] = json.loads(told.read_text())
    if not graph.exists():
        raise UnavailableError(f"no graph is near enough: {outcome.get('reason') or outcome.get('methods')}")
    return outcome | {"graph": graph.name, "sha256": hashlib.sha256(graph.read_bytes()).hexdigest()}


def constant(place: Place) -> Start:
    return Start(place.program("constant.py", place.port))


MLEM = ("mlem[fastapi]==0.4.14", "isort<8", "typer<0.26")
BENTOML = ("bentoml==1.4.39",)
LITSERVE = ("litserve==0.2.19",)
OURS = (f"{SERVING}[simdjson]",)
ONNX = (f"{SERVING}[simdjson,optimize]",)
MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1")

EXTRA = {"of_every_model": False}
"""Measured where there is an exact path alone: with the other models they would cost time and tell nothing new."""

OWN = {"binary": questions.V2_BINARY, "ours": True, "batches": True}

PEERS = (
    Peer("tagboat", "tagboat", OURS, tagboat({}), **OWN),
    Peer("tagboat, no access log", "tagboat", OURS, tagboat({"access-log": False}), **OWN, **EXTRA),
    Peer("tagboat, optimize: onnx", "tagboat-onnx", ONNX, tagboat({}, optimize=True), **OWN, optimized=True),
    Peer("tagboat, a constant", "tagboat", OURS, constant, ours=True, answers_model=False, **EXTRA),
    Peer("mlem", "mlem", MLEM, mlem, questions.MLEM),
    Peer("mlserver", "mlserver", MLSERVER, mlserver(0), questions.V2),
    Peer("mlserver, batches", "mlserver", MLSERVER, mlserver(64), questions.V2, batches=True, **EXTRA),
    Peer("bentoml", "bentoml", BENTOML, bentoml("Single"), questions.BENTOML),
    Peer("bentoml, batches", "bentoml", BENTOML, bentoml("Batches"), questions.BENTOML, batches=True, **EXTRA),
    Peer("litserve", "litserve", LITSERVE, litserve("single")),
    Peer("litserve, batches", "litserve", LITSERVE, litserve("batches"), batches=True, **EXTRA),
    Peer("mlflow", "mlflow", ("mlflow==3.17.2",), mlflow, questions.MLFLOW),
    Peer("kserve", "kserve", ("kserve==0.21.0",), kserve, questions.KSERVE, questions.V2_BINARY),
    Peer("fastapi by hand", "fastapi", ("fastapi==0.165.0", "uvicorn[standard]==0.54.0"), fastapi),
)
