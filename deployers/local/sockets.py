"""Sockets: Unix ones behind paths of any length, and the TCP one that a slot is served on."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
BACKLOG = 2048
"""Connections that may wait to be accepted while two servers change places."""

SHORT = 100
"""Bytes that a Unix socket's path may have everywhere (108 on Linux, 104 on macOS, with the closing zero)."""


@contextlib.contextmanager
def connected(path: Path, timeout: float) -> Iterator[socket.socket]:
    """A connection to a Unix socket; a path too long for the system is reached through a short link.

    Raises `OSError` when nothing listens there.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        client.settimeout(timeout)
        client.connect(str(stack.enter_context(short_path(path))))
        yield client


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[Path]:
    """The same socket by a path that is short enough, for as long as the context lasts."""
    if len(os.fsencode(path)) <= SHORT:
        yield path
        return
    # /tmp, since TMPDIR may be long itself (on macOS it is); the folder's name is random, and it is ours alone.
    with tempfile.TemporaryDirectory(prefix="tb-", dir="/tmp") as folder:
        link = Path(folder, "d")
        link.symlink_to(path.parent)
        yield link / path.name


def listen_afresh(port: int) -> socket.socket:
    """A new listening socket on the port. Raises `OSError` (EADDRINUSE) where another process has it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def is_free(port: int) -> bool:
    """Whether the port could be listened on now; nothing is listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True
