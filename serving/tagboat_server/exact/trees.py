"""Decision trees and forests: the leaves found without scikit-learn's wrapper around every tree.

A forest's answer is the sum of its trees' answers in their order, divided by their number; a tree's answer is the value
of a leaf. (scikit-learn ``ensemble/_forest.py`` and ``tree/_classes.py``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy

from tagboat_server.exact import versions
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported, all_finite, any_infinite, around
from tagboat_server.exact.walking import Nodes, Walk, sum_in_order

CLASSIFIER_METHODS = ("predict", "predict_proba", "predict_log_proba")
REGRESSOR_METHODS = ("predict",)

LARGEST_WALK = 1_000_000
"""Nodes; a larger model is answered tree by tree, so that its nodes are not kept twice (28 bytes each)."""

TREES = {
    "DecisionTreeClassifier": "sklearn.tree._classes",
    "DecisionTreeRegressor": "sklearn.tree._classes",
    "ExtraTreeClassifier": "sklearn.tree._classes",
    "ExtraTreeRegressor": "sklearn.tree._classes",
}


class Forest:
    """What the methods of one fitted forest, or of a single tree, have in common."""

    def __init__(self, estimator: Any, trees: Sequence[Any], missing: bool) -> None:
        self.estimator = estimator
        self.count = len(trees)
        self.missing = missing
        self.width = int(estimator.n_features_in_)
        self.outputs = int(estimator.n_outputs_)
        self.trees = [tree.tree_ for tree in trees]
        self.values = [self.value_of(tree) for tree in self.trees]
        total = sum(len(values) for values in self.values)
        self.walk = None
        self.limit = 0
        if self.count > 1 and total <= LARGEST_WALK:
            self.walk = Walk([nodes_of(tree) for tree in self.trees], numpy.float32)
            self.table = numpy.concatenate(self.values)
            # Measured: a level of the walk costs about as much as two calls of a tree; beyond 48 rows the calls win.
            self.limit = 48 if self.count >= 2 * min(self.walk.levels, 16) else 0

    def value_of(self, tree: Any) -> Array:
        """What the leaves of a tree answer, one line a node: (outputs x classes) in one line."""
        return numpy.ascontiguousarray(tree.value, dtype=numpy.float64).reshape(tree.node_count, -1)

    def rows(self, batch: Array) -> tuple[Array, bool]:
        """The rows as float32, and whether a cell is NaN. Raises `PassOn` for what scikit-learn would refuse."""
        rows = numpy.ascontiguousarray(batch, dtype=numpy.float32)
        if all_finite(rows):
            return rows, False
        if not self.missing or any_infinite(rows):
            raise PassOn
        return rows, True

    def total(self, batch: Array) -> Array:
        """The sum of the trees' answers, one line a row."""
        rows, missing = self.rows(batch)
        if self.walk is not None and len(rows) <= self.limit:
            return sum_in_order(self.table.take(self.walk.leaves(rows, missing), axis=0))
        total = numpy.zeros((len(rows), self.values[0].shape[1]))
        for tree, values in zip(self.trees, self.values):
            total += values.take(tree.apply(rows), axis=0)
        return total

    def candidates(self) -> list[Array]:
        """For each feature the thresholds it is split at."""
        features = numpy.concatenate([tree.feature for tree in self.trees[:20]])
        thresholds = numpy.concatenate([tree.threshold for tree in self.trees[:20]])
        return [around(thresholds[features == place][:100]) for place in range(self.width)]


class ClassifierForest(Forest):
    """Classes and their probabilities."""

    def __init__(self, estimator: Any, trees: Sequence[Any], missing: bool) -> None:
        several = int(estimator.n_outputs_) > 1
        self.classes = list(estimator.classes_) if several else [estimator.classes_]
        self.counts = [int(count) for count in numpy.atleast_1d(estimator.n_classes_)]
        super().__init__(estimator, trees, missing)

    def value_of(self, tree: Any) -> Array:
        """Probabilities. Until 1.3 a tree keeps weights, which are divided by their sum at each call."""
        value = tree.value
        if versions.at_least(1, 4):
            return super().value_of(tree)
        value = numpy.array(value, dtype=numpy.float64)
        for output, count in enumerate(self.counts):
            part = value[:, output, :count]
            normalizer = part.sum(axis=1)[:, numpy.newaxis]
            normalizer[normalizer == 0.0] = 1.0
            part /= normalizer
        return value.reshape(len(value), -1)

    def probabilities(self, batch: Array) -> list[Array]:
        """For each output the probabilities of its classes."""
        total = self.total(batch)
        total /= self.count
        if self.outputs == 1:
            return [total]
        shaped = total.reshape(len(total), self.outputs, -1)
        return [numpy.ascontiguousarray(shaped[:, output, :count]) for output, count in enumerate(self.counts)]

    def predict_proba(self, batch: Array) -> Any:
        """As the estimator's: an array, or with several outputs a list of them."""
        found = self.probabilities(batch)
        return found[0] if self.outputs == 1 else found

    def predict_log_proba(self, batch: Array) -> Any:
        """As the estimator's."""
        found = [numpy.log(part) for part in self.probabilities(batch)]
        return found[0] if self.outputs == 1 else found

    def predict(self, batch: Array) -> Array:
        """The likeliest classes."""
        return self.likeliest(self.probabilities(batch))

    def likeliest(self, scores: Sequence[Array]) -> Array:
        """The classes of the greatest scores, in the dtype of the first output's classes."""
        if self.outputs == 1:
            chosen: Array = self.classes[0].take(scores[0].argmax(axis=1), axis=0)
            return chosen
        answer = numpy.empty((len(scores[0]), self.outputs), dtype=self.classes[0].dtype)
        for output, part in enumerate(scores):
            answer[:, output] = self.classes[output].take(part.argmax(axis=1), axis=0)
        return answer


