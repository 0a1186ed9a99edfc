"""A server as a process: from its start to its first answer, what it costs, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving_environments import UnavailableError
from benchmarks.serving_peers import Peer, Place, Start
from benchmarks.serving_questions import Question

REFUSALS = {400, 415, 422}
"""Answers that waiting does not change."""

PATIENCE = 120
"""Seconds in which a server must have answered for the first time."""

POLL = 0.01

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


class RefusedError(UnavailableError):
    """The server answers, but not this."""


class Running:
    """A server that has been started. ``cold``: seconds from its start to its first right answer."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.peer = peer
        self.process = process
        self.port = port
        self.log = log
        self.cold = 0.0

    def tree(self) -> list[psutil.Process]:
        """The server's processes."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of processor time that all processes have taken."""
        return sum(sum(each.cpu_times()[:4]) for each in self.tree())

    def resident(self) -> int:
        """Bytes in memory, all processes together; what several of them share counts for each."""
        return sum(each.memory_info().rss for each in self.tree())

    def ask(self, question: Question) -> Any:
        """One request; its answer as read from JSON. Raises `UnavailableError` for anything but 200."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", question.path, question.body, question.headers)
            response = connection.getresponse()
            body = response.read()
        if response.status != 200:
            kind = RefusedError if response.status in REFUSALS else UnavailableError
            raise kind(f"{question.path} answered {response.status}: {body[:300].decode(errors='replace')}")
        return json.loads(body)

    def await_answer(self, question: Question, began: float) -> None:
        """Wait for the first answer. Raises `UnavailableError`."""
        while True:
            if self.process.poll() is not None:
                raise UnavailableError(f"ended with {self.process.returncode}: {self.last_words()}")
            try:
                self.ask(question)
            except RefusedError:
                raise
            except (OSError, HTTPException, UnavailableError) as error:
                if time.perf_counter() - began > PATIENCE:
                    raise UnavailableError(f"no answer in {PATIENCE} s: {error or self.last_words()}") from None
                time.sleep(POLL)
            else:
                self.cold = time.perf_counter() - began
                return

    def last_words(self) -> str:
        """The end of its log, on one line."""
        return " ".join(self.log.read_text(errors="replace").split())[-300:]


@contextlib.contextmanager
def running(peer: Peer, start: Start, place: Place, question: Question) -> Iterator[Running]:
    """A server that has answered once; ended with everything that it has started. Raises `UnavailableError`."""
    log = place.folder / "log"
    began = time.perf_counter()
    server = Running(peer, launch(start.command, place.folder, log, start.environment), place.port, log)
    tree: list[psutil.Process] = []
    try:
        server.await_answer(question, began)
        tree = server.tree()
        yield server
    finally:
        end(server.process, tree)


def launch(command: Sequence[str], folder: Path, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a command in a folder, with one thread for BLAS and OpenMP, away from the benchmark's own environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=folder, env=kept | ONE_THREAD | environment, stdin=subprocess.DEVNULL,
                                stdout=out, stderr=out, start_new_session=True)  # fmt: skip


def end(process: subprocess.Popen[bytes], tree: Sequence[psutil.Process]) -> None:
    """End a server, and whatever of it is left: not every one ends its own children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = list({*tree, *psutil.Process(process.pid).children(recursive=True)})
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for each in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.kill()
    process.wait()


def bare(python: Path, program: Path, model: Path) -> tuple[float, int]:
    """Seconds, and bytes in memory, of Python that imports the model's library and loads its file."""
    environment = {"PATH": os.environ["PATH"], **ONE_THREAD}
    began = time.perf_counter()
    with subprocess.Popen([str(python), str(program), str(model)], env=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        took = time.perf_counter() - began
        resident = psutil.Process(process.pid).memory_info().rss
        process.communicate()
    return took, resident


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free now."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            first = probe.getsockname()[1]
        if first + count < 65_000 and all(is_free(port) for port in range(first, first + count)):
            return first


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
