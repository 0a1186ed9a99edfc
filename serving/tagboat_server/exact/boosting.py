"""Gradient boosting: the compiled loop called directly, or for histograms all trees walked at once.

(scikit-learn ``ensemble/_gb.py`` and ``ensemble/_hist_gradient_boosting/``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy

from tagboat_server.exact import versions
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported, all_finite, around
from tagboat_server.exact.trees import LARGEST_WALK, is_tree
from tagboat_server.exact.walking import Nodes, Walk, sum_in_order

CLASSIFIER_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

THREADED = 5000
"""Rows from which on several threads are worth waking; a row's bits do not depend on it."""


class Gradient:
    """GradientBoosting: rows as float32, the first guess, and scikit-learn's own compiled loop over the stages."""

    missing = False

    def __init__(self, estimator: Any) -> None:
        from sklearn.ensemble._gradient_boosting import predict_stages

        for stage in estimator.estimators_.ravel():
            if not is_tree(stage):
                raise Unsupported(f"stages of {type(stage).__qualname__}")
        self.estimator = estimator
        self.width = int(estimator.n_features_in_)
        self.stages = estimator.estimators_
        self.rate = estimator.learning_rate
        self.predict_stages = predict_stages
        self.guess = self.first_guess()
        self.regression = not hasattr(estimator, "classes_")

    def first_guess(self) -> Array:
        """What every row starts from, one line; only where it is the same for every row."""
        init = self.estimator.init_
        constant = isinstance(init, str) and init == "zero"
        if not constant:
            kind = f"{type(init).__module__}.{type(init).__qualname__}"
            constant = kind in ("sklearn.dummy.DummyClassifier", "sklearn.dummy.DummyRegressor")
            constant = constant and init.strategy in ("prior", "mean", "median", "quantile", "constant")
        if not constant:
            raise Unsupported("a first guess that depends on the row")
        guess: Array = self.estimator._raw_predict_init(numpy.zeros((1, self.width), numpy.float32))  # noqa: SLF001
        return guess

    def raw(self, batch: Array) -> Array:
        """The sums before the link function, one line a row. Raises `PassOn` for NaN and what overflows."""
        rows = numpy.ascontiguousarray(batch, dtype=numpy.float32)
        if not all_finite(rows):
            raise PassOn
        found = self.guess.repeat(len(rows), axis=0)
        self.predict_stages(self.stages, rows, self.rate, found)
        return found

    def decision_function(self, batch: Array) -> Array:
        """As the estimator's."""
        raw = self.raw(batch)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict_proba(self, batch: Array) -> Array:
        """As the estimator's: by its own loss."""
        raw = self.decision_function(batch)
        loss = self.estimator._loss  # noqa: SLF001
        found: Array = loss.predict_proba(raw) if versions.at_least(1, 4) else loss._raw_prediction_to_proba(raw)  # noqa: SLF001
        return found

    def predict_log_proba(self, batch: Array) -> Array:
        """As the estimator's."""
        return numpy.log(self.predict_proba(batch))

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        if self.regression:
            return self.raw(batch).ravel()
        scores = self.decision_function(batch)
        if not versions.at_least(1, 4):
            chosen = self.estimator._loss._raw_prediction_to_decision(scores)  # noqa: SLF001
        elif scores.ndim == 1:
            chosen = (scores >= 0).astype(int)
        else:
            chosen = scores.argmax(axis=1)
        found: Array = self.estimator.classes_.take(chosen, axis=0)
        return found

    def is_alone(self, method: str) -> bool:
        """Whether an answer is made of sums and comparisons alone."""
        chosen = self.regression or versions.at_least(1, 4)
        return method == "decision_function" or (method == "predict" and chosen)

    def candidates(self) -> list[Array]:
        """For each feature the thresholds it is split at."""
        trees = [stage.tree_ for stage in self.stages.ravel()[:50]]
        features = numpy.concatenate([tree.feature for tree in trees])
        thresholds = numpy.concatenate([tree.threshold for tree in trees])
        return [around(thresholds[features == place][:100]) for place in range(self.width)]


