"""Trees and forests answer as scikit-learn does on every side of every split."""

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import ensemble, tree

from tagboat_server.exact import versions
from tagboat_server.exact.walking import Nodes, Walk, round_down, sum_in_order

CLASSIFIERS = [
    ensemble.RandomForestClassifier,
    ensemble.ExtraTreesClassifier,
    tree.DecisionTreeClassifier,
    tree.ExtraTreeClassifier,
]
REGRESSORS = [
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesRegressor,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeRegressor,
]
FORESTS = [kind for kind in (*CLASSIFIERS, *REGRESSORS) if "Forest" in kind.__name__ or "Trees" in kind.__name__]


def new(kind, **settings):
    """An estimator of few trees that is the same each time."""
    if kind in FORESTS:
        settings.setdefault("n_estimators", 34)
    return kind(random_state=0, **settings)


def boundaries(estimator, count, seed=0):
    """Rows whose cells are thresholds of the model, or one step beside them in float32 or float64."""
    trees = [member.tree_ for member in getattr(estimator, "estimators_", [estimator])]
    thresholds = numpy.concatenate([member.threshold[member.children_left >= 0] for member in trees])
    single = thresholds.astype(numpy.float32)
    up, down = (numpy.nextafter(single, numpy.float32(side)) for side in (numpy.inf, -numpy.inf))
    beside = [numpy.nextafter(thresholds, side) for side in (numpy.inf, -numpy.inf)]
    pool = numpy.concatenate([thresholds, single, up, down, *beside])
    pool = pool[abs(pool) < 1e30]  # a split between present and missing has an infinite threshold
    return numpy.random.default_rng(seed).choice(pool, (count, estimator.n_features_in_)).astype(numpy.float64)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_keep_their_bits(kind, exact, blobs, batches_of):
    rows, classes, _ = blobs
    estimator = new(kind, max_depth=7).fit(rows, classes)
    exact(estimator, [*batches_of(rows), *(boundaries(estimator, size) for size in (1, 5, 48, 49, 200))])


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_keep_their_bits(kind, exact, blobs, batches_of):
    rows, _, numbers = blobs
    estimator = new(kind).fit(rows, numbers)
    exact(estimator, [*batches_of(rows), *(boundaries(estimator, size) for size in (1, 5, 48, 49, 200))])


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_several_outputs_keep_their_bits(kind, exact, blobs, batches_of):
    rows, classes, numbers = blobs
    wanted = [classes, classes > 0] if kind in CLASSIFIERS else [numbers, -numbers, rows[:, 0]]
    exact(new(kind, max_depth=5).fit(rows, numpy.column_stack(wanted)), batches_of(rows, (1, 2, 48, 49)))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("labels", [["no", "maybe", "yes, truly"], [True, False, True], [-1.0, 2.0, 1e9], [7, 7, 7]])
def test_labels_of_any_dtype_come_back_as_they_were(kind, labels, exact, blobs, batches_of):
    rows, classes, _ = blobs
    exact(new(kind, max_depth=4).fit(rows, numpy.array(labels)[classes]), batches_of(rows, (1, 2, 49)))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_labels_that_are_objects_come_back_as_objects(kind, exact, blobs):
    rows, classes, _ = blobs
    estimator = new(kind, max_depth=4).fit(rows, numpy.array(["a", "bb", "ccc"], dtype=object)[classes])
    exact(estimator, [rows[:1], rows[:60]])


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_weights_of_rows_and_classes_keep_their_bits(kind, exact, blobs, batches_of):
    rows, classes, _ = blobs
    weights = numpy.random.default_rng(1).random(len(rows))
    estimator = new(kind, max_depth=6, class_weight="balanced").fit(rows, classes, sample_weight=weights)
    exact(estimator, batches_of(rows, (1, 2, 49, 400)))


@pytest.mark.parametrize("kind", [ensemble.RandomForestClassifier, ensemble.RandomForestRegressor])
def test_missing_values_go_where_they_went_in_training(kind, exact, blobs):
    if not versions.at_least(1, 4):
        pytest.skip("forests take no missing values before 1.4")
    rows, classes, numbers = blobs
    generator = numpy.random.default_rng(3)
    holes = numpy.where(generator.random(rows.shape) < 0.3, numpy.nan, rows)
    estimator = new(kind).fit(holes, classes if kind in CLASSIFIERS else numbers)
    for source in (holes, numpy.full_like(rows, numpy.nan)):
        exact(estimator, [source[:size] for size in (1, 2, 30, 48, 49, 400)])
    mixed = boundaries(estimator, 40)
    exact(estimator, [numpy.where(generator.random(mixed.shape) < 0.3, numpy.nan, mixed)])


