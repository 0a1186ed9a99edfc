"""Which models may answer on the event loop: those in which nobody's code but scikit-learn's own is called."""

from pathlib import Path

import numpy
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from tagboat_server.formats import estimators

ROWS = numpy.random.default_rng(0).normal(size=(40, 3))
CLASSES = numpy.arange(40) % 2


def own(rows):
    return rows


def kernel(left, right):
    return left @ right.T


class Own(TransformerMixin, BaseEstimator):
    def fit(self, rows, classes=None):
        return self

    def transform(self, rows):
        return rows


class Derived(LogisticRegression):
    """A class of somebody's own."""


def native(estimator):
    fitted = estimator.fit(ROWS, CLASSES)
    return estimators.wrap(fitted, "test", Path("model"), ()).methods["predict"].native


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), SVC()),
        KNeighborsClassifier(),
        make_pipeline(FunctionTransformer(numpy.abs), LogisticRegression()),
    ],
    ids=["svm", "neighbours", "numpy's function"],
)
def test_what_is_all_scikit_learns_may_answer_on_the_event_loop(estimator):
    assert native(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(FunctionTransformer(own), LogisticRegression()),
        make_pipeline(Own(), LogisticRegression()),
        Derived(),
        SVC(kernel=kernel),
    ],
    ids=["function", "transformer", "derived", "kernel"],
)
def test_code_of_somebodys_own_may_wait_and_stays_in_a_thread(estimator):
    assert not native(estimator)


def test_a_class_that_is_no_estimator_at_all_gets_a_thread():
    class Plain:
        n_features_in_ = 3

        def predict(self, rows):
            return [0.0] * len(rows)

    assert not estimators.wrap(Plain(), "test", Path("model"), ()).methods["predict"].native
