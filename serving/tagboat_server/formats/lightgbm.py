"""LightGBM models as ``Booster.save_model`` writes them: text.

``predict`` is `Booster.predict` (a probability, or one for each class; the value of a regression), whoever has trained
it: the file does not tell whether scikit-learn's wrapper did. A classifier has ``predict_proba`` too, as the wrapper
has it.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.formats.matrices import Features, beginning
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Method, Tensor

START = (b"tree\n", b"tree\r\n")
TREES_END, PARAMETERS, PARAMETERS_END = b"\nend of trees", b"\nparameters:", b"\nend of parameters"
PANDAS = b"pandas_categorical:"
"""What stands behind the trees: how the model was trained, and pandas' categories."""

OBJECTIVE = "objective="
CATEGORICAL = "[categorical_feature: "
"""How lines of the text begin."""

BINARY = "binary"
MULTICLASS = ("multiclass", "multiclassova")


class LightgbmFormat:
    """See `Format`."""

    name = "lightgbm"

    def recognises(self, path: Path) -> bool:
        """By the ending ``.lgb``, else by the first line."""
        return (path.suffix == ".lgb" and path.is_file()) or beginning(path).startswith(START)

    def load(self, path: Path) -> LoadedModel:
        """Load with LightGBM."""
        with explained(path) as warnings:
            import lightgbm

            check(path)
            booster = lightgbm.Booster(model_file=str(path))
            told = booster.model_to_string(num_iteration=1).splitlines()
            features = features_of(booster, told, path)
        predict = Predict(booster, features)
        objective = objective_of(told)
        classes = booster.num_model_per_iteration()
        width = (None,) if classes == 1 else (None, classes)
        methods = {"predict": method(predict, features, Tensor("float64", width))}
        if objective == BINARY:
            methods["predict_proba"] = method(Both(predict), features, Tensor("float64", (None, 2)))
        elif objective in MULTICLASS:
            methods["predict_proba"] = methods["predict"]
        return LoadedModel(self.name, methods, tuple(warnings), forkable=threads.forkable())


def check(path: Path) -> None:
    """Refuse a file that was cut off: LightGBM ends the process over some of them, and loads others."""
    if not beginning(path).startswith(START):
        raise ModelError("this is no LightGBM model", where=path.name, hint="Save it with Booster.save_model.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        trees = content.rfind(TREES_END)
        if trees < 0:
            raise ModelError("the file ends before its last tree", where=path.name)
        rest = content[trees:]
    end = rest.find(PARAMETERS_END)
    after = rest[end + len(PARAMETERS_END) :].strip() if end >= 0 else b""
    if (PARAMETERS in rest and end < 0) or (after and not after.startswith(PANDAS)):
        raise ModelError("the file ends before its last line", where=path.name)


def method(call: Any, features: Features, output: Tensor) -> LoadedMethod:
    """A method of a booster: native, and each row by itself."""
    return LoadedMethod(call, Method(features.signature, output), quick=True, alone=True, tables=True)


class Predict:
    """`Booster.predict`."""

    def __init__(self, booster: Any, features: Features) -> None:
        self.booster = booster
        self.features = features
        self.threads = threads.allowed()

    def __call__(self, value: Any) -> Any:
        """A probability or a value for each row, or one for each class."""
        return self.booster.predict(self.features.matrix(value), num_threads=self.threads)


class Both:
    """The probabilities of both classes."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict

    def __call__(self, value: Any) -> Any:
        """A row of two for each row."""
        positive = self.predict(value)
        return numpy.column_stack((1.0 - positive, positive))


def features_of(booster: Any, told: Sequence[str], path: Path) -> Features:
    """The features; ``told``: the lines of the model's text.

    LightGBM calls them ``Column_0`` and so on where it was trained without names.
    """
    names: Optional[list[str]] = booster.feature_name()
    width = booster.num_feature()
    if names == [f"Column_{place}" for place in range(width)]:
        names = None
    categories = booster.pandas_categorical or []
    places = next((line[len(CATEGORICAL) : -1] for line in told if line.startswith(CATEGORICAL)), "")
    categorical = sorted(int(place) for place in places.split(",") if place)
    if categories and len(categorical) != len(categories):
        raise ModelError(
            f"the file names {len(categorical)} categorical features, and the categories of {len(categories)}",
            where=path.name,
            hint="Train with one kind of them: columns of pandas' dtype category, or `categorical_feature`.",
        )
    return Features(width, names, dict(zip(categorical, categories)))


def objective_of(told: Sequence[str]) -> Optional[str]:
    """The objective's name, or None for one of the user's own."""
    return next((line[len(OBJECTIVE) :].partition(" ")[0] for line in told if line.startswith(OBJECTIVE)), None)


FORMAT = LightgbmFormat()