@pytest.mark.parametrize("kind", [tree.DecisionTreeClassifier, tree.DecisionTreeRegressor])
def test_a_single_tree_takes_missing_values(kind, exact, blobs):
    rows, classes, numbers = blobs
    holes = numpy.where(numpy.random.default_rng(3).random(rows.shape) < 0.3, numpy.nan, rows)
    estimator = new(kind).fit(holes, classes if kind in CLASSIFIERS else numbers)
    exact(estimator, [holes[:size] for size in (1, 2, 49, 400)])


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("count", [1, 2, 3, 150])
def test_forests_of_any_size_keep_their_bits(kind, count, exact, blobs):
    rows, classes, numbers = blobs
    estimator = new(kind, n_estimators=count, max_depth=8).fit(rows, classes if kind in CLASSIFIERS else numbers)
    exact(estimator, [rows[:size] for size in (1, 2, 48, 49)])


@pytest.mark.parametrize("kind", FORESTS)
def test_trees_that_are_one_leaf_keep_their_bits(kind, exact, blobs):
    rows, _, _ = blobs
    exact(new(kind).fit(rows, numpy.zeros(len(rows))), [rows[:1], rows[:60]])


def test_negative_zeros_are_summed_as_a_loop_sums_them(exact, blobs):
    rows, _, _ = blobs
    estimator = new(ensemble.RandomForestRegressor).fit(rows, numpy.full(len(rows), -0.0))
    exact(estimator, [rows[:1], rows[:2], rows[:60]])


def test_a_fitted_forest_with_deep_and_shallow_trees_keeps_its_bits(exact):
    generator = numpy.random.default_rng(5)
    rows = 2.0 ** numpy.arange(60).reshape(-1, 1)
    estimator = new(ensemble.ExtraTreesRegressor, n_estimators=60).fit(rows, generator.normal(size=60))
    assert max(member.get_depth() for member in estimator.estimators_) > 16
    exact(estimator, [rows[:1], rows[-1:], rows[:48], rows, boundaries(estimator, 48)])


@pytest.fixture(scope="module")
def fitted(exact, blobs):
    rows, classes, numbers = blobs
    models = [
        new(ensemble.RandomForestClassifier).fit(rows, classes),
        new(ensemble.ExtraTreesRegressor).fit(rows, numbers),
    ]
    return [(model, exact.choose(model)) for model in models]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_rows_keep_their_bits(data, fitted, exact):
    width = st.sampled_from([32, 64])
    cells = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 5e-324, 1e-45])
    count = data.draw(st.integers(1, 60))
    for model, chosen in fitted:
        pool = boundaries(model, 200).ravel().tolist()
        rows = data.draw(arrays(numpy.float64, (count, 6), elements=cells | st.sampled_from(pool)))
        rows = rows.astype(f"float{data.draw(width)}")
        for method, fast in chosen.items():
            exact.check(fast, getattr(model, method), rows)


@settings(max_examples=200, deadline=None)
@given(
    arrays(
        numpy.float64,
        st.tuples(st.integers(1, 130), st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(-1e9, 1e9),
    )
)
def test_a_sum_is_made_one_after_the_other(parts):
    total = numpy.zeros(parts.shape[1:])
    for part in parts:
        total += part
    assert sum_in_order(parts).tobytes() == total.tobytes()


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_a_rounded_threshold_decides_as_the_threshold(threshold, value):
    rounded = round_down(numpy.array([threshold]), numpy.float32)[0]
    assert (numpy.float32(value) <= rounded) == (numpy.float64(value) <= threshold)


def test_the_walk_finds_the_leaves_that_the_compiled_trees_find(blobs):
    rows, classes, _ = blobs
    model = new(ensemble.RandomForestClassifier).fit(rows, classes)
    from tagboat_server.exact.trees import nodes_of

    trees = [member.tree_ for member in model.estimators_]
    walk = Walk([nodes_of(member) for member in trees], numpy.float32)
    single = rows.astype(numpy.float32)
    starts = numpy.cumsum([0, *(member.node_count for member in trees)])[:-1]
    wanted = numpy.array([member.apply(single) + start for member, start in zip(trees, starts)])
    assert (walk.leaves(single, missing=False) == wanted).all()


def test_a_leaf_keeps_what_has_arrived_even_a_missing_value():
    leaf = numpy.array([-1])
    walk = Walk([Nodes(numpy.array([-2]), numpy.array([-2.0]), leaf, leaf, numpy.array([0]))], numpy.float64)
    assert walk.leaves(numpy.array([[numpy.nan], [numpy.inf]]), missing=True).tolist() == [[0, 0]]
