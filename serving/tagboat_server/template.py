"""The process that loads the model for workers and forks them, so that they share its memory.

It has one thread and runs nothing after the load, so that a fork takes nothing along that is half done: whoever a
crash takes away is replaced by a fresh copy at once. Where that cannot be (the format says so, libraries have started
threads while they loaded, or the system is not Linux) it becomes a worker itself, and each worker loads for itself.

Its line to the supervisor: it says first how the load went; then it answers

    {"op": "fork", "worker": 0} + descriptor    -> {"pid"}, of a worker that has the descriptor as its own line
    {"op": "become", "worker": 0} + descriptor     no answer: it is that worker now
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from pathlib import Path

import msgspec

from tagboat_server import parentage
from tagboat_server.channel import Document, receive, send
from tagboat_server.errors import ServerError
from tagboat_server.logs import Log
from tagboat_server.spec import read_bundle, read_identity, read_settings


def main(descriptor: int, supervisor: int, folder: str, may_fork: bool) -> None:
    """Load, say how it went, and wait for what to do. ``may_fork``: the supervisor can take care of grandchildren."""
    line = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    parentage.die_with(supervisor, line)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A terminal and some service managers send them to every process; the supervisor knows what to do.
        signal.signal(number, ignore)
    try:
        bundle = read_bundle(Path(folder))
        settings = read_settings(os.environ)
        identity = read_identity(bundle, os.environ)
        from tagboat_server.serving import prepare

        model = prepare(Path(folder), bundle, Log(access=settings.access_log))
    except ServerError as error:
        send(line, {"ok": False, **error.document()})
        return
    reason = unforkable(model.model.forkable, may_fork)
    send(line, {"ok": True, "forkable": reason is None, "reason": reason})
    from tagboat_server.worker import Worker

    gc.collect()
    gc.freeze()
    while True:
        operation, number, own = hear(line)
        if operation == "fork":
            pid = fork()
            if pid:
                own.close()
                send(line, {"pid": pid})
                continue
        line.close()
        Worker(number, own, identity, settings).live(model)


def unforkable(forkable: bool, may_fork: bool) -> object:
    """Why this process cannot be forked, or None."""
    if not may_fork:
        return "the system cannot tell the supervisor of its grandchildren's end"
    if not forkable:
        return "the model's format does not allow it"
    threads = parentage.threads()
    return f"the load has left {threads} threads running" if threads > 1 else None


def hear(line: socket.socket) -> tuple[str, int, socket.socket]:
    """What to do next, for which worker, and its line. Ends the process when the supervisor has no more to say."""
    text, descriptors = b"", []
    while not text.endswith(b"\n"):
        data, received = receive(line)
        if not data:
            os._exit(0)
        text += data
        descriptors += received
    asked = msgspec.json.decode(text, type=Document)
    return asked["op"], asked["worker"], socket.socket(fileno=descriptors[0])


def fork() -> int:
    """Fork twice, so that the supervisor adopts the worker; gives its process id, and 0 inside it."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os.close(writer)
            return 0
        os.write(writer, b"%d" % pid)
        os._exit(0)
    os.close(writer)
    pid = int(os.read(reader, 32) or b"-1")
    os.close(reader)
    os.waitpid(between, 0)
    return pid


def ignore(*_: object) -> None:
    """Do nothing; unlike SIG_IGN, this does not pass on to what the model starts."""
