"""Gives a loaded model the exact fast paths that its methods can have, and says in the log which have none, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy

from tagboat_server import exact
from tagboat_server.codecs.cells import family
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.model import LoadedModel
from tagboat_server.signature import Column, Frame


def accelerate(model: LoadedModel, sample: Any, environment: Mapping[str, str], log: Log) -> LoadedModel:
    """The same model with quicker methods. ``sample``: rows that it is known to take, or None."""
    own = [name for name, method in model.methods.items() if not method.quick]  # what a graph answers is quick
    if model.estimator is None or not own:
        return model
    fasts = exact.accelerate_all(
        model.estimator,
        own,
        sample,
        environment=environment,
        tell=lambda line: log.event("exact", message=line),
    )
    methods = dict(model.methods)
    for name, fast in fasts.items():
        tables = takes_tables(fast, methods[name].signature.input)
        methods[name] = dataclasses.replace(methods[name], call=fast, quick=True, alone=fast.alone, tables=tables)
    return dataclasses.replace(model, methods=methods)


def takes_tables(fast: exact.Fast, taken: Any) -> bool:
    """Whether a fast path can do without the dataframe that the signature asks for."""
    if not isinstance(taken, Frame) or taken.index or any(column.optional for column in taken.columns):
        return False
    names = [column.name for column in taken.columns]
    if all(column.dtype == "float64" for column in taken.columns):
        return fast.take_tables(names) is None
    dtypes = dtypes_of(taken.columns)
    return dtypes is not None and fast.take_tables(names, dtypes) is None


def dtypes_of(columns: Sequence[Column]) -> Optional[list[Any]]:
    """The dtypes in which the columns are decoded, or None where one is pandas' own or not known."""
    found = []
    for column in columns:
        kind = family(column.dtype)
        if kind == "text" or column.dtype == "object":
            found.append(numpy.dtype(object))
        elif kind in {"float", "int", "bool"} and column.dtype in numpy.sctypeDict:
            found.append(numpy.dtype(column.dtype))
        else:
            return None
    return found


def count_passed_on(model: LoadedModel, metrics: Metrics) -> None:
    """Let the metrics tell how often a fast path has left a call to the model's own method."""
    for name, method in model.methods.items():
        if isinstance(method.call, exact.Fast):
            metrics.before_page.append(Passed(name, method.call, metrics))


class Passed:
    """Counts what one fast path has passed on since the last time."""

    def __init__(self, name: str, fast: exact.Fast, metrics: Metrics) -> None:
        self.fast = fast
        self.counted = 0
        self.counter = metrics.passed_on.labels(name)

    def __call__(self) -> None:
        """Catch up."""
        now = self.fast.passed_on
        self.counter.inc(now - self.counted)
        self.counted = now
