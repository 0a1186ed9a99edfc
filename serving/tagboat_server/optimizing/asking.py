"""What a model says of rows that were drawn for it: what every graph of it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.optimizing.comparing import answers
from tagboat_server.optimizing.domain import NotConvertible, Place, domain_of
from tagboat_server.optimizing.drawing import Rows, columns_in, draw


@dataclass(frozen=True)
class Asked:
    """``wanted``: the model's own answers on ``rows``, by method; ``places``: what its columns may hold."""

    model: LoadedModel
    places: list[Place]
    rows: Rows
    wanted: dict[str, Any]


def ask(model: LoadedModel, sample: Any, count: int, methods: Sequence[str]) -> Asked:
    """Draw so many rows, and ask the model. ``sample``: rows that it is known to take, or None.

    Where the signature lets missing numbers in and the model still refuses them, none are drawn, and none will go to a
    graph. Raises `NotConvertible`.
    """
    signature = model.methods["predict"].signature.input
    places = domain_of(model.estimator, signature)
    try:
        return asked_with(model, places, sample, count, methods)
    except NotConvertible:
        if not any(place.nullable for place in places):
            raise
    return asked_with(model, [replace(place, nullable=False) for place in places], sample, count, methods)


def asked_with(model: LoadedModel, places: list[Place], sample: Any, count: int, methods: Sequence[str]) -> Asked:
    """The rows that these columns give, and the answers. Raises `NotConvertible`."""
    rows = draw(places, None if sample is None else columns_in(sample), count)
    return Asked(model, places, rows, {name: said(name, model.methods[name], rows) for name in methods})


def said(name: str, method: LoadedMethod, rows: Rows) -> Any:
    """A method's answers. Raises `NotConvertible` where it refuses the rows, or answers in no plain array."""
    try:
        found = answers(method.call, rows, method.signature.input, model=True)
    except Exception as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise NotConvertible(f"{name} refuses rows that were drawn to compare with: {problem}") from error
    if type(found) is not numpy.ndarray or found.ndim > 2 or len(found) != len(rows):
        raise NotConvertible(f"{name} answers with something else than one value or one list of numbers a row")
    return found
