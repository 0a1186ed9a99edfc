"""A bundle's server for a moment: started on a private socket, asked, and taken down whatever happens.

Registrations are tried with it, for every kind of target and inside the container Action too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from deployers.base import JSON, Release, Request, Response, Slot, Surroundings
from deployers.local.calling import call_private
from deployers.local.files import remove_folder
from deployers.local.programs import ModelPrograms, Programs, server_environment
from deployers.local.servers import Server, Servers, await_ready
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.isolation import model_user, reaches

START_TIMEOUT = 120.0
"""Seconds until the server has to be ready."""


class Preflight:
    """``with Preflight(bundle, surroundings) as trial``: a server of the bundle, ended when the block is left.

    When this process is killed instead, the server dies with it. Where there is a user for model code (in the
    container Action) it runs as that one. It has no stage and no port, and takes no state.

    ``settings``: a release's, of which the server takes its part; ``variables``: more for its process.
    """

    def __init__(
        self,
        bundle: Bundle,
        surroundings: Surroundings,
        *,
        programs: Programs | None = None,
        settings: Mapping[str, JSON] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._bundle = bundle
        self._settings = settings or {}
        self._variables = variables or {}
        self._surroundings = surroundings
        self._programs = programs or ModelPrograms(surroundings)
        self._way_out = ExitStack()
        self._server: Server | None = None
        named = msgspec.json.decode((bundle.folder / "model.json").read_bytes(), type=_Named)
        slot = Slot(artifact=named.name, stage="", target="preflight")
        self._release = Release(slot=slot, version=named.version, commit=named.commit, bundle_digest=bundle.digest)

    @property
    def release_id(self) -> str:
        """What the server names itself in every answer."""
        return self._release.id

    def __enter__(self) -> Self:
        """Start the server; makes the model's environment if it is not there yet."""
        command = self._programs.serve(self._bundle.folder)
        with ExitStack() as undo:
            # Not in the cache: a Unix socket's path has to be short, and the folder is to be gone afterwards.
            folder = Path(tempfile.mkdtemp(prefix="tagboat-preflight-"))
            undo.callback(remove_folder, folder)
            user = model_user()
            if user is not None and not reaches(user, Path(command[0]), self._bundle.folder / "model.json"):
                user = None  # wrapping has warned of it already
            if user is not None:
                folder.chmod(0o711)
            servers = Servers(folder, self._surroundings.clock)
            environment = server_environment(
                self.release_id,
                "",
                self._settings,
                environment=self._surroundings.environment,
                variables=self._variables,
            )
            self._server, leash = servers.start(self._release, command, environment, 0.0, user)
            undo.callback(self._server.kill)
            undo.callback(leash.close)
            self._way_out = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the server and everything that it started."""
        self._way_out.close()

    def wait_until_ready(self, seconds: float = START_TIMEOUT) -> None:
        """Wait for it. Raises `ReleaseFailedError`, with the server's last word, when it ends or takes too long."""
        await_ready(self._running, seconds, hint="Make the model lighter to load, or the machine faster.")

    def call(self, request: Request) -> Response:
        """Send a request. Raises `UnreachableError` when nothing answers."""
        return call_private(self._running.private_socket, request)

    def log(self, lines: int = 20) -> list[str]:
        """The last lines that the server said."""
        return self._running.log(lines)

    @property
    def server(self) -> Server:
        """The process."""
        return self._running

    @property
    def _running(self) -> Server:
        assert self._server is not None  # noqa: S101 - used inside the with block
        return self._server


class _Named(msgspec.Struct):
    """What is needed of model.json."""

    name: str
    version: str
    commit: str
