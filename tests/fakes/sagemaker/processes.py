"""Real servers in place of instances: tagboat-server as SageMaker starts it, one process for each container.

The image decides nothing here, since none can be pulled: what serves is the installed server, in an environment that
holds what a model needs. Model, data and variables are the container's own.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Self

from tests.fakes.sagemaker.account import Elsewhere
from tests.fakes.sagemaker.containers import DidNotStart, environment, model_data

Document = dict[str, Any]

PATIENCE = 60.0
"""Seconds until a server must answer /ping; SageMaker waits eight minutes."""


class Instances:
    """The processes of a test. Called with a container, it answers with the address of its server.

    ``bundles``: what an image was built with, by a part of its name, for images that hold their model.
    """

    def __init__(self, folder: Path, elsewhere: Elsewhere, bundles: dict[str, Path] | None = None) -> None:
        self.folder, self.elsewhere, self.bundles = folder, elsewhere, bundles or {}
        self.running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _, process in self.running.values():
            process.terminate()
        for _, process in self.running.values():
            process.wait(60)

    def __call__(self, container: Document) -> str:
        key = repr(sorted(environment(container).items())) + model_data(container) + container.get("Image", "")
        if key not in self.running:
            self.running[key] = self.start(container, self.folder / f"instance-{len(self.running)}")
        return self.running[key][0]

    def start(self, container: Document, folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
        """Start a server and wait until it is well. Raises `DidNotStart`."""
        model = folder / "model"
        model.mkdir(parents=True)
        self.unpack(model_data(container), model)
        inside = next((path for part, path in self.bundles.items() if part in container.get("Image", "")), model)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TAGBOAT_", "SAGEMAKER_", "SM_"))
        }
        place = model if any(model.iterdir()) else inside
        told = {"SM_MODEL_DIR": str(place), "SAGEMAKER_BIND_TO_PORT": str(port), **environment(container)}
        command = [sys.executable, "-P", "-m", "tagboat_server", "serve"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env={**kept, **told}, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not well(port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise DidNotStart((folder / "log").read_text())
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}", process

    def unpack(self, uri: str, folder: Path) -> None:
        """Bring the model's data to where the container finds it: an archive is unpacked, a prefix copied."""
        if not uri:
            return
        if uri.endswith("/"):
            for key, content in self.elsewhere.under(uri):
                file = folder / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            return
        content = self.elsewhere.read(uri)
        assert content is not None, f"{uri} was there when the model was created"
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder, filter="data")


def well(port: int) -> bool:
    """Whether ``GET /ping`` answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
