"""What may stand in each column that a graph is given, and which values of it are worth trying.

A graph answers only what was compared: text and coded numbers that an encoder has seen, finite numbers, NaN where the
signature lets it in. The values worth trying are read from the fitted estimator: thresholds of trees and support
vectors, followed back through scalers to the column they came from, and the scalers' own middle and ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

import numpy

from tagboat_server.codecs.cells import family
from tagboat_server.errors import ModelError
from tagboat_server.exact.programs import around
from tagboat_server.formats.features import IMPUTERS, attribute, kind, of_scikit_learn, positions
from tagboat_server.optimizing.thresholds import thresholds_of
from tagboat_server.signature import Column, Frame, Signature, Tensor

Array = Any
Back = Callable[[Array], Array]

NUMBERS = frozenset({"float", "int", "bool"})
"""Families of dtypes that a graph takes as numbers."""


class NotConvertible(ModelError):  # noqa: N818 - says what the model is
    """This model cannot be an ONNX graph, or not one that can be compared."""


@dataclass
class Place:
    """One column. ``number``: its place in the signature. ``categories``: all values that it may have, or None.

    ``values``: numbers worth trying. ``used``: False where the model ignores the column.
    """

    number: int
    name: str
    dtype: str
    nullable: bool = False
    used: bool = True
    categories: Optional[set[Any]] = None
    values: list[Array] = field(default_factory=list)

    @property
    def text(self) -> bool:
        """Whether the cells are text."""
        return family(self.dtype) == "text" or self.dtype == "object"


@dataclass(frozen=True)
class Carrier:
    """A column inside a pipeline: where it came from, and how its values lead back there. ``same``: it is unchanged."""

    place: Optional[int] = None
    back: Back = lambda values: values
    same: bool = True


LOST = Carrier(None)
"""A column that no single column of the input explains."""


def domain_of(estimator: Any, signature: Signature) -> list[Place]:
    """The columns of a model. Raises `NotConvertible` where one may hold what cannot be tried."""
    places = [
        Place(number, str(column.name), column.dtype, column.nullable, used=not column.optional)
        for number, column in enumerate(columns_of(signature))
    ]
    follow(estimator, [Carrier(place.number) for place in places], places)
    for place in places:
        if not place.used:
            continue
        if place.text and place.categories is None:
            raise NotConvertible(
                "it holds text that no encoder has listed, so no rows can be drawn to compare with",
                where=f"column {place.name!r}",
            )
        if not place.text and (family(place.dtype) not in NUMBERS or place.dtype not in numpy.sctypeDict):
            dtype = "anything, as far as the model tells" if place.dtype == "any" else place.dtype
            raise NotConvertible(
                f"it holds {dtype}, and a graph takes numbers and categories", where=f"column {place.name!r}"
            )
    return places


def columns_of(signature: Signature) -> Sequence[Column]:
    """The columns of a table, or of a matrix. Raises `NotConvertible`."""
    if isinstance(signature, Frame):
        if signature.index:
            raise NotConvertible("the model takes a dataframe with an index")
        return signature.columns
    if isinstance(signature, Tensor) and len(signature.shape) == 2 and signature.shape[1]:
        width = signature.shape[1]
        return [Column(str(place), signature.dtype, signature.nullable) for place in range(width)]
    raise NotConvertible("the model does not say which columns it takes", hint="Fit it on a table of named columns.")


def follow(step: Any, carriers: Sequence[Carrier], places: Sequence[Place]) -> list[Carrier]:
    """What becomes of columns in a step; what it tells of them is noted at their places."""
    name = kind(step)
    if step is None or isinstance(step, str):
        return list(carriers)
    if name == "Pipeline":
        for _, inner in step.steps:
            carriers = follow(inner, carriers, places)
        return list(carriers)
    if name == "ColumnTransformer" and of_scikit_learn(step):
        return apart(step, carriers, places)
    if isinstance(attribute(step, "categories_"), list):
        return encoded(step, carriers, places)
    if name in IMPUTERS and not getattr(step, "add_indicator", False):
        statistics = attribute(step, "statistics_")
        whole = statistics is not None and len(statistics) == len(carriers) and name == "SimpleImputer"
        return list(carriers) if whole else [LOST] * len(carriers)
    scale = scale_of(step, len(carriers))
    if scale is not None:
        return scaled(*scale, carriers, places)
    found = thresholds_of(step)
    for number, carrier in enumerate(carriers):
        # Where others have thresholds, a column without is one that the trees do not look at.
        values = numpy.asarray(found.get(number, [0.0] if found else []), dtype=float)
        note(carrier, around(carrier.back(values)) if len(values) else values, places)
    return [LOST] * len(carriers)


def apart(step: Any, carriers: Sequence[Carrier], places: Sequence[Place]) -> list[Carrier]:
    """A ColumnTransformer: each part on its columns, put side by side."""
    names = [places[carrier.place].name if carrier.place is not None else "" for carrier in carriers]
    found: list[Carrier] = []
    for _, transformer, selected in step.transformers_:
        given = [carriers[number] for number in positions(selected, names)]
        if not (isinstance(transformer, str) and transformer == "drop"):
            found += follow(transformer, given, places)
    return found


def encoded(step: Any, carriers: Sequence[Carrier], places: Sequence[Place]) -> list[Carrier]:
    """An encoder: its categories are all that its columns may hold."""
    for carrier, listed in zip(carriers, step.categories_):
        if carrier.place is not None and carrier.same:
            present = {value for value in numpy.asarray(listed).tolist() if value is not None and value == value}
            known = places[carrier.place].categories
            places[carrier.place].categories = present if known is None else known & present
    outputs = attribute(step, "_n_features_outs")
    return [LOST] * int(sum(outputs) if outputs is not None else len(carriers))


def scale_of(step: Any, width: int) -> Optional[tuple[Array, Array, Sequence[float]]]:
    """(factors, offsets, interesting ends) with which a scaler's output leads back to its input, or None."""
    if not of_scikit_learn(step):
        return None
    ones, zeros = numpy.ones(width), numpy.zeros(width)
    name = kind(step)
    if name in {"StandardScaler", "RobustScaler"}:
        middle = attribute(step, "mean_" if name == "StandardScaler" else "center_")
        factor = attribute(step, "scale_")
        return (ones if factor is None else factor, zeros if middle is None else middle, (-3.0, -1.0, 0.0, 1.0, 3.0))
    if name == "MinMaxScaler":
        return 1.0 / step.scale_, -step.min_ / step.scale_, (0.0, 0.25, 0.5, 0.75, 1.0)
    if name == "MaxAbsScaler":
        return step.scale_, zeros, (-1.0, -0.5, 0.0, 0.5, 1.0)
    return None


def scaled(
    factors: Array, offsets: Array, ends: Iterable[float], carriers: Sequence[Carrier], places: Sequence[Place]
) -> list[Carrier]:
    """A scaler: one column of its output for each of its input."""
    found = [
        replace(carrier, back=Scaled(carrier.back, factor, offset), same=False)
        for carrier, factor, offset in zip(carriers, factors.tolist(), offsets.tolist())
    ]
    for carrier in found:
        note(carrier, carrier.back(numpy.array(list(ends))), places)
    return found


class Scaled:
    """Leads values back through a scaler, and on."""

    def __init__(self, further: Back, factor: float, offset: float) -> None:
        self.further = further
        self.factor = factor
        self.offset = offset

    def __call__(self, values: Array) -> Array:
        """The input's values."""
        return self.further(values * self.factor + self.offset)


def note(carrier: Carrier, values: Array, places: Sequence[Place]) -> None:
    """Keep values worth trying."""
    if carrier.place is not None:
        places[carrier.place].values.append(values[numpy.isfinite(values)])
