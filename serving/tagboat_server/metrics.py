"""What Prometheus may ask: requests, rows, failures, the model's own time, and which release this is."""

from __future__ import annotations

from typing import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tagboat_server.spec import Identity

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds."""

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one process, in a registry of its own. Labels are bounded: no path of a client's becomes one."""

    def __init__(self, identity: Identity, format_name: str) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter("tagboat_requests", "Requests answered.", ["method", "status"], registry=registry)
        self.latency = Histogram(
            "tagboat_request_seconds",
            "From the end of a request's headers to its answer.",
            ["method"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.model = Histogram(
            "tagboat_model_seconds", "Inside the model.", ["method"], buckets=BUCKETS, registry=registry
        )
        self.rows = Counter("tagboat_rows", "Rows given to the model.", ["method"], registry=registry)
        self.refused = Counter(
            "tagboat_validation_failures",
            "Requests that did not fit the signature.",
            ["method", "reason"],
            registry=registry,
        )
        self.failures = Counter(
            "tagboat_model_failures", "Exceptions of the model.", ["method", "type"], registry=registry
        )
        self.in_work = Gauge("tagboat_requests_in_work", "Requests at the model or waiting for it.", registry=registry)
        self.connections = Gauge("tagboat_connections", "Open connections.", registry=registry)
        self.ready = Gauge("tagboat_ready", "1 when new requests are welcome.", registry=registry)
        release = Gauge(
            "tagboat_release_info",
            "The release that answers; always 1.",
            ["release", "artifact", "version", "stage", "format"],
            registry=registry,
        )
        release.labels(
            identity.release or "", identity.artifact, identity.version or "", identity.stage or "", format_name
        ).set(1)

    def watch(
        self, *, connections: Callable[[], float], in_work: Callable[[], float], ready: Callable[[], float]
    ) -> None:
        """Read the gauges from the server when they are asked for."""
        self.connections.set_function(connections)
        self.in_work.set_function(in_work)
        self.ready.set_function(ready)

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
