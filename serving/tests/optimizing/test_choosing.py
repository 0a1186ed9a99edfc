"""A model becomes the graph that is nearest to it, with honest figures; what cannot be one is told in plain words."""

import hashlib

import numpy
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR

from tagboat_server.exact import Table
from tagboat_server.optimizing.domain import NotConvertible, domain_of
from tagboat_server.optimizing.drawing import as_request, draw, for_model
from tagboat_server.optimizing.graphs import Optimized, open_session


def network(*layers):
    return MLPClassifier(layers, max_iter=200, random_state=0, tol=1e-2)


CLASSIFIERS = {
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "support vectors": lambda: make_pipeline(StandardScaler(), SVC()),
    "a network": lambda: make_pipeline(StandardScaler(), network(16)),
}

REGRESSORS = {
    "gradient boosting": lambda: GradientBoostingRegressor(n_estimators=20, random_state=0),
    "histogram gradient boosting": lambda: HistGradientBoostingRegressor(max_iter=20, random_state=0),
    "support vectors": lambda: make_pipeline(StandardScaler(), SVR()),
}


def optimized(loaded, content, name="predict"):
    method = loaded.methods[name]
    signature = method.signature.input
    places = domain_of(loaded.estimator, signature)
    graph = Optimized(open_session(content), name, places, signature, method.call)
    rows = draw(places, None, 60, seed=99)
    graph.answer_as(method.call(for_model(as_request(rows, signature), signature)))
    return graph, as_request(rows, signature), signature


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("names", [True, False], ids=["table", "matrix"])
def test_a_classifier_becomes_a_graph_with_its_labels_and_probabilities(kind, names, tumours, converted):
    rows, species = tumours
    estimator = CLASSIFIERS[kind]().fit(rows if names else rows.to_numpy(), species)
    loaded, outcome, content = converted(estimator)
    assert outcome.passed == [name for name in ("predict", "predict_proba") if name in loaded.methods]
    assert outcome.differing_labels == 0
    assert outcome.largest_difference < 1e-6
    assert outcome.sha256 == hashlib.sha256(content).hexdigest()
    assert outcome.guessed == ()
    assert outcome.converters["skl2onnx"]
    for name in outcome.passed:
        graph, batch, signature = optimized(loaded, content, name)
        wanted = loaded.methods[name].call(for_model(batch, signature))
        found = graph(batch)
        assert graph.passed_on == 0
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        if name == "predict":
            assert found.tolist() == wanted.tolist()
        else:
            assert numpy.allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_a_regressor_becomes_a_graph(kind, tumours, converted):
    rows, _ = tumours
    loaded, outcome, content = converted(REGRESSORS[kind]().fit(rows, rows["mean radius"] * 3))
    assert outcome.passed == ["predict"]
    assert 0 < outcome.largest_difference < 1e-3
    graph, batch, signature = optimized(loaded, content)
    wanted = loaded.methods["predict"].call(for_model(batch, signature))
    assert graph(batch).dtype == wanted.dtype
    assert numpy.allclose(graph(batch), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["a network", "gradient boosting"])
def test_a_pipeline_over_text_and_numbers_becomes_a_graph(kind, people, mixed, converted):
    table, stays = people
    last = network(8) if kind == "a network" else GradientBoostingClassifier(n_estimators=20, random_state=0)
    loaded, outcome, content = converted(make_pipeline(mixed(), last).fit(table, stays))
    assert outcome.passed == ["predict", "predict_proba"]
    graph, batch, signature = optimized(loaded, content)
    assert isinstance(batch, Table)
    found = graph(batch)
    assert graph.passed_on == 0
    assert found.dtype == bool
    assert found.tolist() == loaded.methods["predict"].call(for_model(batch, signature)).tolist()
    assert graph(table).tolist() == loaded.methods["predict"].call(table).tolist()


def test_missing_numbers_go_to_the_graph_where_the_model_takes_them(people, mixed, converted):
    table, stays = people
    table = table.copy()
    table.loc[::5, "income"] = numpy.nan
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    loaded, outcome, content = converted(make_pipeline(mixed(numbers), network(8)).fit(table, stays))
    assert outcome.passed == ["predict", "predict_proba"]
    graph, _, _ = optimized(loaded, content)
    assert graph(table).tolist() == loaded.methods["predict"].call(table).tolist()
    assert graph.passed_on == 0


def test_what_was_not_compared_goes_to_the_model(people, mixed, converted):
    table, stays = people
    loaded, _, content = converted(make_pipeline(mixed(), network(8)).fit(table, stays))
    graph, _, _ = optimized(loaded, content)
    strangers = {"city": "Atlantis", "plan": 3.0, "income": numpy.inf, "years of age": numpy.nan}
    for number, (column, value) in enumerate(strangers.items(), 1):
        with pytest.raises(ValueError, match=r"unknown categories|infinity|NaN"):
            graph(table.head(1).assign(**{column: [value]}))
        assert graph.passed_on == number
    assert graph(table[["city", "income", "plan", "years of age", "id"]]).tolist() == graph(table).tolist()


def test_a_category_that_the_model_ignores_is_answered_by_the_model(people, mixed, converted):
    table, stays = people
    loaded, _, content = converted(make_pipeline(mixed(unknown="ignore"), network(8)).fit(table, stays))
    graph, _, _ = optimized(loaded, content)
    stranger = table.head(3).assign(city="Atlantis")
    assert graph(stranger).tolist() == loaded.methods["predict"].call(stranger).tolist()
    assert graph.passed_on == 1


