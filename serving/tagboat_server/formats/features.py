"""What a fitted scikit-learn object takes, read from its own attributes.

``feature_names_in_`` and ``n_features_in_`` tell names and width, not what stands in the cells. That is told by the
steps that meet a column first: an encoder has seen its categories, an imputer takes what is missing, a scaler or a
forest needs numbers. Where nothing tells (a function, another library's class) any value is let through to the model:
valid input must never be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy

from tagboat_server.signature import Anything, Column, Frame, Signature, Tensor


@dataclass(frozen=True)
class Cell:
    """What may stand in a column. ``passes_missing``: missing values reach the next step, which decides."""

    dtype: str
    nullable: bool = False
    optional: bool = False
    passes_missing: bool = False


NUMBER = Cell("float64")
UNKNOWN = Cell("any", nullable=True)
UNUSED = Cell("any", nullable=True, optional=True)

IMPUTERS = {"SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator"}
SCALERS = {
    "MaxAbsScaler",
    "MinMaxScaler",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
    "StandardScaler",
}
"""Steps that leave a missing value missing."""
MISSING_BY_DESIGN = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
"""Estimators that were made to take missing values. Forests and trees only tolerate them, whatever they were fitted
on, and answer with the larger branch."""

TEXT = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
INNER = ("best_estimator_", "regressor_", "estimator_", "estimators_", "calibrated_classifiers_", "estimator")
"""Where meta-estimators keep what was fitted on the very same columns."""


def input_of(estimator: Any) -> Signature:
    """The signature of the input that the object was fitted on."""
    first = first_step(estimator)
    if kind(first) in TEXT and of_scikit_learn(first):
        return Tensor("str", (None,))
    names = fitted(estimator, "feature_names_in_")
    if names is None and kind(first) == "ColumnTransformer":
        # scikit-learn before 1.0 keeps the names of a dataframe nowhere else.
        names = attribute(first, "_feature_names_in")
    width = fitted(estimator, "n_features_in_")
    if names is not None:
        cells = cells_of(estimator, list(names))
        return Frame(
            tuple(
                Column(str(name), cell.dtype, nullable=cell.nullable or cell.passes_missing, optional=cell.optional)
                for name, cell in zip(names, cells)
            )
        )
    if width is None or kind(first) == "DictVectorizer":
        return Anything()
    cells = cells_of(estimator, list(range(width)))
    nullable = any(cell.nullable or cell.passes_missing for cell in cells)
    dtypes = {cell.dtype for cell in cells}
    return Tensor(dtypes.pop() if len(dtypes) == 1 else "any", (None, int(width)), nullable=nullable)


def cells_of(estimator: Any, columns: Sequence[Any]) -> list[Cell]:
    """What may stand in each of the columns that an estimator is given."""
    name = kind(estimator)
    if estimator is None or isinstance(estimator, str):
        return [replace(UNKNOWN, nullable=False, passes_missing=True)] * len(columns)
    if not of_scikit_learn(estimator) or name == "FunctionTransformer":
        return [UNKNOWN] * len(columns)
    if name == "Pipeline":
        return through_steps([step for _, step in estimator.steps], columns)
    if name == "ColumnTransformer":
        return through_transformers(estimator, columns)
    if name == "FeatureUnion":
        return strictest([cells_of(part, columns) for _, part in estimator.transformer_list], len(columns))
    if isinstance(attribute(estimator, "categories_"), list):
        return [of_categories(categories) for categories in estimator.categories_]
    if name in IMPUTERS:
        return [of_imputer(estimator)] * len(columns)
    if name in MISSING_BY_DESIGN:
        return of_boosting(estimator, len(columns))
    inner = inner_estimator(estimator)
    if inner is not None:
        return cells_of(inner, columns)
    return [replace(NUMBER, passes_missing=name in SCALERS)] * len(columns)


def through_steps(steps: Sequence[Any], columns: Sequence[Any]) -> list[Cell]:
    """The cells of a pipeline: its first step's; what that lets through of missing values, a later one decides."""
    real = [step for step in steps if step is not None and not isinstance(step, str)]
    if not real:
        return [replace(UNKNOWN, nullable=False, passes_missing=True)] * len(columns)
    later = next((decided for decided in map(takes_missing, real[1:]) if decided is not None), None)
    if later is None:
        return cells_of(real[0], columns)
    return [
        replace(cell, nullable=later, passes_missing=False) if cell.passes_missing else cell
        for cell in cells_of(real[0], columns)
    ]


def takes_missing(step: Any) -> Optional[bool]:
    """Whether a step takes missing values; None where it hands them on. Code that we do not know is given them."""
    if kind(step) in SCALERS:
        return None
    if not of_scikit_learn(step) or kind(step) == "FunctionTransformer":
        return True
    if kind(step) == "Pipeline":
        found = (takes_missing(inner) for _, inner in step.steps if inner is not None and not isinstance(inner, str))
        return next((decided for decided in found if decided is not None), None)
    inner = inner_estimator(step)
    if inner is not None:
        return takes_missing(inner)
    return kind(step) in IMPUTERS or kind(step) in MISSING_BY_DESIGN


