"""How much memory and time a large model costs on its way from a remote to the bundle's folder.

    python -P -m benchmarks.download [--gigabytes 2] [--remotes local,http,s3]

Each remote is read by a process of its own, of which the table shows the peak resident memory; servers run beside it.
The first run transfers, the second one takes the file from the cache. Promise (README): under 300 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.server
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

PROMISED = 300 * 10**6
ROOT = Path(__file__).resolve().parent.parent
BUCKET = "benchmark"


def main() -> int:
    """Print the table; exit 1 when the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--remotes", default="local,http,s3")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return _one(json.loads(arguments.one))
    if arguments.serve:
        return _serve(Path(arguments.serve))
    kept = True
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        size = int(arguments.gigabytes * 10**9)
        value = _make_object(folder, size)
        commit = _make_repository(folder, value, size)
        print(f"{'remote':8} {'run':8} {'seconds':>8} {'MB/s':>8} {'peak MB':>8}")
        for remote in arguments.remotes.split(","):
            url, more, variables = stack.enter_context(_remote(remote, folder))
            config = f"[core]\n    remote = it\n['remote \"it\"']\n    url = {url}\n{more}"
            task = {"root": str(folder / "work"), "commit": commit, "config": config, "cache": str(folder / remote)}
            for run in ("first", "cached"):
                seconds, peak = _measure({**task, "out": str(folder / f"{remote}-{run}")}, variables)
                kept &= peak < PROMISED
                print(f"{remote:8} {run:8} {seconds:8.2f} {size / seconds / 1e6:8.0f} {peak / 1e6:8.0f}", flush=True)
            for leftover in (remote, f"{remote}-first", f"{remote}-cached"):
                shutil.rmtree(folder / leftover, ignore_errors=True)
    print(f"promised: under {PROMISED / 1e6:.0f} MB: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


def _make_object(folder: Path, size: int) -> str:
    block, md5 = os.urandom(10**6), hashlib.md5(usedforsecurity=False)
    arriving = folder / "object"
    with arriving.open("wb") as file:
        for start in range(0, size, len(block)):
            piece = block[: min(len(block), size - start)]
            md5.update(piece)
            file.write(piece)
    value = md5.hexdigest()
    place = folder / "storage" / "files" / "md5" / value[:2] / value[2:]
    place.parent.mkdir(parents=True)
    arriving.rename(place)
    return value


def _make_repository(folder: Path, value: str, size: int) -> str:
    work = folder / "work"
    work.mkdir()
    (work / "model.bin.dvc").write_text(f"outs:\n- md5: {value}\n  size: {size}\n  hash: md5\n  path: model.bin\n")
    who = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com")
    for command in (("init", "-q"), ("add", "--all"), (*who, "commit", "-q", "-m", "Model")):
        subprocess.run(["git", *command], cwd=work, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=work, check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def _remote(kind: str, folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A remote's address, more lines of its configuration, and the variables that its client needs."""
    if kind == "local":
        yield str(folder / "storage"), "", {}
        return
    port = _free_port()
    command = [sys.executable, "-P", "-m", "benchmarks.download", "--serve", f"{folder / 'storage'}:{port}"]
    with _server(command, port):
        if kind == "http":
            yield f"http://127.0.0.1:{port}", "", {}
        else:
            variables = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
            more = f"    endpointurl = http://127.0.0.1:{port}\n    region = us-east-1\n"
            yield f"s3://{BUCKET}", more, variables


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _server(command: list[str], port: int) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet) as process:
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()


def _serve(storage: Path) -> int:
    folder, port = str(storage).rsplit(":", 1)
    handler = partial(_Quiet, directory=folder)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()
    return 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, whole or by range, with or without the bucket in front: enough of S3 for reading objects.

    (moto reads the whole object for each range of it, which at 2 GB measures moto.)
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        file = Path(self.translate_path(self.path.removeprefix(f"/{BUCKET}").partition("?")[0]))
        if not file.is_file():
            self.send_error(404)
            return
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", '"benchmark"')
        self.send_header("Last-Modified", self.date_time_string(file.stat().st_mtime))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if body:
            with file.open("rb") as content, contextlib.suppress(ConnectionError):
                content.seek(first)
                left = last - first + 1
                while left and (piece := content.read(min(left, 2**20))):
                    self.wfile.write(piece)
                    left -= len(piece)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _measure(task: dict[str, str], variables: dict[str, str]) -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.download", "--one", json.dumps(task)],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    measured = json.loads(done.stdout)
    return measured["seconds"], measured["peak"]


def _one(task: dict[str, str]) -> int:
    from entrypoint.download import RemoteSettings, download
    from entrypoint.downloading.dvc_config import DvcConfigFile
    from entrypoint.downloading.wanted import Model
    from entrypoint.registry.repository import Repository

    root = Path(task["root"])
    files = [DvcConfigFile(text=task["config"], where="benchmark", folder=root)]
    began = time.monotonic()
    download(
        Repository(root),
        Model("model", task["commit"], "model.bin"),
        cache=Path(task["cache"]),
        destination=Path(task["out"]),
        remotes=RemoteSettings(root=root, files=files),
        environment=os.environ,
    )
    seconds = time.monotonic() - began
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
