"""Scalers and the filling in of missing numbers.

The same operations in the same dtypes on a copy of the same memory layout, so that what follows multiplies the same
operands. (scikit-learn ``preprocessing/_data.py`` and ``impute/_base.py``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy

from tagboat_server.exact import versions
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported, any_infinite, around

Arrays = Callable[[Array], Array]


def floating(batch: Array) -> Array:
    """A copy of our own that is float64, or float32 as it was. Raises `PassOn` for infinity."""
    copy = numpy.array(batch, dtype=batch.dtype if batch.dtype.kind == "f" else numpy.float64)
    if any_infinite(copy):
        raise PassOn
    return copy


def standard(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of a StandardScaler. From 1.8 on, mean and scale take the batch's dtype first."""
    mean = estimator.mean_ if estimator.with_mean else None
    scale = estimator.scale_ if estimator.with_std else None
    narrow = versions.at_least(1, 8)

    def transform(batch: Array) -> Array:
        rows = floating(batch)
        narrowed = narrow and rows.dtype != numpy.float64
        if mean is not None:
            rows -= mean.astype(rows.dtype, copy=False) if narrowed else mean
        if scale is not None:
            rows /= scale.astype(rows.dtype, copy=False) if narrowed else scale
        return rows

    return program(estimator, methods, transform, mean, scale)


def min_max(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of a MinMaxScaler."""
    scale, least = estimator.scale_, estimator.min_
    low, high = estimator.feature_range if estimator.clip else (None, None)
    narrow = versions.at_least(1, 6)

    def transform(batch: Array) -> Array:
        rows = floating(batch)
        rows *= scale
        rows += least
        if low is not None:
            bounds = (numpy.asarray(low, rows.dtype), numpy.asarray(high, rows.dtype)) if narrow else (low, high)
            numpy.clip(rows, *bounds, out=rows)
        return rows

    return program(estimator, methods, transform, estimator.data_min_, estimator.data_range_)


def max_abs(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of a MaxAbsScaler. From 1.8 on it may clip."""
    scale, clip = estimator.scale_, bool(getattr(estimator, "clip", False))

    def transform(batch: Array) -> Array:
        rows = floating(batch)
        rows /= scale
        if clip:
            numpy.clip(rows, numpy.asarray(-1.0, rows.dtype), numpy.asarray(1.0, rows.dtype), out=rows)
        return rows

    return program(estimator, methods, transform, None, scale)


def robust(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of a RobustScaler."""
    center = estimator.center_ if estimator.with_centering else None
    scale = estimator.scale_ if estimator.with_scaling else None

    def transform(batch: Array) -> Array:
        rows = floating(batch)
        if center is not None:
            rows -= center
        if scale is not None:
            rows /= scale
        return rows

    return program(estimator, methods, transform, center, scale)


def imputer(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of a SimpleImputer that puts numbers in the place of NaN and keeps every column."""
    # Since 1.8 statistics may be kept as objects, and take the dtype of the cells that they fill in.
    dtype = getattr(estimator, "_fill_dtype", estimator.statistics_.dtype)
    if dtype != numpy.float64:
        raise Unsupported("filled in with what is not float64")
    statistics = estimator.statistics_.astype(dtype)
    if not (isinstance(estimator.missing_values, float) and numpy.isnan(estimator.missing_values)):
        raise Unsupported("missing values other than NaN")
    if estimator.add_indicator or not numpy.isfinite(statistics).all():
        raise Unsupported("an indicator of missing values, or columns without values")
    if estimator.strategy not in ("mean", "median", "most_frequent", "constant"):
        raise Unsupported(f"the strategy {estimator.strategy!r}")
    widened = "fiu" if estimator.strategy in ("mean", "median") else "f"

    def transform(batch: Array) -> Array:
        # Other dtypes are checked against the one that was fitted; the public method knows how.
        if batch.dtype == numpy.float32 or batch.dtype.kind not in widened:
            raise PassOn
        rows = floating(batch)
        missing = numpy.isnan(rows)
        if missing.any():
            numpy.copyto(rows, statistics, where=missing)
        return rows

    return program(estimator, methods, transform, statistics, None)


def program(estimator: Any, methods: Sequence[str], transform: Arrays, center: Any, scale: Any) -> dict[str, Program]:
    """A program for ``transform``, the only method there is one for."""
    if "transform" not in methods:
        return {}
    width = int(estimator.n_features_in_)
    middle = numpy.zeros(width) if center is None else center
    spread = numpy.ones(width) if scale is None else scale
    candidates = [around([m - 2 * s, m, m + 0.3 * s, m + s]) for m, s in zip(middle, spread)]
    return {"transform": Program(estimator, "transform", transform, candidates, missing=True, alone=True)}
