"""ColumnTransformer: every part on its own columns, put side by side.

The columns are selected by scikit-learn's own function, so that what is multiplied later lies in memory as it would.
(scikit-learn ``compose/_column_transformer.py``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

import numpy

from tagboat_server.exact.inputs import PLAIN, array_of, is_frame
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported
from tagboat_server.exact.tables import Run, Shape, bind

Compile = Callable[..., Program]


class Part(NamedTuple):
    """One transformer: its columns as they were given, their numbers, and its program; None passes them through."""

    selected: Any
    places: list[int]
    program: Optional[Program]


def column_transformer(estimator: Any, methods: Sequence[str], compile_one: Compile) -> dict[str, Program]:
    """The program of a ColumnTransformer with a dense answer."""
    if "transform" not in methods:
        return {}
    if estimator.sparse_output_:
        raise Unsupported("a sparse answer")
    if estimator.transformer_weights:
        raise Unsupported("weights of transformers")
    from sklearn.utils import _safe_indexing

    parts = parts_of(estimator, compile_one)

    def transform(batch: Any) -> Array:
        return numpy.hstack([through(part, _safe_indexing(batch, part.selected, axis=1)) for part in parts])

    def bind_parts(take: Any, shape: Shape, places: Sequence[int]) -> Run:
        runs = [
            bind(
                part.program,
                lambda frame, selected=part.selected: _safe_indexing(take(frame), selected, axis=1),
                shape,
                [places[place] for place in part.places],
            )
            for part in parts
        ]
        return lambda table: numpy.hstack([run(table) for run in runs])

    candidates: list[Array] = [numpy.array([0.0, 1.0, -2.5])] * int(estimator.n_features_in_)
    for part in parts:
        if part.program is not None:
            for place, values in zip(part.places, part.program.candidates):
                candidates[place] = values
    inside = tuple(part.program for part in parts if part.program is not None)
    alone = all(program.alone for program in inside)
    program = Program(estimator, "transform", transform, candidates, inside, frames=True, bind=bind_parts, alone=alone)
    return {"transform": program}


def parts_of(estimator: Any, compile_one: Compile) -> list[Part]:
    """The transformers with their columns, in their order, but for those that drop theirs. Raises `Unsupported`."""
    places_of = estimator._transformer_to_input_indices  # noqa: SLF001
    parts = []
    for name, transformer, selected in estimator.transformers_:
        places = [int(place) for place in places_of[name]]
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if not places:
            raise Unsupported("a transformer of no columns")
        program = None if passes_through(transformer) else compile_one(transformer, "transform", dense=True)
        parts.append(Part(selected, places, program))
    if not parts:
        raise Unsupported("no columns")
    return parts


def through(part: Part, batch: Any) -> Array:
    """What one part makes of its columns."""
    if is_frame(batch) and (part.program is None or not part.program.frames):
        if not all(dtype in PLAIN for dtype in batch.dtypes.tolist()):
            raise PassOn
        batch = array_of(batch)
    elif batch.ndim != 2:
        raise PassOn
    found: Array = batch if part.program is None else part.program.run(batch)
    return found


def passes_through(transformer: Any) -> bool:
    """Whether columns are left as they are: said in a word, or by a function transformer without a function."""
    if isinstance(transformer, str):
        return transformer == "passthrough"
    kind = f"{type(transformer).__module__}.{type(transformer).__qualname__}"
    return (
        kind == "sklearn.preprocessing._function_transformer.FunctionTransformer"
        and transformer.func is None
        and not transformer.validate
    )
