"""DVC remotes on the loopback: an HTTP server that can misbehave, moto's S3, and SFTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Handler", bytes], None]


@dataclass
class HttpRemote:
    """Serves the objects of a folder. ``answer`` decides how; ``asked`` are the requests so far, with their headers."""

    storage: Path
    answer: Answer
    port: int = 0
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/store"


class Handler(BaseHTTPRequestHandler):
    remote: HttpRemote
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.remote.asked.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
        file = self.remote.storage / self.path.removeprefix("/store/")
        if not file.is_file():
            self.send_error(404)
            return
        self.remote.answer(self, file.read_bytes())

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


def whole(handler: Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def http_remote(storage: Path, answer: Answer = whole) -> Iterator[HttpRemote]:
    remote = HttpRemote(storage, answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"remote": remote}))
    server.daemon_threads = True
    remote.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield remote
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 that holds nothing yet."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@contextmanager
def ssh_server(user: str, password: str) -> Iterator[tuple[int, str]]:
    """The port of an SFTP server that shows this machine's files, and its public key in OpenSSH's form."""
    import asyncssh

    class Guard(asyncssh.SSHServer):
        def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
            connections.append(connection)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (user, password)

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(Guard, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=True)

    async def stop() -> None:
        acceptor.close()
        await acceptor.wait_closed()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await asyncio.sleep(0)  # transports close at the loop's next turn

    connections: list[asyncssh.SSHServerConnection] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield acceptor.get_port(), key.export_public_key().decode().strip()
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
