"""What Prometheus may ask of the graphs that answer: which methods, how near to the model, how often passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge

from tagboat_server.metrics import Metrics
from tagboat_server.model import LoadedModel

if TYPE_CHECKING:
    from tagboat_server.optimizing.graphs import Optimized


def tell(model: LoadedModel, metrics: Metrics) -> None:
    """Add the figures; nothing where no graph answers."""
    graphs: dict[str, Any] = {
        name: method.call for name, method in model.methods.items() if getattr(method.call, "figures", None) is not None
    }
    if not graphs:
        return
    rows = Gauge(
        "tagboat_optimized_rows", "Rows on which a method's graph was compared with the model at load.", ["method"],
        registry=metrics.registry, multiprocess_mode="max",
    )  # fmt: skip
    differing = Gauge(
        "tagboat_optimized_rows_differing", "Those of them with another label, or a number out of tolerance.",
        ["method"], registry=metrics.registry, multiprocess_mode="max",
    )  # fmt: skip
    largest = Gauge(
        "tagboat_optimized_largest_difference", "The largest difference of all numbers.", ["method"],
        registry=metrics.registry, multiprocess_mode="max",
    )  # fmt: skip
    passed_on = Counter(
        "tagboat_optimized_passed_on", "Calls that a graph left to the model's own method.", ["method"],
        registry=metrics.registry,
    )  # fmt: skip
    for name, graph in graphs.items():
        rows.labels(name).set(graph.figures.rows)
        differing.labels(name).set(graph.figures.differing)
        if graph.figures.largest_difference is not None:
            largest.labels(name).set(graph.figures.largest_difference)
        metrics.before_page.append(Passed(graph, passed_on.labels(name)))


class Passed:
    """Counts what one graph has passed on since the last time."""

    def __init__(self, graph: Optimized, counter: Counter) -> None:
        self.graph = graph
        self.counter = counter
        self.counted = 0

    def __call__(self) -> None:
        """Catch up."""
        now = self.graph.passed_on
        self.counter.inc(now - self.counted)
        self.counted = now
