"""One model, all servers: they are started by turns, stay up side by side, and are put under load by turns."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy

from benchmarks.serving_environments import UnavailableError, environment, subprocess_output
from benchmarks.serving_load import drive
from benchmarks.serving_peers import PEERS, PROGRAMS, Peer, Place
from benchmarks.serving_processes import Running, bare, free_ports, running
from benchmarks.serving_questions import Protocol

CONNECTIONS = 64
CONNECTIONS_OF_TABLES = 4
"""Bodies of 1,000 rows are sent over fewer: enough that the server never waits."""

DISTINCT = 200
"""Different rows that are asked by turns."""

FIGURES = ("requests_s", "p50_ms", "p99_ms", "cpu_ms", "rows_s", "binary_rows_s", "cold_s", "first_rss_mb", "rss_mb")


@dataclasses.dataclass
class Result:
    """What was found of one server with one model: every round's figures, or why there are none."""

    model: str
    peer: Peer
    figures: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    reason: str | None = None

    def note(self, **found: float) -> None:
        """Keep a round's figures."""
        for name, value in found.items():
            self.figures.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        """A figure's median over the rounds; None where it was not measured."""
        values = self.figures.get(name)
        return statistics.median(values) if values and self.reason is None else None

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {"model": self.model, "server": self.peer.name, "ours": self.peer.ours, "reason": self.reason,
                "median": {name: self.median(name) for name in self.figures}, "rounds": self.figures}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how often. ``cold``: starts of each server; ``tables``: whether 1,000 rows are asked at once."""

    seconds: float
    rounds: int
    cold: int
    tables: bool


@dataclasses.dataclass(frozen=True)
class Material:
    """What is asked of a model: its file, 1,000 rows, and its own answers to them."""

    name: str
    file: Path
    rows: numpy.ndarray
    answers: list[Any]


def trained(folder: Path, python: Path) -> None:
    """Train the models, and write down a sample for our own server."""
    subprocess_output([str(python), str(PROGRAMS / "train.py"), str(folder)], folder)
    rows = numpy.load(folder / "rows.npy")
    (folder / "sample.json").write_text(json.dumps({"data": rows[:50].tolist()}))


def material(folder: Path, model: str) -> Material:
    """One of the models that were trained."""
    answers = json.loads((folder / f"{model}.json").read_text())
    return Material(model, folder / f"{model}.joblib", numpy.load(folder / "rows.npy"), answers)


def measure(model: Material, peers: Sequence[Peer], plan: Plan, scratch: Path, *, install: bool) -> list[Result]:
    """Measure all servers with one model. The last result is bare Python's."""
    results = {peer.name: Result(model.name, peer) for peer in peers}
    pythons = {}
    for peer in peers:
        try:
            pythons[peer.name] = environment(peer.family, peer.requirements, install=install)
        except UnavailableError as error:
            results[peer.name].reason = str(error)
    bottom = Result(model.name, BARE)
    with ExitStack() as stack:
        up: list[Running] = []
        for turn in range(plan.cold):
            up = []
            kept = stack if turn == plan.cold - 1 else stack.enter_context(ExitStack())
            for peer in [peer for peer in peers if results[peer.name].reason is None]:
                say(f"{model.name}: start {peer.name}")
                result = results[peer.name]
                try:
                    if peer.ours and peer.answers_model:
                        took, resident = bare(pythons[peer.name], PROGRAMS / "bare.py", model.file)
                        bottom.note(cold_s=took, first_rss_mb=resident / 1e6, rss_mb=resident / 1e6)
                    server = begin(kept, peer, pythons[peer.name], model, scratch / f"{peer.name}-{model.name}-{turn}")
                    result.note(cold_s=server.cold, first_rss_mb=server.resident() / 1e6)
                    up.append(server)
                except UnavailableError as error:
                    result.reason = str(error)
            if kept is not stack:
                kept.close()
        for turn in range(plan.rounds):
            for server in turned(up, turn):
                result = results[server.peer.name]
                say(f"{model.name}: round {turn + 1}, {server.peer.name}")
                try:
                    if turn == 0:
                        check(server, model)
                        load_rows(server, model, scratch, 1)
                    one_round(server, model, plan, scratch, result)
                except UnavailableError as error:
                    result.reason = str(error)
    return [*results.values(), bottom]


BARE = Peer("bare Python", "", (), PEERS[0].prepare, answers_model=False)
"""No server: what importing the model's library and loading its file take."""


def turned(servers: Sequence[Running], turn: int) -> list[Running]:
    """The servers in another order each round, without those that have failed."""
    at = turn % max(1, len(servers))
    return [*servers[at:], *servers[:at]]


def begin(stack: ExitStack, peer: Peer, python: Path, model: Material, folder: Path) -> Running:
    """Start a server. Raises `UnavailableError`."""
    folder.mkdir(parents=True)
    place = Place(python, folder, model.file, model.file.with_name("rows.npy"), free_ports(3))
    start = peer.prepare(place)
    return stack.enter_context(running(peer, start, place, peer.protocol.ask(model.rows[:1])))


def check(server: Running, model: Material) -> None:
    """A server that answers anything but what the model answers is not measured. Raises `UnavailableError`."""
    if not server.peer.answers_model:
        return
    protocols = [server.peer.protocol, *([server.peer.binary] if server.peer.binary else [])]
    parts = [slice(place, place + 1) for place in range(20)] + [slice(None)]
    for protocol in protocols:
        if any(protocol.answers(server.ask(protocol.ask(model.rows[part]))) != model.answers[part] for part in parts):
            raise UnavailableError("its answers are not the model's")


def one_round(server: Running, model: Material, plan: Plan, scratch: Path, result: Result) -> None:
    """Put one server under load, and note what it did. Raises `UnavailableError`."""
    load_rows(server, model, scratch, plan.seconds, result)
    if plan.tables and server.peer.answers_model:
        result.note(rows_s=load_table(server, server.peer.protocol, model, scratch, plan.seconds))
        if server.peer.binary is not None:
            result.note(binary_rows_s=load_table(server, server.peer.binary, model, scratch, plan.seconds))
    result.note(rss_mb=server.resident() / 1e6)


def load_rows(server: Running, model: Material, scratch: Path, seconds: float, result: Result | None = None) -> None:
    """One row a request. Raises `UnavailableError` where a request fails."""
    questions = [server.peer.protocol.ask(model.rows[place : place + 1]) for place in range(DISTINCT)]
    before = server.cpu()
    load = drive(questions, server.port, scratch / "load", connections=CONNECTIONS, seconds=seconds)
    spent = server.cpu() - before
    if load.bad or load.broken or not load.requests:
        raise UnavailableError(f"{load.bad} errors and {load.broken} broken of {load.requests} requests")
    if result is not None:
        result.note(
            requests_s=load.requests / load.seconds,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            cpu_ms=spent * 1000 / load.requests,
        )


def load_table(server: Running, protocol: Protocol, model: Material, scratch: Path, seconds: float) -> float:
    """Rows a second where each request has 1,000. Raises `UnavailableError` where a request fails."""
    questions = [protocol.ask(model.rows)]
    load = drive(
        questions, server.port, scratch / "load", connections=CONNECTIONS_OF_TABLES, seconds=max(1, seconds * 2 / 3)
    )
    if load.bad or load.broken or not load.requests:
        raise UnavailableError(f"{load.bad} errors and {load.broken} broken of {load.requests} requests of 1,000 rows")
    return load.requests * len(model.rows) / load.seconds


def say(text: str) -> None:
    """Progress, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
