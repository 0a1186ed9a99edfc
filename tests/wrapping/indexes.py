"""A package index on loopback, and packages small enough to be made on the spot."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


def wheel(
    name: str, version: str, files: Mapping[str, str] | None = None, *, tag: str = "py3-none-any"
) -> tuple[str, bytes]:
    """(file name, content) of a wheel."""
    stem = f"{name.replace('-', '_')}-{version}"
    members = dict(files or {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n"})
    members[f"{stem}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    members[f"{stem}.dist-info/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    members[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in members)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{stem}-{tag}.whl", content.getvalue()


def sdist(name: str, version: str, backend: str) -> tuple[str, bytes]:
    """(file name, content) of a source distribution whose build runs the Python text ``backend``."""
    stem = f"{name.replace('-', '_')}-{version}"
    members = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, text in members.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", content.getvalue()


@dataclass
class Index:
    """What an index serves and saw. ``password``: what it asks for, if anything. ``gate``: downloads wait for it."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    password: str | None = None
    requests: list[str] = field(default_factory=list)
    downloading: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def add(self, *files: tuple[str, bytes]) -> None:
        self.files.update(files)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple/"


@contextmanager
def serving() -> Iterator[Index]:  # noqa: C901  (a handler inside)
    """An index, up for as long as the block runs."""
    index = Index()
    index.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            index.requests.append(self.path)
            expected = f"Basic {base64.b64encode(f'reader:{index.password}'.encode()).decode()}"
            if index.password and self.headers.get("Authorization") != expected:
                self.answer(401, b"who are you?", {"WWW-Authenticate": "Basic"})
                return
            _, kind, *rest = unquote(self.path).split("/")
            name = rest[0] if rest else ""
            if kind == "files" and name in index.files:
                index.downloading.set()
                index.gate.wait(60)
                self.answer(200, index.files[name], {})
            elif kind == "simple" and (links := list(self.links(name))):
                self.answer(
                    200, f"<!DOCTYPE html><body>{''.join(links)}</body>".encode(), {"Content-Type": "text/html"}
                )
            else:
                self.answer(404, b"", {})

        def links(self, project: str) -> Iterator[str]:
            for name, content in sorted(index.files.items()):
                if name.split("-")[0].replace("_", "-") == project:
                    yield f'<a href="/files/{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'

        def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            try:
                self.send_response(status)
                for header, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(header, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
            except ConnectionError:
                pass  # a uv that was killed

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield index
        index.gate.set()
        server.shutdown()
        thread.join()
