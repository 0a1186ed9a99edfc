"""XGBoost models as ``save_model`` writes them: JSON or UBJSON.

The file tells which class has saved it, and ``predict`` answers as that class does: `XGBClassifier` with classes,
`XGBRegressor` and `Booster` with what the objective gives (`Booster` of a classifier with probabilities). A classifier
has ``predict_proba`` too, whoever has saved it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.formats import threads
from tagboat_server.formats.matrices import Features, beginning
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Method, Tensor

ENDINGS = {".json", ".ubj"}
"""Those from which XGBoost tells the encoding; any other file is handed over as bytes, and it looks itself."""

CATEGORICAL, FLAG = "c", "i"
"""Types of features."""

LABELS, DISTRIBUTIONS = "multi:softmax", {"binary:logistic", "multi:softprob", "multi:softmax"}
"""The objective that gives classes, and those that have probabilities."""


class XgboostFormat:
    """See `Format`."""

    name = "xgboost"

    def recognises(self, path: Path) -> bool:
        """By an ending of its own, else by the first key of its JSON or UBJSON."""
        start = beginning(path)
        named = path.is_file() and path.suffix in {".ubj", ".model", ".xgb"}
        return named or (start.startswith(b"{") and b"learner" in start)

    def load(self, path: Path) -> LoadedModel:
        """Load with XGBoost."""
        with explained(path) as warnings:
            import xgboost

            booster = xgboost.Booster({"nthread": threads.allowed()})
            booster.load_model(str(path) if path.suffix in ENDINGS else bytearray(path.read_bytes()))
            # What was loaded may say how many threads the training had.
            booster.set_param({"nthread": threads.allowed()})
            boosted = Boosted(booster, xgboost.DMatrix)
        return LoadedModel(self.name, boosted.methods(), tuple(warnings), forkable=threads.forkable())


class Boosted:
    """A booster, and what its configuration tells."""

    def __init__(self, booster: Any, dmatrix: Any) -> None:
        self.booster = booster
        self.dmatrix = dmatrix
        learner = json.loads(booster.save_config())["learner"]
        shape = learner["learner_model_param"]
        self.objective: str = learner["objective"]["name"]
        self.linear = learner["gradient_booster"]["name"] == "gblinear"
        self.classes = max(int(shape["num_class"]), 2)
        self.outputs = int(shape["num_class"]) or int(shape.get("num_target", "1"))
        self.saved_by = json.loads(booster.attr("scikit_learn") or "{}")
        self.features = features_of(booster)
        best = booster.attr("best_iteration")
        # scikit-learn's wrapper leaves out the trees after the best iteration, the booster does not.
        self.trees = (0, int(best) + 1) if self.saved_by and best is not None else (0, 0)

    def methods(self) -> dict[str, LoadedMethod]:
        """The methods, as the class has them that saved the model."""
        several = self.outputs > 1
        methods = {}
        if self.is_classifier:
            multilabel = several and not self.objective.startswith("multi:")
            shape = (None, self.outputs) if multilabel else (None,)
            methods["predict"] = self.method(self.labels, Tensor("int64", shape))
        else:
            shape = (None, self.outputs) if several and self.objective != LABELS else (None,)
            methods["predict"] = self.method(self.values, Tensor("float32", shape))
        if self.objective in DISTRIBUTIONS:
            width = self.outputs if several else 2
            methods["predict_proba"] = self.method(self.probabilities, Tensor("float32", (None, width)))
        return methods

    @property
    def is_classifier(self) -> bool:
        """Whether `XGBClassifier` has saved the model. XGBoost before 1.6 names the class, later ones the kind."""
        kind = self.saved_by.get("_estimator_type") or self.saved_by.get("type") or ""
        return kind.lower().endswith("classifier")

    def method(self, call: Any, output: Tensor) -> LoadedMethod:
        """A method: native, and each row by itself."""
        return LoadedMethod(call, Method(self.features.signature, output), quick=True, alone=True, tables=True)

    def values(self, value: Any, *, margin: bool = False) -> Any:
        """What the objective gives for each row."""
        matrix = self.features.matrix(value)
        if self.linear:
            rows = self.dmatrix(matrix, nthread=threads.allowed())
            return self.booster.predict(rows, output_margin=margin, iteration_range=self.trees, validate_features=False)
        return self.booster.inplace_predict(
            matrix,
            iteration_range=self.trees,
            predict_type="margin" if margin else "value",
            validate_features=False,
        )

    def labels(self, value: Any) -> Any:
        """The class of each row, by number; XGBoost has no other names for them."""
        scores = self.values(value)
        if self.objective == LABELS:
            return scores.astype(numpy.int64)
        if scores.ndim == 2 and self.objective.startswith("multi:"):
            return scores.argmax(axis=1)
        return (scores > 0.5).astype(numpy.int64)

    def probabilities(self, value: Any) -> Any:
        """A probability for each class."""
        if self.objective == LABELS:
            return softmax(self.values(value, margin=True).reshape(-1, self.classes))
        given = self.values(value)
        return given if given.ndim == 2 else numpy.column_stack((1.0 - given, given))


def softmax(margins: Any) -> Any:
    """Margins as probabilities, as scikit-learn's wrapper makes them."""
    raised = numpy.exp(margins - margins.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def features_of(booster: Any) -> Features:
    """Names, types and, where the model has them, the categories.

    A category that the training had not is refused: XGBoost 3.2 answers for it as for the first of the known ones.
    """
    names: Optional[list[str]] = booster.feature_names
    types: list[str] = booster.feature_types or []
    width = booster.num_features()
    if names is None:
        return Features(width, None, {})
    categories = categories_of(booster) if CATEGORICAL in types else {}
    flags = [place for place, kind in enumerate(types) if kind == FLAG]
    return Features(width, names, categories, flags=flags, unknown=None)


def categories_of(booster: Any) -> dict[int, list[Any]]:
    """The categories by the places of their features, in the order of the codes; none before XGBoost 3.1.

    XGBoost hands them out as Arrow arrays alone, so they are read where it saves them. A category's text is there as
    numbers of bytes, so no text can look like what is looked for.
    """
    saved = bytes(booster.save_raw("json"))
    start = saved.find(b'"cats":{')
    if start < 0:
        return {}
    end = saved.index(b"]", saved.index(b'"sorted_idx":[', start))
    encoded = json.loads(saved[start + len(b'"cats":') : end + 1] + b"}")["enc"]
    found = {place: decoded(each) for place, each in enumerate(encoded)}
    return {place: values for place, values in found.items() if values}


def decoded(encoding: dict[str, Any]) -> list[Any]:
    """The categories of one feature: numbers, or text as bytes one after the other."""
    values: list[Any] = encoding["values"]
    if "offsets" not in encoding:
        return values
    text = bytes(value % 256 for value in values)
    bounds = encoding["offsets"]
    return [text[begin:end].decode() for begin, end in zip(bounds, bounds[1:])]


FORMAT = XgboostFormat()
