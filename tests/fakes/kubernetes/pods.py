"""What runs in pods: scripted by a part of the image's name, since no image can run here.

A container that serves answers as Tagboat's server does: it names the release that its environment gives it, counts
its requests for ``/metrics``, and answers ``/predict`` by the script.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


def constant(body: bytes) -> Any:
    """The model of a script that names none."""
    del body
    return [0]


@dataclasses.dataclass(frozen=True)
class Script:
    """How containers of an image behave.

    ``kind``: serve, pull-error, crash, oom, never-ready, unschedulable, quota or config-error. ``starts_in``: seconds
    until one is ready, ``restarts``: so often has it crashed until it was. ``status`` of its answers, ``seconds`` that each counts as taking, and ``release`` to name
    instead of the right one.
    """

    kind: str = "serve"
    starts_in: float = 0.0
    restarts: int = 0
    model: Callable[[bytes], Any] = constant
    status: int = 200
    seconds: float = 0.002
    release: str | None = None
    log: str = "ready\n"


class Servers:
    """The running containers: their counters, by the pod's name, and the scripts of images."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.requests: dict[str, collections.Counter[tuple[str, str]]] = collections.defaultdict(collections.Counter)
        self.predicted: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.lock = threading.Lock()

    def script(self, pod_spec: Document) -> Script:
        """The script of a pod, by the first one whose part of a name stands in its image's."""
        image = pod_spec["containers"][0]["image"]
        return next((script for part, script in self.scripts.items() if part in image), Script())

    def answer(self, pod: Document, method: str, path: str, body: bytes) -> Answer:
        """What the pod's server answers."""
        script = self.script(pod["spec"])
        name = pod["metadata"]["name"]
        release = script.release or variable(pod, "TAGBOAT_RELEASE")
        headers = {"content-type": "application/json", "x-tagboat-release": release}
        plain = path.partition("?")[0]
        if plain == "/metrics":
            return 200, {**headers, "content-type": "text/plain"}, self.page(name).encode()
        if plain.startswith("/health"):
            return 200, headers, json.dumps({"status": "ok", "release": release, "ready": True}).encode()
        if method != "POST":
            return 404, headers, b'{"error":{"message":"there is nothing here"}}'
        status, document = script.status, {"predictions": script.model(body), "release": release}
        with self.lock:
            self.requests[name][plain.rpartition("/")[2], str(status)] += 1
            if status == 200:
                self.predicted[name].update(str(value) for value in document["predictions"])
        return status, headers, json.dumps(document).encode()

    def page(self, name: str) -> str:
        """The counters as Prometheus text."""
        lines = ["# TYPE tagboat_requests counter"]
        seconds = Script().seconds
        with self.lock:
            for (method, status), count in self.requests[name].items():
                lines.append(f'tagboat_requests_total{{method="{method}",status="{status}"}} {count}')
            for method in {method for method, _ in self.requests[name]}:
                total = sum(count for (each, _), count in self.requests[name].items() if each == method)
                for bound in ("0.001", "0.0025", "0.005", "0.01", "+Inf"):
                    below = total if bound == "+Inf" or seconds <= float(bound) else 0
                    lines.append(f'tagboat_request_seconds_bucket{{le="{bound}",method="{method}"}} {below}')
                lines.append(f'tagboat_request_seconds_count{{method="{method}"}} {total}')
                lines.append(f'tagboat_request_seconds_sum{{method="{method}"}} {total * seconds}')
            for value, count in self.predicted[name].items():
                lines.append(f'tagboat_predictions_total{{method="predict",bin="{value}"}} {count}')
        return "\n".join(lines) + "\n"


def variable(pod: Document, name: str) -> str:
    """A variable of a pod's first container, or an empty text."""
    for each in pod["spec"]["containers"][0].get("env", []):
        if each["name"] == name:
            return str(each.get("value", ""))
    return ""
