"""Have a model become an ONNX graph in its own environment, and judge what the comparison of the two has found.

The conversion runs the model's code, so it runs as inspection does: a child of the model's environment, scrubbed. Its
outcome, the graph and the figures, is kept by everything that went in, so that the same inputs are converted once. A
graph that is not accepted is an error, or by `Optimize.required` a warning; it is never passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from deployers.errors import ConfigurationError, RefusedError, ReleaseFailedError
from deployers.wrapping.bundle import Content
from deployers.wrapping.children import harmless, run
from deployers.wrapping.environment import ModelEnvironment
from deployers.wrapping.inspection import printed, read_answer
from deployers.wrapping.isolation import ModelUser, child_environment, conceal

EXTRA = "optimize"
"""The extra of tagboat-server that brings the converters."""

RULES = 1
"""Part of every kept outcome's key: raise it when outcomes of old must not be used again."""

TIME_LIMIT = 600.0
MAXIMUM_GRAPH = 2_000_000_000
"""Bytes; ONNX's own limit for one file."""


class Optimize(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. ``rtol``, ``atol``: of every number; ``labels``: the share of labels that may differ.

    ``rows``: how many to compare on. ``required``: whether a graph that is not accepted ends the wrapping.
    """

    to: str = "onnx"
    rtol: float = 1e-5
    atol: float = 1e-6
    labels: float = 0.0
    rows: int = 1000
    required: bool = True


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One method's comparison, as `tagboat-server optimize` says. ``largest_difference``: None for labels."""

    rows: int
    differing: int
    largest_difference: float | None = None
    passed: bool = False

    def told(self) -> str:
        """In words."""
        if self.largest_difference is None:
            return f"{self.differing} of {self.rows} labels differ"
        far = f"{self.differing} of {self.rows} rows are out of tolerance"
        return f"{far}, the largest difference is {self.largest_difference:.3g}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``optimized`` of model.json: a conversion and its comparison. ``graph``: its path in the bundle, and ``sha256``.

    The rest is told in tagboat_server/optimizing/outcome.py.
    """

    to: str
    methods: Mapping[str, Figures] = {}
    graph: str | None = None
    sha256: str | None = None
    numbers: str = ""
    rows: int = 0
    of_sample: int = 0
    alone: bool = False
    tolerance: Mapping[str, float] = {}
    guessed: tuple[str, ...] = ()
    microseconds: Mapping[str, float] = {}
    converters: Mapping[str, str] = {}
    reason: str | None = None

    @property
    def refused(self) -> list[str]:
        """Methods that a graph could answer, and may not."""
        return [name for name, figures in self.methods.items() if not figures.passed]

    def told(self) -> str:
        """The figures in words."""
        return "; ".join(f"{name}: {figures.told()}" for name, figures in self.methods.items())


class Kept(msgspec.Struct, frozen=True):
    """An outcome, and where its graph's file is."""

    outcome: Outcome
    file: Path | None

    @property
    def contents(self) -> list[Content]:
        """The graph as one of a bundle's files."""
        if self.file is None or self.outcome.sha256 is None:
            return []
        return [Content(Path(GRAPH).name, self.outcome.sha256, self.file.stat().st_size)]


GRAPH = "optimized/model.onnx"
"""Where the graph stands in a bundle."""


def find(inputs: str, wanted: Optimize, cache: Path) -> Kept | None:
    """The outcome that the same inputs gave before. ``inputs``: the digest of everything but the graph."""
    folder = _folder(inputs, wanted, cache)
    with contextlib.suppress(OSError, msgspec.DecodeError):
        outcome = msgspec.json.decode((folder / "outcome.json").read_bytes(), type=Outcome)
        if outcome.graph is None:
            return Kept(outcome, None)
        with (folder / "model.onnx").open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == outcome.sha256:
                return Kept(outcome, folder / "model.onnx")
    return None


def make(
    assembled: Path,
    model: str,
    format: str,  # noqa: A002  (model.json's word)
    wanted: Optimize,
    python: ModelEnvironment,
    *,
    inputs: str,
    sample: Path | None,
    cache: Path,
    environment: Mapping[str, str],
    user: ModelUser | None = None,
    seconds: float = TIME_LIMIT,
) -> Kept:
    """Convert and compare, in the model's environment, and keep the outcome.

    ``assembled``: a folder with the bundle's ``model`` and ``code``. Raises `ReleaseFailedError` when the model can't
    be loaded, the sample doesn't fit it, or the time is over.
    """
    conceal()
    with tempfile.TemporaryDirectory(prefix="tagboat-optimize-") as private:
        home = Path(private)
        if user is not None:
            os.chown(home, user.uid, user.gid)
        answer, graph = home / "answer.json", home / "model.onnx"
        asked: list[str | Path] = ["--model", model, "--format", format, "--code", assembled / "code"]
        asked += ["--rows", str(wanted.rows), "--rtol", repr(wanted.rtol), "--atol", repr(wanted.atol)]
        asked += ["--labels", repr(wanted.labels), "--graph", graph, "--output", answer]
        asked += ["--sample", sample] if sample is not None else []
        command = python.command("optimize", assembled / "model", *asked)
        code, log = run(command, home, child_environment(environment, home=home), user, seconds)
        if code is None:
            raise ReleaseFailedError(
                f"the model did not become a graph within {seconds:.0f} s", where=model, hint=printed(log)
            )
        outcome = read_answer(answer, code, log, model, Outcome)
        reason = harmless(outcome.reason) if outcome.reason else None
        outcome = msgspec.structs.replace(outcome, graph=None, sha256=None, reason=reason)
        content = _read_graph(graph) if any(figures.passed for figures in outcome.methods.values()) else None
        if content is not None and reason is None:
            outcome = msgspec.structs.replace(outcome, graph=GRAPH, sha256=hashlib.sha256(content).hexdigest())
        return _keep(outcome, content, _folder(inputs, wanted, cache))


def judge(outcome: Outcome, wanted: Optimize, name: str, warn: Callable[[str], None]) -> None:
    """Say what a person should know. Raises, where a graph is required, `RefusedError` with the figures of one that is
    not near enough, `ConfigurationError` where there can be none."""
    where = f"tagboat.yaml: artifacts.{name}.optimize"
    instead = "Or set `required: false`: what no graph may answer is answered by the model itself, with a warning."
    if outcome.guessed:
        columns = ", ".join(outcome.guessed[:5]) + (", …" if len(outcome.guessed) > 5 else "")
        warn(f"nothing tells the range of {columns}: rows to compare the graph on were drawn from -3 to 3; give "
             f"`sample:` for the artifact")  # fmt: skip
    if outcome.reason is not None:
        message = f"the model cannot be served as an {outcome.to} graph: {outcome.reason}"
        if wanted.required:
            raise ConfigurationError(message, where=where, hint=f"Leave `optimize` out. {instead}")
        warn(f"{message}; the model itself answers")
    elif outcome.refused:
        message = f"the graph does not answer as the model does: {outcome.told()}"
        if wanted.required:
            raise RefusedError(
                message,
                where=where,
                hint="Allow more by `rtol` and `atol` (numbers) or `labels` (the share of labels), where the figures "
                f"are good enough; or leave `optimize` out. {instead}",
            )
        warn(f"{message}; the model itself answers {', '.join(outcome.refused)}")


def _read_graph(path: Path) -> bytes | None:
    """The file that a child has written, or None; never what a link of its leads to."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > MAXIMUM_GRAPH:
            raise RefusedError(f"the graph is larger than {MAXIMUM_GRAPH} bytes")
        return file.read()


def _keep(outcome: Outcome, content: bytes | None, folder: Path) -> Kept:
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "model.onnx"
    if outcome.graph is not None and content is not None:
        _replace(graph, content)
    _replace(folder / "outcome.json", msgspec.json.encode(outcome))
    return Kept(outcome, graph if outcome.graph is not None else None)


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".making-", delete=False) as written:
        written.write(content)
    Path(written.name).replace(path)


def _folder(inputs: str, wanted: Optimize, cache: Path) -> Path:
    identity = [RULES, inputs, msgspec.structs.asdict(msgspec.structs.replace(wanted, required=True))]
    return cache / "optimized" / hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:40]