class ClassifierTree(ClassifierForest):
    """A single tree: its probabilities are not divided, and until 1.3 it decides by its weights."""

    def probabilities(self, batch: Array) -> list[Array]:
        """For each output the probabilities of its classes."""
        rows, _ = self.rows(batch)
        return self.parts(self.values[0].take(self.trees[0].apply(rows), axis=0))

    def predict(self, batch: Array) -> Array:
        """The likeliest classes."""
        rows, _ = self.rows(batch)
        found = self.trees[0].predict(rows).reshape(len(rows), self.outputs, -1)
        return self.likeliest([found[:, output] for output in range(self.outputs)])

    def parts(self, found: Array) -> list[Array]:
        """A line of all outputs taken apart."""
        if self.outputs == 1:
            return [found]
        shaped = found.reshape(len(found), self.outputs, -1)
        return [shaped[:, output, :count] for output, count in enumerate(self.counts)]


class RegressorForest(Forest):
    """One number a row, or with several outputs one line."""

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        total = self.total(batch)
        total /= self.count
        return total[:, 0] if self.outputs == 1 else total


class RegressorTree(Forest):
    """A single tree."""

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        rows, _ = self.rows(batch)
        found = self.values[0].take(self.trees[0].apply(rows), axis=0)
        return found[:, 0] if self.outputs == 1 else found


def forest(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a forest. Its trees are plain trees, fitted for the same outputs."""
    trees = estimator.estimators_
    for tree in trees:
        if not is_tree(tree):
            raise Unsupported(f"a forest of {type(tree).__qualname__}")
        if tree.n_outputs_ != estimator.n_outputs_ or tree.n_features_in_ != estimator.n_features_in_:
            raise Unsupported("trees that do not fit their forest")
    allows = versions.at_least(1, 4) and trees[0]._support_missing_values(numpy.zeros((1, 1), numpy.float32))  # noqa: SLF001
    kind = ClassifierForest if hasattr(estimator, "classes_") else RegressorForest
    return programs(kind(estimator, trees, bool(allows)), methods)


def tree(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a single tree."""
    allows = bool(estimator._support_missing_values(numpy.zeros((1, 1), numpy.float32)))  # noqa: SLF001
    kind = ClassifierTree if hasattr(estimator, "classes_") else RegressorTree
    return programs(kind(estimator, [estimator], allows), methods)


def programs(compiled: Forest, methods: Sequence[str]) -> dict[str, Program]:
    """One program a method that there is one for."""
    candidates = compiled.candidates()
    found: dict[str, Program] = {}
    known = CLASSIFIER_METHODS if isinstance(compiled, ClassifierForest) else REGRESSOR_METHODS
    for method in methods:
        if method in known:
            run: Callable[[Any], Any] = getattr(compiled, method)
            found[method] = Program(
                compiled.estimator,
                method,
                run,
                candidates,
                missing=compiled.missing,
                alone=method != "predict_log_proba",
            )
    return found


def is_tree(estimator: Any) -> bool:
    """Whether this is one of scikit-learn's own trees, no subclass."""
    return TREES.get(type(estimator).__qualname__) == type(estimator).__module__


def nodes_of(tree: Any) -> Nodes:
    """The nodes of one compiled tree; its state names whether missing values go left."""
    state = tree.__getstate__()["nodes"]
    missing = state["missing_go_to_left"] if "missing_go_to_left" in state.dtype.names else numpy.zeros(len(state))
    return Nodes(tree.feature, tree.threshold, tree.children_left, tree.children_right, missing)
