"""How an artifact's metrics went over its versions, up to the commit that is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.comparison import Comparing
from entrypoint.metrics import Direction, Metrics, Value
from entrypoint.metrics.directions import is_number
from entrypoint.pull_requests.document import History
from entrypoint.registry.state import ArtifactState

MOST_METRICS = 4
"""Metrics of one artifact that are drawn."""
FEWEST_POINTS = 2


def histories(comparing: Comparing, state: ArtifactState, head: str, label: str) -> Iterator[History]:
    """The metrics that are worth drawing: those with a direction first, then the others that moved.

    ``head``: the commit of the last point, called ``label``.
    """
    most = comparing.settings.report.history
    if not most:
        return
    versions = [version for version in state.versions if version.registered][:most][::-1]
    columns: list[tuple[str, Metrics]] = [
        (version.version, comparing.metrics(version.commit).of(state.name)) for version in versions
    ]
    last: Metrics = comparing.metrics(head).of(state.name)
    columns.append((label, last))
    drawn = 0
    for name in sorted(last.metrics, key=lambda name: comparing.directions.of(name) is Direction.UNKNOWN):
        points = [(version, number) for version, column in columns for number in _number(column.metrics.get(name))]
        known = comparing.directions.of(name) is not Direction.UNKNOWN
        if len(points) >= FEWEST_POINTS and (known or len({number for _, number in points}) > 1):
            yield History(artifact=state.name, metric=name, points=points)
            drawn += 1
            if drawn == MOST_METRICS:
                return


def _number(value: Value) -> list[float]:
    return [float(value)] if is_number(value) else []  # type: ignore[arg-type]
