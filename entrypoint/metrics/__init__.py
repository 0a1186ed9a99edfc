"""Metrics, parameters and plots of a commit, read from Git objects: `read` them, `compare` two of them."""

from entrypoint.metrics.differences import Difference, differences
from entrypoint.metrics.directions import Direction, Directions
from entrypoint.metrics.figures import Kind, Metrics, Plot, Sheet, Value
from entrypoint.metrics.reading import read

__all__ = [
    "Difference",
    "Direction",
    "Directions",
    "Kind",
    "Metrics",
    "Plot",
    "Sheet",
    "Value",
    "differences",
    "read",
]
