"""How far a graph is from its model, on the same rows."""

from __future__ import annotations

from typing import Any

import numpy

from tagboat_server.exact import Table
from tagboat_server.optimizing.drawing import Rows, as_request, for_model
from tagboat_server.optimizing.graphs import Optimized
from tagboat_server.optimizing.outcome import Figures, Tolerance
from tagboat_server.signature import Signature

SIZES = (1, 2, 7, 48, 49)
"""Rows a batch, to see whether a row's answer depends on its neighbours."""

CHUNK = 500
"""Rows that are compared at once."""


def answers(call: Any, rows: Rows, signature: Signature, *, model: bool) -> Any:
    """What a method says of the rows, asked as requests ask it; ``model``: as they ask the model's own."""
    found = []
    for begin in range(0, len(rows), CHUNK):
        batch = as_request(rows.part(begin, begin + CHUNK), signature)
        found.append(call(for_model(batch, signature) if model else batch))
    return numpy.concatenate(found)


def compare(wanted: Any, found: Any, tolerance: Tolerance) -> Figures:
    """The figures: numbers by the tolerance, everything else as labels."""
    rows = len(wanted)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return Figures(rows=rows, differing=rows)
    if wanted.dtype.kind != "f":
        differing = int((found != wanted).sum())
        return Figures(rows=rows, differing=differing, passed=differing <= tolerance.labels * rows)
    with numpy.errstate(all="ignore"):
        far = numpy.abs(found.astype(float) - wanted)
        far[(found == wanted) | (numpy.isnan(found) & numpy.isnan(wanted))] = 0.0
        far[numpy.isnan(far)] = numpy.inf
        near = numpy.isfinite(far) & (far <= tolerance.atol + tolerance.rtol * numpy.abs(wanted))
    differing = int((~near & (far > 0)).reshape(rows, -1).any(axis=1).sum())
    return Figures(rows=rows, differing=differing, largest_difference=float(far.max()), passed=not differing)


def is_alone(method: Optimized, rows: Rows, signature: Signature) -> bool:
    """Whether a row's bits are the same in batches of every size."""
    count = min(len(rows), 130)
    batch = as_request(rows.part(0, count), signature)
    whole = method.run(batch)
    for size in SIZES:
        for begin in range(0, count - size + 1, max(1, size // 2)):
            part = method.run(part_of(batch, begin, begin + size))
            if part.dtype == object:
                if part.tolist() != whole[begin : begin + size].tolist():
                    return False
            elif part.tobytes() != whole[begin : begin + size].tobytes():
                return False
    return True


def part_of(batch: Any, begin: int, end: int) -> Any:
    """Some rows of a matrix or a table."""
    if type(batch) is not Table:
        return batch[begin:end]
    return Table([column[begin:end] for column in batch.columns] if batch.matrix is None else batch.matrix[begin:end])
