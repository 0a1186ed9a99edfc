"""Linear models multiply what scikit-learn multiplies: same operands, same layout, same bits."""

import warnings

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import linear_model, svm
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tagboat_server.exact import versions

REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.Lasso(),
    linear_model.LassoCV(cv=3),
    linear_model.ElasticNet(),
    linear_model.ElasticNetCV(cv=3),
    linear_model.BayesianRidge(),
    linear_model.ARDRegression(),
    linear_model.HuberRegressor(),
    linear_model.SGDRegressor(),
    svm.LinearSVR(),
]
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.LogisticRegression(solver="newton-cg", fit_intercept=False),
    linear_model.LogisticRegressionCV(cv=3),
    linear_model.SGDClassifier(),
    linear_model.SGDClassifier(loss="log_loss"),
    linear_model.RidgeClassifier(),
    linear_model.RidgeClassifierCV(),
    svm.LinearSVC(),
]


def fit(estimator, rows, wanted):
    """Fitted, whatever it says of convergence and its future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return estimator.fit(rows, wanted)


@pytest.mark.parametrize("estimator", REGRESSORS, ids=lambda value: type(value).__name__)
def test_regressors_keep_their_bits(estimator, exact, blobs, batches_of):
    rows, _, numbers = blobs
    exact(fit(estimator, rows / 100, numbers), batches_of(rows))


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("kinds", [2, 3])
def test_classifiers_keep_their_bits(estimator, kinds, exact, blobs, batches_of):
    rows, classes, _ = blobs
    labels = numpy.array(["low", "middle", "high"])[numpy.minimum(classes, kinds - 1)]
    estimator = fit(estimator, rows / 100, labels)
    # Probabilities of SGD are made row by row only with the logarithmic loss.
    exact(estimator, batches_of(rows / 10))


@pytest.mark.parametrize("wanted", [1, 3])
def test_several_outputs_keep_their_bits(wanted, exact, blobs, batches_of):
    rows, _, numbers = blobs
    several = numpy.column_stack([numbers, -numbers, rows[:, 0]][:wanted])
    exact(fit(linear_model.LinearRegression(), rows, several), batches_of(rows))


@pytest.mark.parametrize("solver", ["lbfgs", "liblinear", "newton-cholesky"])
@pytest.mark.parametrize("kinds", [2, 3])
def test_probabilities_are_made_as_the_version_makes_them(solver, kinds, exact, blobs, batches_of):
    rows, classes, _ = blobs
    if kinds == 3 and solver == "liblinear" and versions.at_least(1, 8):
        pytest.skip("liblinear is binary from 1.8 on")
    estimator = linear_model.LogisticRegression(solver=solver)
    exact(fit(estimator, rows / 100, numpy.minimum(classes, kinds - 1)), batches_of(rows / 10))


@pytest.mark.parametrize("how", ["ovr", "multinomial"])
@pytest.mark.parametrize("kinds", [2, 3])
def test_the_old_choice_between_rest_and_softmax_is_kept(how, kinds, exact, blobs, batches_of):
    if versions.at_least(1, 8):
        pytest.skip("multi_class is gone from 1.8 on")
    rows, classes, _ = blobs
    estimator = linear_model.LogisticRegression(multi_class=how)
    exact(fit(estimator, rows / 100, numpy.minimum(classes, kinds - 1)), batches_of(rows / 10))


def test_a_model_fitted_on_float32_keeps_its_bits(exact, blobs, batches_of):
    rows, classes, numbers = blobs
    single = (rows / 100).astype(numpy.float32)
    exact(fit(linear_model.LogisticRegression(), single, classes), batches_of(rows))
    exact(fit(linear_model.Ridge(), single, numbers.astype(numpy.float32)), batches_of(rows))


@pytest.fixture(scope="module")
def fitted(exact, blobs):
    rows, classes, numbers = blobs
    models = [
        fit(make_pipeline(StandardScaler(), linear_model.LogisticRegression()), rows, classes),
        fit(make_pipeline(StandardScaler(), linear_model.LogisticRegression()), rows, classes > 0),
        fit(linear_model.LinearRegression(), rows, numbers),
    ]
    return [(model, exact.choose(model)) for model in models]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_rows_keep_their_bits(data, fitted, exact):
    count = data.draw(st.integers(1, 70))
    rows = data.draw(arrays(numpy.float64, (count, 6), elements=st.floats(-1e30, 1e30)))
    rows = numpy.array(rows, dtype=data.draw(st.sampled_from(["f4", "f8"])), order=data.draw(st.sampled_from("CF")))
    for model, chosen in fitted:
        for method, fast in chosen.items():
            exact.check(fast, getattr(model, method), rows)
