"""CatBoost models as ``save_model`` writes them: ``.cbm``, or JSON.

A model with classes is asked as `CatBoostClassifier` answers, ``predict`` and ``predict_proba``; any other as
`CatBoostRegressor`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec
import numpy

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.formats.matrices import Matrix, beginning, columns_of, is_missing, numbers
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Column, Frame, Method, Signature, Tensor

MAGIC = b"CBM1"
JSON = re.compile(rb'\{\s*"(ctr_data|features_info|model_info|oblivious_trees)"')
"""How the files begin."""


class CatboostFormat:
    """See `Format`."""

    name = "catboost"

    def recognises(self, path: Path) -> bool:
        """By the ending ``.cbm``, else by how the file begins."""
        start = beginning(path)
        return (path.suffix == ".cbm" and path.is_file()) or start.startswith(MAGIC) or bool(JSON.match(start))

    def load(self, path: Path) -> LoadedModel:
        """Load with CatBoost."""
        encoding = "json" if beginning(path).startswith(b"{") else "cbm"
        with explained(path) as warnings:
            import catboost

            if encoding == "json":
                check(path)
            model = catboost.CatBoostClassifier()
            model.load_model(str(path), format=encoding)
            if not len(model.classes_):
                model = catboost.CatBoostRegressor()
                model.load_model(str(path), format=encoding)
            if not model.feature_names_:
                raise ModelError("this is no CatBoost model: it has no features", where=path.name)
            features = Features(model)
        methods = {"predict": method(model.predict, features)}
        if len(model.classes_):
            output = Tensor("float64", (None, len(model.classes_)))
            methods["predict_proba"] = method(model.predict_proba, features, output)
        return LoadedModel(self.name, methods, tuple(warnings), forkable=threads.forkable())


def check(path: Path) -> None:
    """Refuse JSON that was cut off: CatBoost loads what there is of it."""
    try:
        msgspec.json.decode(path.read_bytes(), type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise ModelError(f"no JSON: {error}", where=path.name) from None


def method(call: Callable[..., Any], features: Features, output: Optional[Signature] = None) -> LoadedMethod:
    """A method of the model: native, and each row by itself."""
    signature = Method(features.signature, output)
    return LoadedMethod(Call(call, features), signature, quick=True, alone=True, tables=features.is_frame)


class Features:
    """The columns of a model: numbers, and places of categories, texts and embeddings."""

    def __init__(self, model: Any) -> None:
        self.names: Sequence[str] = model.feature_names_
        self.categorical = frozenset(model.get_cat_feature_indices())
        self.texts = frozenset(model.get_text_feature_indices())
        self.embeddings = frozenset(model.get_embedding_feature_indices())
        self.mixed = bool(self.categorical | self.texts | self.embeddings)
        self.is_frame = list(self.names) != [str(place) for place in range(len(self.names))]

    @property
    def signature(self) -> Signature:
        """Names and types. A number may be null, CatBoost was made for it; a category may not, it refuses that."""
        if not self.is_frame:
            return Tensor("any" if self.mixed else "float64", (None, len(self.names)), nullable=True)
        return Frame(tuple(self.column(place, name) for place, name in enumerate(self.names)))

    def column(self, place: int, name: str) -> Column:
        """A column: categories are text or whole numbers, which are the same to CatBoost."""
        if place in self.categorical:
            return Column(name, "object")
        if place in self.texts:
            return Column(name, "str")
        if place in self.embeddings:
            return Column(name, "any")
        return Column(name, "float64", nullable=True)

    def matrix(self, value: Any) -> Matrix:
        """An array, a table or a dataframe as what CatBoost takes: numbers, or objects where not all are."""
        if not self.mixed:
            if isinstance(value, numpy.ndarray):
                return value
            return numpy.column_stack([numbers(column) for column in columns_of(value)])
        columns = list(value.T) if isinstance(value, numpy.ndarray) else columns_of(value)
        made = numpy.empty((len(columns[0]), len(columns)), dtype=object)
        for place, column in enumerate(columns):
            made[:, place] = self.cells(place, column)
        return made

    def cells(self, place: int, column: Any) -> list[Any]:
        """A column's cells, as CatBoost wants them."""
        if place in self.categorical:
            return [category(cell, self.names[place]) for cell in column]
        if place in self.texts or place in self.embeddings:
            return list(column)
        try:
            return list(numbers(column).tolist())
        except ValueError:
            raise ValueError(f"{self.names[place]} takes numbers") from None


def category(cell: Any, name: str) -> Any:
    """A category as CatBoost takes it: text, or a whole number, which JSON may write ``3.0``."""
    if isinstance(cell, (float, numpy.floating)) and float(cell).is_integer():
        return int(cell)
    if is_missing(cell) or isinstance(cell, (float, numpy.floating)):
        raise ValueError(f"{name} is a category: text or a whole number")
    return cell


class Call:
    """One method, held to the threads that it may have."""

    def __init__(self, call: Callable[..., Any], features: Features) -> None:
        self.call = call
        self.features = features
        self.threads = threads.allowed()

    def __call__(self, value: Any) -> Any:
        """Ask the model."""
        return self.call(self.features.matrix(value), thread_count=self.threads)


FORMAT = CatboostFormat()