class Histogram:
    """HistGradientBoosting on numbers: rows as float64, NaN and infinity welcome."""

    missing = True
    limit = 48

    def __init__(self, estimator: Any) -> None:
        from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

        if getattr(estimator, "_preprocessor", None) is not None or estimator.is_categorical_ is not None:
            raise Unsupported("columns treated as categories")
        self.estimator = estimator
        self.width = int(estimator.n_features_in_)
        self.predictors = estimator._predictors  # noqa: SLF001
        self.outputs = int(estimator.n_trees_per_iteration_)
        self.baseline = numpy.asarray(estimator._baseline_prediction, dtype=numpy.float64).reshape(1, -1)  # noqa: SLF001
        self.loss = estimator._loss  # noqa: SLF001
        self.regression = not hasattr(estimator, "classes_")
        self.threads = _openmp_effective_n_threads
        self.bitsets, self.map = estimator._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
        nodes = [predictor.nodes for stage in self.predictors for predictor in stage]
        if any(tree["is_categorical"].any() for tree in nodes):
            raise Unsupported("columns treated as categories")
        self.nodes = nodes
        self.walk = None
        if 0 < sum(len(tree) for tree in nodes) <= LARGEST_WALK:
            self.walk = Walk([nodes_of(tree) for tree in nodes], numpy.float64)
            self.values = numpy.concatenate([tree["value"] for tree in nodes])

    def raw(self, batch: Array) -> Array:
        """The sums before the link function, one line a row, column by column in memory as scikit-learn's."""
        rows = numpy.asarray(batch, dtype=numpy.float64)
        count = len(rows)
        found = numpy.zeros((count, self.outputs), order="F")
        if self.walk is not None and count <= self.limit:
            rows = numpy.ascontiguousarray(rows)
            missing = bool(numpy.isnan(rows).any())
            values = self.values.take(self.walk.leaves(rows, missing))
            parts = numpy.empty((1 + len(self.predictors), self.outputs, count))
            parts[0] = self.baseline.reshape(-1, 1)
            parts[1:] = values.reshape(len(self.predictors), self.outputs, count)
            found[...] = sum_in_order(parts).T
            return found
        found += self.baseline
        threads = self.threads(None) if count >= THREADED else 1
        for stage in self.predictors:
            for output, predictor in enumerate(stage):
                found[:, output] += predictor.predict(rows, self.bitsets, self.map, threads)
        return found

    def decision_function(self, batch: Array) -> Array:
        """As the estimator's."""
        raw = self.raw(batch)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict_proba(self, batch: Array) -> Array:
        """As the estimator's: by its own loss."""
        found: Array = self.loss.predict_proba(self.raw(batch))
        return found

    def predict_log_proba(self, batch: Array) -> Array:
        """As the estimator's."""
        return numpy.log(self.predict_proba(batch))

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        if self.regression:
            found: Array = self.loss.link.inverse(self.raw(batch).ravel())
            return found
        if not versions.at_least(1, 5):
            chosen = self.predict_proba(batch).argmax(axis=1)
        else:
            raw = self.raw(batch)
            chosen = (raw.ravel() > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.estimator.classes_[chosen]

    def is_alone(self, method: str) -> bool:
        """Whether an answer is made of sums and comparisons alone: no link function, no probabilities."""
        if self.regression:
            return type(self.loss.link).__name__ == "IdentityLink"
        return method == "decision_function" or (method == "predict" and versions.at_least(1, 5))

    def candidates(self) -> list[Array]:
        """For each feature the thresholds it is split at."""
        nodes = [tree[tree["is_leaf"] == 0] for tree in self.nodes[:50]]
        features = numpy.concatenate([tree["feature_idx"] for tree in nodes]) if nodes else numpy.empty(0)
        thresholds = numpy.concatenate([tree["num_threshold"] for tree in nodes]) if nodes else numpy.empty(0)
        return [around(thresholds[features == place][:100]) for place in range(self.width)]


def nodes_of(tree: Array) -> Nodes:
    """The nodes of one histogram tree."""
    inner = tree["is_leaf"] == 0
    left = numpy.where(inner, tree["left"].astype(numpy.intp), -1)
    right = numpy.where(inner, tree["right"].astype(numpy.intp), -1)
    return Nodes(tree["feature_idx"], tree["num_threshold"], left, right, tree["missing_go_to_left"])


def gradient(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a GradientBoosting estimator."""
    return programs(Gradient(estimator), methods)


def histogram(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a HistGradientBoosting estimator."""
    return programs(Histogram(estimator), methods)


def programs(compiled: Any, methods: Sequence[str]) -> dict[str, Program]:
    """One program a method that there is one for."""
    candidates = compiled.candidates()
    known = ("predict",) if compiled.regression else CLASSIFIER_METHODS
    found: dict[str, Program] = {}
    for method in methods:
        if method in known and hasattr(compiled.estimator, method):
            run: Callable[[Any], Any] = getattr(compiled, method)
            found[method] = Program(
                compiled.estimator, method, run, candidates, missing=compiled.missing, alone=compiled.is_alone(method)
            )
    return found
