"""What Prometheus may ask: requests, rows, failures, the model's own time and answers, and which release this is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, Optional

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tagboat_server.spec import Identity
from tagboat_server.tallies import Distribution, Tally

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds."""

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Requests."""

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one process, in a registry of its own. Labels are bounded: no path of a client's becomes one."""

    def __init__(self, identity: Identity, format_name: str) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.before_page: list[Callable[[], None]] = []
        self.generate: Callable[[], bytes] = lambda: generate_latest(self.registry)
        self.answered_as: dict[tuple[str, int], tuple[Tally, Distribution]] = {}
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter("tagboat_requests", "Requests answered.", ["method", "status"], registry=registry)
        self.latency = Distribution(
            "tagboat_request_seconds",
            "From the end of a request's headers to its answer.",
            ["method"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.model = Distribution(
            "tagboat_model_seconds", "Inside the model.", ["method"], buckets=BUCKETS, registry=registry
        )
        self.batches = Distribution(
            "tagboat_batch_requests",
            "Requests that one call of the model answered together.",
            ["method"],
            buckets=BATCHES,
            registry=registry,
        )
        self.rows = Counter("tagboat_rows", "Rows given to the model.", ["method"], registry=registry)
        self.refused = Counter(
            "tagboat_validation_failures",
            "Requests that did not fit the signature, by the column that did not.",
            ["method", "reason", "field"],
            registry=registry,
        )
        self.failures = Counter(
            "tagboat_model_failures", "Exceptions of the model.", ["method", "type"], registry=registry
        )
        self.dropped = Counter(
            "tagboat_requests_dropped",
            "Requests whose client had left before the model was called for them.",
            ["method"],
            registry=registry,
        )
        self.predicted = Counter(
            "tagboat_predictions",
            "Answers by class, or by decile of the sample's.",
            ["method", "bin"],
            registry=registry,
        )
        self.expected = Gauge(
            "tagboat_predictions_expected", "Each bin's share of the sample's answers.", ["method", "bin"],
            registry=registry, multiprocess_mode="max",
        )  # fmt: skip
        self.passed_on = Counter(
            "tagboat_exact_passed_on",
            "Calls that an exact fast path left to the model's own method.",
            ["method"],
            registry=registry,
        )
        self.in_work = Gauge(
            "tagboat_requests_in_work",
            "Requests at the model or waiting for it.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "tagboat_calls_waiting",
            "Calls of the model that wait for a thread.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.connections = Gauge(
            "tagboat_connections", "Open connections.", registry=registry, multiprocess_mode="livesum"
        )
        self.ready = Gauge(
            "tagboat_ready", "1 when new requests are welcome.", registry=registry, multiprocess_mode="livemax"
        )
        release = Gauge(
            "tagboat_release_info",
            "The release that answers; always 1.",
            ["release", "artifact", "version", "stage", "format"],
            registry=registry,
            multiprocess_mode="max",
        )
        release.labels(
            identity.release or "", identity.artifact, identity.version or "", identity.stage or "", format_name
        ).set(1)

    def watch(self, read: Mapping[str, Callable[[], float]]) -> None:
        """Read the gauges of these names from the server when they are asked for."""
        for name, function in read.items():
            getattr(self, name).set_function(function)

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        kept = self.answered_as.get((method, status))
        if kept is None:
            kept = (self.tally(self.requests, method, str(status)), self.distribution(self.latency, method))
            self.answered_as[method, status] = kept
        kept[0].add(1)
        kept[1].add(seconds)

    def tally(self, counter: Counter, *labels: str) -> Tally:
        """One series of a counter, for what counts often."""
        made = Tally(counter.labels(*labels))
        self.before_page.append(made.fold)
        return made

    def distribution(self, histogram: Distribution, *labels: str) -> Distribution:
        """One series of a histogram."""
        made: Distribution = histogram.labels(*labels)
        if made.fold not in self.before_page:
            self.before_page.append(made.fold)
        return made

    def refuse(self, method: str, reason: str, field: Optional[str]) -> None:
        """Count a request that did not fit. ``field``: a column of the model's, never a name of the client's."""
        self.refused.labels(method, reason, field or "").inc()

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        for act in self.before_page:
            act()
        return self.generate()
