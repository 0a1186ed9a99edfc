"""The proof at load: a program must give the public method's bits on rows made to find a difference.

Rows are the sample's and seeded random ones, put together from what each step finds interesting: thresholds of trees
and their neighbours in float32 and float64, categories, the scale's middle and ends. Each step inside a pipeline is
proved on rows of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.exact.inputs import array_of, is_frame
from tagboat_server.exact.programs import PassOn, Program, Unsupported
from tagboat_server.exact.tables import Shape

SIZES = (1, 2, 7, 48, 49, 130)
"""Rows a batch: one, a few, both sides of the border between walking and calling trees, many."""

BRIEF = (1, 49)
"""For further methods of a model that has one proved: what they share is known to be right."""

SEED = 20240229


def prove(
    program: Program,
    sample: Optional[Any] = None,
    *,
    sizes: Sequence[int] = SIZES,
    proved: Optional[set[int]] = None,
) -> None:
    """Compare with the public method. Raises `Unsupported` at the first difference, or if nothing could be compared.

    ``proved``: the identities of programs that need no second proof, added to.
    """
    proved = set() if proved is None else proved
    if id(program) in proved:
        return
    for part in program.parts:
        prove(part, sizes=sizes, proved=proved)
    pairs = ((batch, batch) for batch in [*batches(program, sizes), *of_sample(sample)])
    compare(program, lambda batch: program.run(entrance(program, batch)), pairs)
    proved.add(id(program))


def prove_tables(program: Program, run: Callable[[Any], Any], shape: Shape) -> None:
    """The same for what runs on tables, against the public method on dataframes made of them."""
    generator = numpy.random.default_rng(SEED)

    def pairs() -> Iterator[tuple[Any, Any]]:
        for size in SIZES[:-1]:
            drawn = [generator.choice(values, size) for values in columns_of(program)]
            if shape.dtypes is not None:
                drawn = [
                    numpy.clip(numpy.rint(values), -100, 100)
                    if dtype.kind in "iu" and values.dtype.kind == "f"
                    else values
                    for values, dtype in zip(drawn, shape.dtypes)
                ]
            table = shape.table(drawn)
            yield table, table.frame(shape.names)

    compare(program, run, pairs())


def compare(program: Program, run: Callable[[Any], Any], pairs: Iterable[tuple[Any, Any]]) -> None:
    """Run each first of a pair, and ask the public method for the second. Raises `Unsupported`."""
    public = getattr(program.estimator, program.method)
    compared = 0
    for batch, asked in pairs:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found = run(batch)
            except PassOn:
                continue
            wanted = public(asked)
            if program.dense and hasattr(wanted, "toarray"):
                wanted = wanted.toarray()
            if not same(found, wanted):
                kind = type(program.estimator).__qualname__
                raise Unsupported(f"{kind}.{program.method} answers differently on {len(batch)} rows")
        compared += 1
    if not compared:
        raise Unsupported("nothing that could be compared")


def columns_of(program: Program) -> list[Any]:
    """For each column values to draw from."""
    return [values if len(values) else numpy.zeros(1) for values in program.candidates]


def entrance(program: Program, batch: Any) -> Any:
    """A batch as the program takes it."""
    return array_of(batch) if is_frame(batch) and not program.frames else batch


def batches(program: Program, sizes: Sequence[int]) -> Iterator[Any]:
    """Random rows of all sizes, as arrays of several dtypes, or as dataframes where names were fitted."""
    generator = numpy.random.default_rng(SEED)
    columns = columns_of(program)
    names = getattr(program.estimator, "feature_names_in_", None)
    numbers = all(values.dtype.kind in "fiu" for values in columns)
    for size in sizes:
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
