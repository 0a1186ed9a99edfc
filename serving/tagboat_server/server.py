"""The server's life: it listens, hands its listening socket over, drains, ends; no request that was accepted is lost.

Uvicorn as it comes loses requests when it ends: it shuts connections that were accepted and had not yet sent their
request. Here, to drain is:

1. not ready, and for ``drain-delay`` seconds nothing else, so that whoever asks for health stops sending;
2. where nobody else accepts on a listening socket, let nobody new in; accept what the kernel has queued, then close
   our copy of it (a server that shares it goes on with the same queue);
3. shut no connection; close each after its next answer (``Connection: close``);
4. end when all are gone, or when the grace is over.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional, Protocol, Union

import uvicorn

from tagboat_server.balance import Acceptor, Balance
from tagboat_server.connections import connection_factory
from tagboat_server.errors import ListenError
from tagboat_server.listening import BACKLOG, address_of, refuse_new, take_queued
from tagboat_server.logs import Log
from tagboat_server.spec import Settings
from tagboat_server.state import State


class Remote(Protocol):
    """A server of another protocol, on a port of its own. ``address``: where it accepts, once it does."""

    address: str

    async def open(self, limit: Callable[[], int]) -> str:
        """Accept, at most ``limit()`` connections; gives the address. Raises `ListenError`."""

    async def drain(self, grace: float) -> None:
        """Accept no more, and let all clients go within ``grace`` seconds."""

    async def close(self) -> None:
        """End at once what is left."""


Accepting = Union[asyncio.AbstractServer, Acceptor]
"""What accepts on one listening socket."""

SPARE_DESCRIPTORS = 64
"""Descriptors that are not for connections: files, libraries, listening sockets."""

TICK = 0.02
"""Seconds between two looks at whether all connections are gone."""


class Server(uvicorn.Server):
    """A uvicorn server that can take listening sockets while it runs, and drains as told above."""

    def __init__(self, app: Any, state: State, settings: Settings, log: Log) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=connection_factory(settings, self.connection_limit),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=max(1, round(settings.keep_alive)),
                headers=release_headers(state.identity.release),
            )
        )
        self.state = state
        self.settings = settings
        self.log = log
        self.listeners: dict[str, socket.socket] = {}
        self.accepting: dict[str, Accepting] = {}
        self.shared: set[str] = set()
        self.balance: Optional[Balance] = None
        self.remote: Optional[Remote] = None
        self.draining: Optional[asyncio.Task[None]] = None
        self.each_tick: list[Callable[[], None]] = []
        self.beat = time.monotonic()
        self.loop: asyncio.AbstractEventLoop
        self.most_connections = max(1, min(settings.max_connections, descriptors() - SPARE_DESCRIPTORS))

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: note that the event loop turns."""
        self.beat = time.monotonic()
        for act in self.each_tick:
            act()
        return await super().on_tick(counter)

    def stalled_for(self) -> float:
        """Seconds beyond ``request-timeout`` for which something has kept the event loop."""
        return max(0.0, time.monotonic() - self.beat - self.settings.request_timeout)

    def connection_count(self) -> int:
        """Connections that are open."""
        return len(self.server_state.connections)

    def connection_limit(self) -> int:
        """Connections that may be open at once."""
        return self.most_connections

    async def live(
        self, listeners: list[socket.socket], signals: Sequence[signal.Signals], begun: Optional[Callable[[], None]]
    ) -> None:
        """Serve until drained, which each of the signals starts. ``begun`` is called when it is ready."""
        self.loop = asyncio.get_running_loop()
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[])
        for number in signals:
            self.loop.add_signal_handler(number, self.signalled, number)
        # The first tick sets the headers of every answer; uvicorn would accept before.
        await self.on_tick(0)
        for listener in listeners:
            await self.listen(listener)
        self.state.become_ready()
        self.log.event("ready", **self.state.document(), connections=self.most_connections)
        if begun is not None:
            begun()
        await self.main_loop()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.remote is not None:
            await self.remote.close()
        await self.turns()

    async def listen(self, listener: socket.socket, *, shared: bool = False) -> str:
        """Accept on a bound socket, ``shared`` where others may accept on it too; returns its address.

        Raises `ListenError`.

        gRPC opens with the first TCP socket: on a private one the server may still be on trial.
        """
        if self.state.draining:
            raise ListenError("this server drains")
        address = address_of(listener)
        if address in self.accepting:
            listener.close()
            return address
        if self.remote is not None and listener.family != socket.AF_UNIX and not self.remote.address:
            try:
                opened = await self.remote.open(self.connection_limit)
            except ListenError:
                listener.close()
                raise
            self.log.event("listening", address=opened)
        listener.setblocking(False)
        kept = listener.dup()
        try:
            if self.balance is not None:
                listener.listen(BACKLOG)
                accepting: Accepting = Acceptor(
                    self.loop, listener, self.make_connection, self.balance, self.connection_count
                )
            elif listener.family == socket.AF_UNIX:
                # Python 3.13 would remove the path when this copy is closed, though another server still listens.
                options: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
                accepting = await self.loop.create_unix_server(
                    self.make_connection, sock=listener, backlog=BACKLOG, **options
                )
            else:
                accepting = await self.loop.create_server(self.make_connection, sock=listener, backlog=BACKLOG)
        except (OSError, ValueError) as error:
            kept.close()
            listener.close()
            raise ListenError(f"cannot listen: {error}", where=address) from None
        if shared:
            self.shared.add(address)
        self.listeners[address] = kept
        self.accepting[address] = accepting
        self.state.listening.append(address)
        self.log.event("listening", address=address)
        return address

    def make_connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg, assignment]
            config=self.config, server_state=self.server_state, app_state={}
        )
        return made

    def share(self) -> socket.socket:
        """A copy of the listening socket, for the server that takes over: TCP before Unix. Raises `ListenError`."""
        if not self.listeners:
            raise ListenError("this server listens nowhere")
        tcp = [listener for listener in self.listeners.values() if listener.family != socket.AF_UNIX]
        given = (tcp or list(self.listeners.values()))[0].dup()
        self.shared.add(address_of(given))
        return given

    def signalled(self, number: int) -> None:
        """SIGTERM and SIGINT drain; a second SIGINT ends at once."""
        if number == signal.SIGINT and self.state.draining:
            self.should_exit = True
            return
        self.begin_drain(self.settings.drain, signal.Signals(number).name)

    def begin_drain(self, grace: float, cause: str, *, last: bool = False) -> None:
        """Drain within ``grace`` seconds. Told again, a shorter grace counts and nothing else changes.

        ``last``: whoever else accepts where this server does drains too.
        """
        if self.draining is not None and self.state.draining:
            self.loop.call_later(grace, self.end)
            return
        self.state.draining = True
        if last:
            self.shared.clear()
        self.log.event("draining", cause=cause, grace=grace, connections=len(self.server_state.connections))
        self.draining = self.loop.create_task(self.drain(grace))

    def end(self) -> None:
        """End with the next tick."""
        self.should_exit = True

    async def drain(self, grace: float) -> None:
        """The steps of the module's text."""
        deadline = self.loop.time() + grace
        if self.settings.drain_delay:
            await asyncio.sleep(min(self.settings.drain_delay, grace))
        await self.stop_accepting()
        left = max(0.0, deadline - self.loop.time())
        remote = self.loop.create_task(self.remote.drain(left)) if self.remote is not None else None
        while self.server_state.connections and self.loop.time() < deadline and not self.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(TICK)  # uvicorn tells nobody when a connection goes
        if remote is not None:
            await remote
        self.log.event("drained", cut=len(self.server_state.connections) or None)
        self.should_exit = True

    async def stop_accepting(self) -> None:
        """Take what is queued, and close our copies of the listening sockets."""
        kept, self.listeners = self.listeners, {}
        if wait := max((refuse_new(kept[address]) for address in kept if address not in self.shared), default=0.0):
            await asyncio.sleep(wait)
        if type(self.loop).__module__.startswith("asyncio"):
            # asyncio (3.9 to 3.13) drops what it has accepted in the very turn in which its server is closed.
            for accepting in self.accepting.values():
                for own in getattr(accepting, "sockets", ()):
                    self.loop.remove_reader(own.fileno())
            await self.turns()
        for accepting in self.accepting.values():
            accepting.close()
        self.accepting.clear()
        self.state.listening.clear()
        # All that is queued in one go: whoever is answered meanwhile connects anew, and the queue would never be empty.
        accepted = [
            taken
            for address, listener in kept.items()
            for taken in take_queued(listener, shared=address in self.shared)
        ]
        for connection in accepted:
            await self.loop.connect_accepted_socket(self.make_connection, connection)
        await self.turns()

    async def turns(self) -> None:
        """Let the event loop make connections of what it has accepted."""
        for _ in range(5):
            await asyncio.sleep(0)


def release_headers(release: Optional[str]) -> list[tuple[str, str]]:
    """What every answer says of the release, uvicorn's own answers too; InvokeEndpoint passes on the second alone."""
    if release is None:
        return []
    return [("x-tagboat-release", release), ("x-amzn-sagemaker-custom-attributes", f"tagboat-release={release}")]


def descriptors() -> int:
    """How many descriptors the process may have, after raising that as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1_048_576
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        except (OSError, ValueError):
            return soft
    return hard


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where it is installed and not switched off (``TAGBOAT_UVLOOP=off``), else asyncio's."""
    if os.environ.get("TAGBOAT_UVLOOP") != "off":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return made
    return asyncio.new_event_loop()
