"""Gradient boosting keeps its bits, by the compiled stages or by the walk."""

import numpy
import pytest
from sklearn import ensemble
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from tagboat_server.exact import accelerate

CLASSIFIERS = [ensemble.GradientBoostingClassifier, ensemble.HistGradientBoostingClassifier]
REGRESSORS = [ensemble.GradientBoostingRegressor, ensemble.HistGradientBoostingRegressor]


def new(kind, **settings):
    """An estimator of few stages that is the same each time."""
    settings.setdefault("n_estimators" if kind.__name__.startswith("Gradient") else "max_iter", 25)
    return kind(random_state=0, **settings)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("kinds", [2, 3])
def test_classifiers_keep_their_bits(kind, kinds, exact, blobs, batches_of):
    rows, classes, _ = blobs
    labels = numpy.array(["low", "middle", "high"])[numpy.minimum(classes, kinds - 1)]
    exact(new(kind).fit(rows, labels), batches_of(rows))


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("loss", ["squared_error", "quantile", "absolute_error"])
def test_regressors_keep_their_bits(kind, loss, exact, blobs, batches_of):
    rows, _, numbers = blobs
    extra = {"quantile": 0.7} if loss == "quantile" and kind is REGRESSORS[1] else {}
    exact(new(kind, loss=loss, **extra).fit(rows, numbers), batches_of(rows))


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_links_other_than_identity_keep_their_bits(loss, exact, blobs, batches_of):
    rows, _, numbers = blobs
    exact(new(REGRESSORS[1], loss=loss).fit(rows, numbers - numbers.min() + 1), batches_of(rows))


@pytest.mark.parametrize("settings", [{"loss": "exponential"}, {"init": "zero"}, {"init": DummyClassifier()}])
def test_losses_and_first_guesses_keep_their_bits(settings, exact, blobs, batches_of):
    rows, classes, _ = blobs
    exact(new(CLASSIFIERS[0], **settings).fit(rows, classes > 0), batches_of(rows))


def test_a_first_guess_that_looks_at_the_row_is_left_to_scikit_learn(blobs):
    rows, classes, _ = blobs
    estimator = new(CLASSIFIERS[0], init=LogisticRegression(max_iter=5000)).fit(rows / 100, classes > 0)
    said = []
    assert accelerate(estimator, "predict", tell=said.append) is None
    assert said == ["no exact fast path: a first guess that depends on the row"]


@pytest.mark.parametrize("kind", [CLASSIFIERS[1], REGRESSORS[1]])
def test_histograms_send_missing_and_infinite_values_where_training_sent_them(kind, exact, blobs):
    rows, classes, numbers = blobs
    generator = numpy.random.default_rng(2)
    holes = numpy.where(generator.random(rows.shape) < 0.3, numpy.nan, rows)
    for training in (rows, holes):
        estimator = new(kind).fit(training, classes if kind in CLASSIFIERS else numbers)
        odd = holes.copy()
        odd[::3, 1], odd[::4, 2] = numpy.inf, -numpy.inf
        exact(estimator, [*(odd[:size] for size in (1, 2, 5, 48, 49, 400)), numpy.full((3, 6), numpy.nan)])


@pytest.mark.parametrize("kind", [CLASSIFIERS[1], REGRESSORS[1]])
def test_histograms_keep_their_bits_on_thresholds(kind, exact, blobs):
    rows, classes, numbers = blobs
    estimator = new(kind).fit(rows, classes if kind in CLASSIFIERS else numbers)
    nodes = numpy.concatenate([tree.nodes for stage in estimator._predictors for tree in stage])
    exactly = nodes["num_threshold"][nodes["is_leaf"] == 0]
    pool = numpy.concatenate([exactly, *(numpy.nextafter(exactly, side) for side in (numpy.inf, -numpy.inf))])
    drawn = numpy.random.default_rng(0).choice(pool, (300, 6))
    exact(estimator, [drawn[:size] for size in (1, 2, 48, 49, 300)])


def test_columns_treated_as_categories_are_left_to_scikit_learn(blobs):
    rows, classes, _ = blobs
    rows = numpy.column_stack([rows, classes])
    estimator = new(CLASSIFIERS[1], categorical_features=[6]).fit(rows, classes)
    said = []
    assert accelerate(estimator, "predict", tell=said.append) is None
    assert said == ["no exact fast path: columns treated as categories"]
