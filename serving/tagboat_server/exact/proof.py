"""The proof at load: a program must give the public method's bits on rows made to find a difference.

Rows are the sample's and seeded random ones, put together from what each step finds interesting: thresholds of trees
and their neighbours in float32 and float64, categories, the scale's middle and ends. Each step inside a pipeline is
proved on rows of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Optional

import numpy

from tagboat_server.exact.inputs import array_of, is_frame
from tagboat_server.exact.programs import PassOn, Program, Unsupported

SIZES = (1, 2, 7, 48, 49, 130)
"""Rows a batch: one, a few, both sides of the border between walking and calling trees, many."""

SEED = 20240229


def prove(program: Program, sample: Optional[Any] = None) -> None:
    """Compare with the public method. Raises `Unsupported` at the first difference, or if nothing could be compared."""
    for part in program.parts:
        prove(part)
    public = getattr(program.estimator, program.method)
    compared = 0
    for batch in [*batches(program), *of_sample(sample)]:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found = program.run(entrance(program, batch))
            except PassOn:
                continue
            wanted = public(batch)
            if program.dense and hasattr(wanted, "toarray"):
                wanted = wanted.toarray()
            if not same(found, wanted):
                kind = type(program.estimator).__qualname__
                raise Unsupported(f"{kind}.{program.method} answers differently on {len(batch)} rows")
        compared += 1
    if not compared:
        raise Unsupported("nothing that could be compared")


def entrance(program: Program, batch: Any) -> Any:
    """A batch as the program takes it."""
    return array_of(batch) if is_frame(batch) and not program.frames else batch


def batches(program: Program) -> Iterator[Any]:
    """Random rows of all sizes, as arrays of several dtypes, or as dataframes where names were fitted."""
    generator = numpy.random.default_rng(SEED)
    columns = [values if len(values) else numpy.zeros(1) for values in program.candidates]
    names = getattr(program.estimator, "feature_names_in_", None)
    numbers = all(values.dtype.kind in "fiu" for values in columns)
    for size in SIZES:
        drawn = [generator.choice(values, size) for values in columns]
        if names is not None and (program.frames or not numbers):
            yield frame(drawn, names)
        elif numbers:
            rows = numpy.column_stack(drawn).astype(numpy.float64)
            yield rows
            if size == 7:
                yield rows.astype(numpy.float32)
                yield numpy.asfortranarray(rows)
                yield numpy.rint(numpy.clip(rows, -1e9, 1e9)).astype(numpy.int64)
            if program.missing and size in (2, 130):
                yield numpy.where(generator.random(rows.shape) < 0.3, numpy.nan, rows)
        else:
            yield numpy.array(list(zip(*(cells.tolist() for cells in drawn))), dtype=object)


def frame(columns: list[Any], names: Any) -> Any:
    """A dataframe of the columns. Raises `Unsupported` where pandas is missing."""
    try:
        import pandas
    except ModuleNotFoundError:
        raise Unsupported("fitted on dataframes, and pandas is missing") from None
    made = pandas.DataFrame(dict(enumerate(columns)))
    made.columns = list(names)
    return made


def of_sample(sample: Optional[Any]) -> Iterator[Any]:
    """The sample: its first row, and up to 200."""
    if sample is not None and len(sample):
        yield sample[:1]
        yield sample[:200]


def same(found: Any, wanted: Any) -> bool:
    """Whether two answers are the same bits: types, dtypes, shapes, signs of zeros. One NaN is as good as another."""
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
    if type(found) is not type(wanted) or type(found) is not numpy.ndarray:
        return False
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if found.dtype.kind != "f":
        return (found.dtype != object and found.tobytes() == wanted.tobytes()) or found.tolist() == wanted.tolist()
    numbers = ~(numpy.isnan(found) & numpy.isnan(wanted))
    return found[numbers].tobytes() == wanted[numbers].tobytes()
