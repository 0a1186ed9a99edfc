"""Figures of several workers as one: each writes its own into files of one folder, any of them can sum them up.

prometheus-client's multiprocess mode, but with the worker's number in the place of its process id: a worker that is
started again goes on with the counts of the one before it, and files do not become more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from tagboat_server.metrics import Metrics

Read = Callable[[], float]
"""What a gauge shows at the moment."""


def share(folder: Path, worker: int) -> None:
    """Keep this process's figures in the folder. Before the first metric is made."""
    from prometheus_client import values

    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    forget(folder, worker)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)


def forget(folder: Path, worker: int) -> None:
    """Drop what a worker that has ended said of the moment: its gauges. Its counts stay."""
    for file in folder.glob(f"gauge_live*_{worker}.db"):
        with contextlib.suppress(OSError):
            file.unlink()


def gather(metrics: Metrics, read: Mapping[str, Read]) -> Callable[[], None]:
    """Let the page be of all workers; gives what is to be called often, so that the others know our gauges."""

    def tell() -> None:
        for name, function in read.items():
            getattr(metrics, name).set(function())

    def settle() -> None:
        for act in metrics.before_page:
            act()

    metrics.before_page.append(tell)
    metrics.generate = page
    return settle


def page() -> bytes:
    """The text that Prometheus scrapes, of all workers."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
