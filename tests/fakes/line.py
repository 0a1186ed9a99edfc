"""A bad line to a real registry: forwards every request, and breaks those that a test has chosen.

Nothing is answered by the line itself but the faults: 429, 5xx, a connection cut in the middle of a body, a whole
chunk swallowed before it reaches the registry. With ``referrers`` it answers OCI 1.1's referrers API from the
registry's fallback tags, and says so on a push, as newer registries than Debian's do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Fault:
    """What happens to the next ``times`` requests that match, once ``spared`` of them went through.

    ``status``: answered with it, ``headers`` and ``content``. ``cut``: the connection ends after so many bytes of the request's
    body; with ``swallow`` after the whole, which the registry never sees. ``short``: after so many bytes of the answer.
    ``after``: the fault comes once the registry has done what it was asked.
    """

    method: str
    path: str
    times: int = 1
    spared: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    cut: int | None = None
    swallow: bool = False
    short: int | None = None
    after: bool = False


@dataclass
class Line:
    """``requests``: (method, path, status) in order; ``received``: bytes of request bodies that came in."""

    port: int
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    received: int = 0
    referrers: bool = False

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str, pattern: str) -> int:
        return sum(1 for said, path, _ in self.requests if said == method and re.search(pattern, path))

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                if fault.spared > 0:
                    fault.spared -= 1
                    continue
                fault.times -= 1
                return fault
        return None


@contextlib.contextmanager
def to(host: str) -> Iterator[Line]:  # noqa: C901  (a handler inside)
    """A line to the registry at ``host``, up for as long as the block runs."""
    line = Line(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def work(self) -> None:
            fault = line.fault_for(self.command, self.path)
            body = self.body(fault)
            if body is None:
                return self.hang_up()
            if fault is not None and fault.status is not None and not fault.after:
                return self.answer(fault.status, fault.headers, fault.content)
            if line.referrers and (match := re.fullmatch(r"(/v2/.+)/referrers/sha256:([0-9a-f]{64})", self.path)):
                return self.list_referrers(match[1], match[2])
            status, headers, content = self.forward(body)
            if fault is not None and fault.after:
                if fault.status is not None:
                    return self.answer(fault.status, fault.headers, b"")
                return self.hang_up()
            if line.referrers and self.command == "PUT" and b'"subject"' in body:
                headers["OCI-Subject"] = json.loads(body)["subject"]["digest"]
                self.remember(body)
            self.answer(status, headers, content, short=fault.short if fault else None)
            return None

        def body(self, fault: Fault | None) -> bytes | None:
            left = int(self.headers.get("Content-Length") or 0)
            taken = bytearray()
            while left > 0:
                limit = left if fault is None or fault.cut is None else min(left, fault.cut - len(taken))
                if limit <= 0:
                    return None
                piece = self.rfile.read(min(limit, 65536))
                if not piece:
                    return None
                line.received += len(piece)
                taken += piece
                left -= len(piece)
            return None if fault is not None and fault.swallow else bytes(taken)

        def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            found = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
            connection.close()
            return answer.status, found, content

        def answer(self, status: int, headers: dict[str, str], content: bytes, *, short: int | None = None) -> None:
            line.requests.append((self.command, self.path, status))
            self.send_response_only(status)
            said = {name.title(): value for name, value in headers.items()}
            if self.command != "HEAD" or "Content-Length" not in said:
                said["Content-Length"] = str(len(content))
            for name, value in said.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content if short is None else content[:short])
            if short is not None:
                self.hang_up()

        def hang_up(self) -> None:
            line.requests.append((self.command, self.path, 0))
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def list_referrers(self, repository: str, subject: str) -> None:
            found = known.get((repository, f"sha256:{subject}"), [])
            document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}
            self.answer(200, {"Content-Type": "application/vnd.oci.image.index.v1+json"}, json.dumps(document).encode())

        def remember(self, body: bytes) -> None:
            manifest = json.loads(body)
            repository, _, digest = self.path.partition("/manifests/")
            known.setdefault((repository, manifest["subject"]["digest"]), []).append(
                {"mediaType": manifest["mediaType"], "digest": digest, "size": len(body),
                 "artifactType": manifest["artifactType"]}
            )  # fmt: skip

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = work

    known: dict[tuple[str, str], list[dict[str, object]]] = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        line.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()