# skl2onnx 1.20 gives truth values for numbers, of which protobuf 6.33 warns a hundred times in a process.
@pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto.ints:DeprecationWarning")
def test_the_rows_try_thresholds_and_find_a_graph_that_rounds_them(tumours, converted):
    """Histogram gradient boosting compares in float64; with float32 thresholds labels or numbers differ."""
    rows, _ = tumours
    estimator = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(rows, rows["mean radius"])
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    from tagboat_server.optimizing.comparing import answers, compare
    from tagboat_server.optimizing.outcome import Tolerance

    rounded = convert_sklearn(estimator, initial_types=[("input", FloatTensorType([None, 30]))])
    loaded, outcome, _ = converted(estimator)
    assert outcome.numbers == "double"
    graph, _, signature = optimized(loaded, rounded.SerializeToString())
    drawn = draw(domain_of(estimator, signature), None, 300)
    wanted = answers(loaded.methods["predict"].call, drawn, signature, model=True)
    figures = compare(wanted, answers(graph.run, drawn, signature, model=False), Tolerance())
    assert not figures.passed
    assert figures.differing > 10


def test_what_is_out_of_tolerance_is_told_with_its_figures(tumours, converted):
    rows, species = tumours
    estimator = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(rows, species)
    _, outcome, content = converted(estimator, rtol=0, atol=1e-12)
    assert outcome.passed == ["predict"]
    probabilities = outcome.methods["predict_proba"]
    assert probabilities.differing > 100
    assert f"{probabilities.differing} of 300 rows are out of tolerance, the largest" in probabilities.told()
    assert content is not None


def test_a_share_of_labels_may_differ_where_that_was_allowed():
    from tagboat_server.optimizing.comparing import compare
    from tagboat_server.optimizing.outcome import Tolerance

    wanted = numpy.array(["a"] * 100, dtype=object)
    found = wanted.copy()
    found[:2] = "b"
    assert compare(wanted, found, Tolerance(labels=0.02)).passed
    strict = compare(wanted, found, Tolerance(labels=0.019))
    assert not strict.passed
    assert strict.told() == "2 of 100 labels differ"
    assert not compare(numpy.array([1, 1]), numpy.array([1.0, 1.0]), Tolerance(labels=1)).passed


def test_nan_and_infinity_are_compared_too():
    from tagboat_server.optimizing.comparing import compare
    from tagboat_server.optimizing.outcome import Tolerance

    wanted = numpy.array([numpy.nan, numpy.inf, 1.0])
    assert compare(wanted, wanted.copy(), Tolerance()).passed
    for place, value in ((0, 1.0), (1, 1.0), (2, numpy.nan), (2, numpy.inf)):
        found = wanted.copy()
        found[place] = value
        assert compare(wanted, found, Tolerance(rtol=1e9)).differing == 1


def test_the_same_model_gives_the_same_file(tumours, converted):
    rows, species = tumours
    estimator = make_pipeline(StandardScaler(), network(8)).fit(rows, species)
    assert converted(estimator)[2] == converted(estimator)[2]


def test_rows_of_the_sample_are_compared_first_and_tell_the_ranges(tumours, converted):
    from sklearn.naive_bayes import GaussianNB

    rows, species = tumours
    estimator = GaussianNB().fit(rows, species)
    _, blind, _ = converted(estimator)
    assert len(blind.guessed) == 30
    _, seeing, _ = converted(estimator, sample=rows.head(80))
    assert seeing.guessed == ()
    assert (seeing.of_sample, seeing.rows) == (80, 300)


def test_bits_that_depend_on_the_batch_are_found(tumours, converted):
    rows, species = tumours
    _, boosted, _ = converted(GradientBoostingClassifier(n_estimators=20, random_state=0).fit(rows, species))
    assert boosted.alone
    _, vectors, _ = converted(make_pipeline(StandardScaler(), SVR()).fit(rows, rows["mean radius"]))
    assert not vectors.alone


class Own(LogisticRegression):
    """A class that no converter knows."""


REFUSED = [
    (lambda: make_pipeline(FunctionTransformer(numpy.abs), LogisticRegression(max_iter=500)), "holds anything"),
    (lambda: make_pipeline(StandardScaler(), Own()), "the converter cannot do it: .*Own"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_be_a_graph_is_told(make, words, tumours, converted):
    rows, species = tumours
    with pytest.raises(NotConvertible, match=words):
        converted(make().fit(rows.to_numpy(), species))


def test_free_text_cannot_be_compared(converted):
    texts = numpy.array(["a cat", "a dog", "a cow", "no cat"], dtype=object)
    with pytest.raises(NotConvertible, match="does not say which columns"):
        converted(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1, 0]))


def test_categorical_gradient_boosting_has_no_graph(tumours, converted):
    rows, species = tumours
    coded = rows.assign(kind=numpy.arange(len(rows)) % 3)
    estimator = HistGradientBoostingClassifier(max_iter=5, categorical_features=["kind"]).fit(coded, species)
    with pytest.raises(NotConvertible, match=r"categorical|holds anything"):
        converted(estimator)


def test_a_graph_that_is_slower_than_the_model_is_not_taken(tumours, converted):
    rows, species = tumours
    _, outcome, content = converted(KNeighborsClassifier().fit(rows.to_numpy(), species), rows=100)
    assert content is None
    assert "nothing would be won" in outcome.reason
    assert outcome.microseconds["graph"] >= outcome.microseconds["model"]
