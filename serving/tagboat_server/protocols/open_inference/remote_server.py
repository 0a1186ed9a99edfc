"""Where the protocol is answered over gRPC: grpcio's server behind a `Relay`, on a port that `grpc_port` keeps."""

from __future__ import annotations

import tempfile
from typing import Any, Callable, Optional

from tagboat_server.errors import ListenError
from tagboat_server.grpc_port import bind_shared
from tagboat_server.listening import BACKLOG, address_of
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.protocols.base import Context
from tagboat_server.protocols.open_inference.remote import Service
from tagboat_server.relay import Relay
from tagboat_server.spec import Settings


class RemoteServer:
    """A server of grpcio's in the running event loop. ``address``: host and port; see `grpc_port`."""

    def __init__(self, context: Context, metrics: Metrics, log: Log, address: tuple[str, int]) -> None:
        # Here, since it takes a second that nobody should wait for when the server is to listen.
        import grpc.aio

        self.library = grpc.aio
        self.service = Service(context, metrics, log)
        self.settings = context.settings
        self.where = address
        self.folder: Optional[tempfile.TemporaryDirectory[str]] = None
        self.server: Any = None
        self.relay: Optional[Relay] = None
        self.address = ""

    async def open(self, limit: Callable[[], int]) -> str:
        """Accept, at most ``limit()`` connections; gives the address. Raises `ListenError`."""
        listener = bind_shared(*self.where)
        self.folder = tempfile.TemporaryDirectory(prefix="tagboat-grpc-")
        path = f"{self.folder.name}/socket"
        self.server = self.library.server(
            options=options_of(self.settings), maximum_concurrent_rpcs=self.settings.concurrency
        )
        self.server.add_generic_rpc_handlers((self.service.handler(),))
        try:
            self.server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise ListenError(f"cannot listen for gRPC: {error}", where=path) from None
        await self.server.start()
        self.relay = Relay(listener, path, limit)
        await self.relay.open(BACKLOG)
        self.address = address_of(listener).replace("http:", "grpc:", 1)
        return self.address

    async def drain(self, grace: float) -> None:
        """Accept no more, and let all clients go within ``grace`` seconds."""
        if self.relay is not None:
            await self.relay.drain(grace)

    async def close(self) -> None:
        """End at once what is left."""
        if self.relay is not None:
            self.relay.close()
        if self.server is not None:
            await self.server.stop(0)
        if self.folder is not None:
            self.folder.cleanup()


def options_of(settings: Settings) -> list[tuple[str, Any]]:
    """What bounds grpcio's server."""
    return [
        ("grpc.max_receive_message_length", settings.max_body),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", settings.max_header),
        ("grpc.absolute_max_metadata_size", settings.max_header),
        ("grpc.max_connection_idle_ms", round(1000 * settings.keep_alive)),
        ("grpc.server_handshake_timeout_ms", round(1000 * settings.header_timeout)),
        # Compressed messages are refused, as they are over HTTP: a small one might become a very large one.
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]
