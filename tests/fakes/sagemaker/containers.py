"""What runs on instances: scripted by a part of what a container is made from, since no image can run here.

A container that serves answers as Tagboat's server does: it names the release that its environment gives it. Or it is a
real server: `Script.server` returns the address of one.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any, NamedTuple

Document = dict[str, Any]

REASONS = {
    "crash": "The {container} container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint.",
    "no-start": "CannotStartContainerError. Please ensure the model container for variant {variant} starts correctly "
    "when invoked with 'docker run <image> serve'",
    "no-image": "Please make sure all images included in the model for the production variant {variant} exist, and "
    "that the execution role used to create the model has permissions to access them.",
    "no-data": 'Failed to download model data for container "container_1" from URL: "{data}". Please ensure that there '
    "is an object located at the URL and that the role passed to CreateModel has permissions to download the object.",
    "no-extract": 'Failed to extract model data archive from URL "{data}". Please ensure that the object located at the '
    "URL is a valid tar.gz archive.",
    "capacity": "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time.",
    "internal": "Request to service failed. If failure persists after retry, contact customer support.",
}
"""Why an endpoint is Failed, in the words of AWS as its users have reported them, by `Script.kind`."""

SILENT = {"no-image", "no-data", "no-extract", "capacity", "internal"}
"""Where no container ran that could have written anything."""


class Answer(NamedTuple):
    """What a container answers to one request."""

    status: int
    headers: dict[str, str]
    body: bytes


def constant(body: bytes) -> Any:
    """The model of a script that names none."""
    del body
    return [0]


class DidNotStart(Exception):
    """A real server ended, or was not ready in time. Its text is what it wrote."""


class Start(NamedTuple):
    """How a container came up: the FailureReason where it did not, and what it wrote."""

    reason: str | None
    log: list[str]


@dataclasses.dataclass(frozen=True)
class Script:
    """How containers of an image behave.

    ``kind``: serve, or why one does not (`REASONS`). ``status`` of its answers. ``release``: to be named instead of the
    right one. ``ours``: it is Tagboat's server, and names a release at all. ``server``: the address of a real server
    that answers for a container instead (`processes.Instances`). ``late``: it takes longer than SageMaker waits.
    ``seconds``: that each answer counts as taking. ``complaint``: a line that it logs with each answer that is no 200.
    """

    kind: str = "serve"
    model: Callable[[bytes], Any] = constant
    status: int = 200
    release: str | None = None
    ours: bool = True
    late: bool = False
    seconds: float = 0.002
    complaint: str = ""
    log: str = "ready\n"
    server: Callable[[Document], str] | None = None

    def start(self, variant: str, container: Document) -> Start:
        """Start a container of a variant."""
        kind, log = self.kind, self.log
        if self.server is not None:
            try:
                self.server(container)
            except DidNotStart as failure:
                kind, log = "crash", str(failure)
        if kind in SILENT:
            log = ""
        if kind == "serve":
            return Start(None, log.splitlines())
        name = container.get("ContainerHostname", "primary")
        reason = REASONS[kind].format(variant=variant, container=name, data=model_data(container))
        return Start(reason, log.splitlines())


class Containers:
    """The scripts of images, and what the containers were asked."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.asked: list[tuple[Document, dict[str, str], bytes]] = []
        self.lock = threading.Lock()

    def script(self, container: Document) -> Script:
        """The script of a container, by the first one whose part stands in its image, its data or its environment."""
        made_of = " ".join([container.get("Image", ""), model_data(container), *environment(container).values()])
        return next((script for part, script in self.scripts.items() if part in made_of), Script())

    def answer(self, container: Document, headers: dict[str, str], body: bytes) -> Answer:
        """What ``POST /invocations`` of the container answers."""
        with self.lock:
            self.asked.append((container, headers, body))
        script = self.script(container)
        if script.server is not None:
            return _forwarded(script.server(container), headers, body)
        release = script.release or environment(container).get("TAGBOAT_RELEASE", "")
        ours = {"x-tagboat-release": release, "x-amzn-sagemaker-custom-attributes": f"tagboat-release={release}"}
        told = {"content-type": "application/json", **(ours if script.ours and release else {})}
        if script.status != 200:
            return Answer(script.status, told, b'{"error":{"message":"the model failed"}}')
        said = {"predictions": script.model(body), **({"release": release} if script.ours else {})}
        return Answer(200, told, json.dumps(said).encode())


def environment(container: Document) -> dict[str, str]:
    """The variables of a container."""
    return container.get("Environment") or {}


def model_data(container: Document) -> str:
    """Where the model's data lies, or nothing."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return container.get("ModelDataUrl") or source.get("S3Uri") or container.get("ArtifactUrl") or ""


def _forwarded(address: str, headers: dict[str, str], body: bytes) -> Answer:
    where = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.request("POST", "/invocations", body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()
