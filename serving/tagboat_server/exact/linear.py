"""Linear models: the very product that scikit-learn makes, without the checks around it.

The last bits of a product depend on the BLAS routine, and that on shapes, dtypes and memory layout. So the operands are
the same objects: the batch as ``check_array`` would leave it, and a view of the fitted ``coef_`` itself.
(scikit-learn ``linear_model/_base.py``, ``_logistic.py``, ``_stochastic_gradient.py``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy

from tagboat_server.exact import versions
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported, all_finite, around


class Product:
    """``X @ coef_.T + intercept_`` of one fitted estimator."""

    def __init__(self, estimator: Any) -> None:
        coefficients = estimator.coef_
        if type(coefficients) is not numpy.ndarray or coefficients.dtype.kind != "f":
            raise Unsupported("coefficients that are no dense array of numbers")
        if coefficients.ndim not in (1, 2):
            raise Unsupported("coefficients of an unknown shape")
        self.estimator = estimator
        self.coefficients = coefficients.T if coefficients.ndim == 2 else coefficients
        self.intercept = estimator.intercept_
        self.width = int(estimator.n_features_in_)
        if self.coefficients.shape[0] != self.width:
            raise Unsupported("coefficients for another number of features")

    def scores(self, batch: Array) -> Array:
        """One number a row and output. Raises `PassOn` for NaN and infinity, which scikit-learn refuses."""
        if not all_finite(batch):
            raise PassOn
        found: Array = batch @ self.coefficients + self.intercept
        return found


class Regressor(Product):
    """LinearRegression and its relatives."""

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        return self.scores(batch)


class FlatRegressor(Product):
    """SGDRegressor, whose answer is always one-dimensional."""

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        return self.scores(batch).ravel()


class Classifier(Product):
    """Linear classifiers, binary or not."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        if type(estimator.classes_) is not numpy.ndarray or estimator.classes_.ndim != 1:
            raise Unsupported("classes that are no list")
        self.classes = estimator.classes_

    def decision_function(self, batch: Array) -> Array:
        """As the estimator's."""
        scores = self.scores(batch)
        return scores.reshape(-1) if scores.ndim > 1 and scores.shape[1] == 1 else scores

    def predict(self, batch: Array) -> Array:
        """As the estimator's."""
        scores = self.decision_function(batch)
        chosen = (scores > 0).astype(numpy.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        found: Array = self.classes.take(chosen, axis=0)
        return found


class OneVersusRest(Classifier):
    """Probabilities by the logistic function, for several classes divided by their sum."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        from scipy.special import expit

        self.expit = expit

    def predict_proba(self, batch: Array) -> Array:
        """As the estimator's ``_predict_proba_lr``."""
        found = self.decision_function(batch)
        self.expit(found, out=found)
        if found.ndim == 1:
            return numpy.vstack([1 - found, found]).T
        total = found.sum(axis=1)
        if versions.at_least(1, 9):
            nothing = total == 0
            if nothing.any():
                found[nothing, :] = 1
                total[nothing] = found.shape[1]
        found /= total.reshape(-1, 1)
        return found

    def predict_log_proba(self, batch: Array) -> Array:
        """As the estimator's."""
        return numpy.log(self.predict_proba(batch))


class Multinomial(Classifier):
    """Probabilities by the softmax function."""

    def predict_proba(self, batch: Array) -> Array:
        """As the estimator's."""
        scores = self.decision_function(batch)
        if scores.ndim == 1:
            scores = numpy.c_[-scores, scores]
        scores -= scores.max(axis=1).reshape(-1, 1)
        numpy.exp(scores, out=scores)
        scores /= scores.sum(axis=1).reshape(-1, 1)
        return scores

    def predict_log_proba(self, batch: Array) -> Array:
        """As the estimator's."""
        return numpy.log(self.predict_proba(batch))


def regressor(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a linear regressor."""
    return programs(Regressor(estimator), ("predict",), methods)


def flat_regressor(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of an SGDRegressor."""
    return programs(FlatRegressor(estimator), ("predict",), methods)


def classifier(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a linear classifier without probabilities."""
    return programs(Classifier(estimator), ("predict", "decision_function"), methods)


def ridge_classifier(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a RidgeClassifier that was fitted on one label a row."""
    if estimator._label_binarizer.y_type_.startswith("multilabel"):  # noqa: SLF001
        raise Unsupported("several labels a row")
    return classifier(estimator, methods)


def logistic(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of a LogisticRegression; which function makes its probabilities changed over the versions."""
    kind = OneVersusRest if one_versus_rest(estimator) else Multinomial
    return programs(kind(estimator), PROBABILITIES, methods)


def one_versus_rest(estimator: Any) -> bool:
    """What ``LogisticRegression.predict_proba`` asks first."""
    binary = estimator.classes_.size <= 2
    if versions.at_least(1, 8):
        return bool(binary)
    how = getattr(estimator, "multi_class", "auto")
    by_rest = {"liblinear"} if versions.at_least(1, 6) else {"liblinear", "newton-cholesky"}
    undecided = {"auto", "deprecated"} if versions.at_least(1, 5) else {"auto"}
    return how in {"ovr", "warn"} or (how in undecided and bool(binary or estimator.solver in by_rest))


def stochastic(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The programs of an SGDClassifier; probabilities with the logarithmic loss only."""
    if estimator.loss == "log_loss":
        return programs(OneVersusRest(estimator), PROBABILITIES, methods)
    return classifier(estimator, methods)


PROBABILITIES = ("predict", "decision_function", "predict_proba", "predict_log_proba")


def programs(compiled: Product, known: Sequence[str], methods: Sequence[str]) -> dict[str, Program]:
    """One program a method that there is one for."""
    candidates = [around([0.25, -3.0, 1e3])] * compiled.width
    found: dict[str, Program] = {}
    for method in methods:
        if method in known:
            run: Callable[[Any], Any] = getattr(compiled, method)
            found[method] = Program(compiled.estimator, method, run, candidates)
    return found