def through_transformers(estimator: Any, columns: Sequence[Any]) -> list[Cell]:
    """The cells of a ColumnTransformer, each column by the transformers that are given it."""
    given: dict[int, list[Cell]] = {}
    for _, transformer, selected in getattr(estimator, "transformers_", ()):
        places = positions(selected, columns)
        if isinstance(transformer, str) and transformer == "drop":
            found = [UNUSED] * len(places)
        elif kind(transformer) in TEXT:
            found = [Cell("str")] * len(places)
        else:
            found = cells_of(transformer, [columns[place] for place in places])
        for place, cell in zip(places, found):
            given.setdefault(place, []).append(cell)
    return [strictest([[cell] for cell in given.get(place, [UNUSED])], 1)[0] for place in range(len(columns))]


def strictest(parts: Sequence[Sequence[Cell]], width: int) -> list[Cell]:
    """What every part accepts, column by column; a part that does not know has no say."""
    result = []
    for place in range(width):
        cells = [part[place] for part in parts if len(part) == width]
        known = [cell for cell in cells if cell.dtype != "any"]
        accepted = all(cell.nullable or cell.passes_missing for cell in cells)
        passed = accepted and any(cell.passes_missing for cell in cells)
        result.append(
            Cell(
                known[0].dtype if known and len({cell.dtype for cell in known}) == 1 else "any",
                nullable=accepted and not passed,
                optional=all(cell.optional for cell in cells),
                passes_missing=passed,
            )
        )
    return result


def of_categories(categories: Any) -> Cell:
    """A column of an encoder: what its categories were made of."""
    values = numpy.asarray(categories)
    if values.dtype.kind in "iufb":
        missing = values.dtype.kind == "f" and bool(numpy.isnan(values).any())
        return Cell("bool" if values.dtype.kind == "b" else "float64", nullable=missing)
    present = [value for value in values.tolist() if value is not None and value == value]
    text = all(isinstance(value, str) for value in present)
    return Cell("str" if text else "object", nullable=len(present) < len(values))


def of_imputer(estimator: Any) -> Cell:
    """A column of an imputer: whatever it fills in, and what is missing."""
    statistics = attribute(estimator, "statistics_")
    if statistics is not None and numpy.asarray(statistics).dtype.kind not in "iuf":
        return Cell("object", nullable=True)
    return Cell("float64", nullable=True)


def of_boosting(estimator: Any, width: int) -> list[Cell]:
    """The columns of a histogram gradient boosting; those it treats as categories may hold anything."""
    categorical = attribute(estimator, "is_categorical_")
    flags = [False] * width if categorical is None or len(categorical) != width else list(categorical)
    return [Cell("any" if flag else "float64", nullable=True) for flag in flags]


def positions(selected: Any, columns: Sequence[Any]) -> list[int]:
    """Which columns a ColumnTransformer's fitted selection means: names, numbers, a slice or flags."""
    if isinstance(selected, slice):
        if isinstance(selected.start, str) or isinstance(selected.stop, str):
            names = list(columns)
            start = 0 if selected.start is None else names.index(selected.start)
            stop = len(names) if selected.stop is None else names.index(selected.stop) + 1
            return list(range(start, stop, selected.step or 1))
        return list(range(len(columns))[selected])
    if isinstance(selected, (str, int, numpy.integer)):
        selected = [selected]
    items: list[Any] = list(selected)
    if items and all(isinstance(item, (bool, numpy.bool_)) for item in items):
        return [place for place, flag in enumerate(items) if flag]
    place_of = {name: place for place, name in enumerate(columns)}
    return [place_of[item] if item in place_of else int(item) for item in items if item in place_of or is_number(item)]


def first_step(estimator: Any) -> Any:
    """What the input meets first, through pipelines and meta-estimators."""
    for _ in range(20):
        if kind(estimator) == "Pipeline":
            steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
            if not steps:
                return estimator
            estimator = steps[0]
            continue
        inner = inner_estimator(estimator)
        if inner is None or not of_scikit_learn(estimator):
            return estimator
        estimator = inner
    return estimator


def inner_estimator(estimator: Any) -> Any:
    """The fitted estimator inside a meta-estimator that is given the same columns, or None.

    Bagging and chains give theirs other columns, but of the same kind where it is one class for all.
    """
    if kind(estimator).startswith(("RandomForest", "ExtraTrees", "GradientBoosting", "AdaBoost", "Isolation")):
        return None
    for name in INNER:
        found = attribute(estimator, name)
        while isinstance(found, (list, tuple)) and found:
            found = found[-1] if isinstance(found, tuple) else found[0]
        if found is not None and hasattr(type(found), "get_params"):
            return found
        if hasattr(found, "estimator"):
            return found.estimator
    return None


def fitted(estimator: Any, name: str) -> Any:
    """An attribute of the estimator, or of its first step: a pipeline that begins with ``passthrough`` has none."""
    found = attribute(estimator, name)
    return attribute(first_step(estimator), name) if found is None else found


def attribute(estimator: Any, name: str) -> Any:
    """A fitted attribute, or None where there is none, also where the property raises."""
    try:
        return getattr(estimator, name, None)
    except Exception:  # noqa: BLE001 - scikit-learn's properties raise what the inner estimator raises
        return None


def of_scikit_learn(estimator: Any) -> bool:
    """Whether the class is scikit-learn's own, so that we know what it does with a column."""
    return type(estimator).__module__.startswith("sklearn.")


def kind(estimator: Any) -> str:
    """The name of the class."""
    return type(estimator).__name__


def is_number(value: Any) -> bool:
    """Whether a selection is a column's number."""
    return isinstance(value, (int, numpy.integer))
