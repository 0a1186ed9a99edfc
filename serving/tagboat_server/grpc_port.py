"""The gRPC port: reserved before the model is loaded, and kept from the servers of other releases.

grpcio binds by itself and takes no listening socket, so that several servers share the port by SO_REUSEPORT: workers,
and a server with the one that replaces it. The kernel would let any server of the same user join them; a lock beside
the port keeps out those of another artifact or stage.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from tagboat_server.errors import ListenError, MissingLibraryError
from tagboat_server.listening import bind_tcp
from tagboat_server.spec import Identity, Settings

if TYPE_CHECKING:
    from typing_extensions import Self

Address = tuple[str, int]


class GrpcPort:
    """Holds the port for as long as the process serves. ``address``: host and port, or None where none was asked for.

    Raises `ListenError` where the port is taken, `MissingLibraryError` without grpcio.
    """

    def __init__(self, host: str, settings: Settings, identity: Identity, *, locks: Optional[Path] = None) -> None:
        self.bound: Optional[socket.socket] = None
        self.lock: Optional[int] = None
        self.address: Optional[Address] = None
        if settings.grpc_port is None:
            return
        require_library()
        self.bound = bind_shared(host, settings.grpc_port)
        self.address = (host, self.bound.getsockname()[1])
        try:
            folder = Path(tempfile.gettempdir()) if locks is None else locks
            self.lock = join(folder / f"tagboat-grpc-{os.getuid()}-{self.address[1]}", identity, self.address)
        except ListenError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the port."""
        if self.bound is not None:
            self.bound.close()
        if self.lock is not None:
            os.close(self.lock)
        self.bound = self.lock = None


def require_library() -> None:
    """Raise `MissingLibraryError` where the extra is not installed. Imports nothing: the process may fork later."""
    from importlib.util import find_spec

    if find_spec("grpc") is None or find_spec("google") is None or find_spec("google.protobuf") is None:
        raise MissingLibraryError("tagboat-server[grpc]", where="grpc-port", reason="gRPC needs a library")


def bind_shared(host: str, port: int) -> socket.socket:
    """A socket bound to the port, which never listens: others may bind it too, but only by SO_REUSEPORT."""
    return bind_tcp(host, port, option=socket.SO_REUSEPORT)


def join(path: Path, identity: Identity, address: Address) -> int:
    """Take the port's lock together with others of the same artifact and stage; gives its descriptor.

    The file says who has it: whoever finds it free writes his own name there. Raises `ListenError`.
    """
    own = f"{identity.artifact}\n{identity.stage or ''}\n".encode()
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ListenError(f"the port's lock cannot be opened: {error.strerror}", where=str(path)) from None
    try:
        if os.fstat(lock).st_uid != os.getuid():
            raise ListenError("the port's lock is not ours", where=str(path))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, own, 0)
            fcntl.flock(lock, fcntl.LOCK_SH)
        there = os.pread(lock, 4096, 0)
        if there != own:
            other = there.decode(errors="replace").split("\n")[0][:100]
            raise ListenError(
                f"a server of {other!r} has this port for gRPC",
                where=f"{address[0]}:{address[1]}",
                hint="Give each artifact and stage a grpc-port of its own.",
            )
    except ListenError:
        os.close(lock)
        raise
    return lock
