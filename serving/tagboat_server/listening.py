"""Addresses: TCP and Unix sockets, bound here or taken over, and Unix paths that are too long for the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from tagboat_server.errors import ListenError

if TYPE_CHECKING:
    from typing_extensions import Self

LONGEST = 100
"""Bytes of a Unix socket's path that every system takes (Linux 107, macOS 103)."""

BACKLOG = 2048


class Addresses:
    """The sockets that the server was told to bind, none of them listening yet; a Unix socket's file goes at the end.

    Raises `ListenError` when one is taken.
    """

    def __init__(self, tcp: Optional[tuple[str, int]], uds: Optional[Path]) -> None:
        self.listeners = [bind_tcp(*tcp)] if tcp is not None else []
        self.path = uds.absolute() if uds is not None else None
        self.file: Optional[tuple[int, int]] = None
        if self.path is not None:
            self.listeners.append(bind_unix(self.path))
            self.file = identity_of(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            remove_own(self.path, self.file)


def bind_tcp(host: str, port: int, *, option: int = socket.SO_REUSEADDR) -> socket.socket:
    """A bound TCP socket that does not listen yet: what connects meanwhile is refused, not left waiting.

    ``option``: how it is bound; by SO_REUSEPORT others may bind the port too, but only by the same.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"no address: {error.strerror or error}", where=f"{host}:{port}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
        bound.setblocking(False)
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot be bound: {reason}", where=f"{host}:{port}", hint="Is another server there?"
        ) from None
    return bound


def bind_unix(path: Path) -> socket.socket:
    """A bound Unix socket of mode 0600 that does not listen yet; a dead server's leftover is replaced.

    Raises `ListenError` where a living server listens, and where the path is something else than a socket.
    """
    with short(path) as name:
        clear_leftover(path, name)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            bound.bind(name)
            bound.setblocking(False)
        except OSError as error:
            bound.close()
            raise ListenError(f"cannot be bound: {error.strerror}", where=str(path)) from None
        finally:
            os.umask(previous)
    return bound


def clear_leftover(path: Path, name: str) -> None:
    """Remove the socket file of a server that is gone."""
    try:
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ListenError(f"cannot be looked at: {error.strerror}", where=str(path)) from None
    if not stat.S_ISSOCK(mode):
        raise ListenError("there is a file, and it is no socket", where=str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            Path(name).unlink()
            return
        except OSError as error:
            raise ListenError(f"cannot be probed: {error.strerror or error}", where=str(path)) from None
    raise ListenError("another server listens there", where=str(path))


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name for a Unix socket that is short enough: the path, or the bare name inside its folder.

    Changes the working directory meanwhile, so it is for a process that does nothing else yet.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        yield path.name
    except FileNotFoundError as error:
        raise ListenError(f"cannot be reached: {error.strerror}", where=str(path)) from None
    finally:
        os.fchdir(here)
        os.close(here)


def identity_of(path: Path) -> Optional[tuple[int, int]]:
    """Which file is at a path, or None."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_own(path: Path, identity: Optional[tuple[int, int]]) -> None:
    """Remove a socket's file, if it is still the one that we made."""
    if identity is not None and identity_of(path) == identity:
        with contextlib.suppress(OSError):
            path.unlink()


HANDSHAKE = 0.1
"""Seconds that a handshake begun before `refuse_new` is given to end."""

ATTACH_FILTER = 26
"""Linux' SO_ATTACH_FILTER (asm-generic/socket.h), which Python does not name."""

NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of TCP's flags
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # then drop the packet,
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole
)
"""A program of Linux' packet filter (linux/filter.h); on a TCP socket it sees packets from TCP's header on."""


def refuse_new(listener: socket.socket) -> float:
    """Let nobody connect by TCP any more, whoever else accepts there, and lose nobody who has.

    A listening socket that is closed resets what the kernel has queued, and between the last `accept` and the close
    there is always a moment. So SYNs are dropped first: who sends one tries again, and finds the port closed. Returns
    the seconds to go on accepting before what is queued is the last. Does nothing where the system has no such thing.
    """
    if listener.family == socket.AF_UNIX or not sys.platform.startswith("linux"):
        return 0.0
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_SYN))
    program = struct.pack("@HP", len(NO_SYN), ctypes.addressof(steps))
    try:
        listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
    except OSError:
        return 0.0
    return HANDSHAKE


def take_queued(listener: socket.socket, *, shared: bool) -> list[socket.socket]:
    """Accept what the kernel has queued, then close the listening socket; ``shared`` where others go on with it."""
    taken = []
    with listener, contextlib.suppress(OSError):
        if listener.family == socket.AF_UNIX and not shared:
            listener.shutdown(socket.SHUT_RD)  # Linux refuses who is new, and still hands out who waits
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            taken.append(connection)
    return taken


def address_of(listener: socket.socket) -> str:
    """An address as a person writes it: ``http://127.0.0.1:8080`` or ``unix:/path``."""
    if listener.family == socket.AF_UNIX:
        name = listener.getsockname()
        return f"unix:{os.fsdecode(name)}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
