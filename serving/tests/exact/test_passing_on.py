"""What is not plainly understood goes to the public method: a batch in a call, an estimator at load."""

import warnings

import numpy
import pytest
from scipy import sparse
from sklearn import config_context, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from tagboat_server.exact import accelerate, accelerate_all, versions
from tagboat_server.exact.programs import Program, Unsupported
from tagboat_server.exact.proof import prove, same


@pytest.fixture(scope="module")
def models(exact, blobs):
    rows, classes, _ = blobs
    forest = RandomForestClassifier(40, random_state=0).fit(rows, classes)
    linear = make_pipeline(preprocessing.StandardScaler(), LogisticRegression()).fit(rows, classes)
    return [(model, exact.choose(model, ["predict"])["predict"]) for model in (forest, linear)]


def outcome(method, batch):
    """What a method answers, or the type and text of what it raises."""
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return method(batch)
        except Exception as error:  # noqa: BLE001 - it is compared
            return type(error), str(error)


def plain(model, batch):
    """Whether a batch is odd for the other of the two models only: forests take NaN, linear models large numbers."""
    if type(batch) is not numpy.ndarray or batch.dtype != float or batch.shape != (1, 6):
        return False
    if isinstance(model, RandomForestClassifier):
        return versions.at_least(1, 4) and bool(numpy.isnan(batch).any())
    return bool((batch == 1e39).all())


ODD = {
    "too narrow": numpy.zeros((2, 5)),
    "too wide": numpy.zeros((2, 7)),
    "one dimension": numpy.zeros(6),
    "three dimensions": numpy.zeros((2, 6, 1)),
    "no rows": numpy.zeros((0, 6)),
    "infinity": numpy.full((2, 6), numpy.inf),
    "too large for float32": numpy.full((1, 6), 1e39),
    "overflows when scaled": numpy.full((1, 6), 1.7e308),
    "missing": numpy.full((1, 6), numpy.nan),
    "one missing": numpy.array([[0, 1, numpy.nan, 3, 4, 5.0]]),
    "objects": numpy.full((1, 6), 1.5, dtype=object),
    "words": numpy.full((1, 6), "1.5"),
    "words that are no numbers": numpy.full((1, 6), "x", dtype=object),
    "half": numpy.ones((2, 6), dtype=numpy.float16),
    "bool": numpy.ones((2, 6), dtype=bool),
    "complex": numpy.ones((2, 6), dtype=complex),
    "big-endian": numpy.ones((2, 6), dtype=">f8"),
    "long double": numpy.ones((2, 6), dtype=numpy.longdouble),
    "masked": numpy.ma.masked_array(numpy.ones((2, 6)), mask=[[True] * 6, [False] * 6]),
    "list": [[1, 2, 3, 4, 5, 6]],
    "sparse": sparse.csr_matrix(numpy.eye(6)),
    "nothing": None,
}


@pytest.mark.parametrize("batch", ODD.values(), ids=ODD.keys())
def test_odd_batches_are_answered_or_refused_by_the_public_method(batch, models):
    for model, fast in models:
        before = fast.passed_on
        found, wanted = outcome(fast, batch), outcome(model.predict, batch)
        assert found == wanted if isinstance(wanted, tuple) else same(found, wanted)
        assert fast.passed_on == before + (not plain(model, batch))


def test_dataframes_with_other_columns_are_refused_as_before(exact, blobs):
    pandas = pytest.importorskip("pandas")
    rows, classes, _ = blobs
    names = list("abcdef")
    table = pandas.DataFrame(rows, columns=names)
    model = make_pipeline(preprocessing.StandardScaler(), LogisticRegression()).fit(table, classes)
    fast = exact.choose(model, ["predict"])["predict"]
    odd = [
        table[names[::-1]],
        table[names[:5]],
        table.rename(columns={"a": "z"}),
        table.assign(g=1.0),
        table.assign(a="x"),
        table.assign(a=None),
        table.iloc[:0],
        table.set_axis([1, 2, 3, 4, 5, 6], axis=1),
        table.astype({"a": "Float64"}),
        table.assign(a=True),
        table.assign(a=numpy.nan),
    ]
    for batch in odd:
        found, wanted = outcome(fast, batch), outcome(model.predict, batch)
        assert found == wanted if isinstance(wanted, tuple) else same(found, wanted)
    assert fast.passed_on == len(odd)


def test_unknown_and_missing_categories_are_refused_as_before(exact):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"city": ["Oslo", "Rome", "Rome"], "age": [1.0, 2.0, 3.0]})
    prepare = make_column_transformer((preprocessing.OneHotEncoder(), ["city"]), remainder="passthrough")
    model = make_pipeline(prepare, LogisticRegression()).fit(table, [0, 1, 1])
    fast = exact.choose(model, ["predict"])["predict"]
    odd = [table.assign(city="Bergen"), table.assign(city=None), table.assign(city=1), table.assign(age=numpy.nan)]
    for batch in odd:
        found, wanted = outcome(fast, batch), outcome(model.predict, batch)
        assert isinstance(wanted, tuple)
        assert found == wanted
    assert fast.passed_on == len(odd)


class Subclass(RandomForestClassifier):
    """Answers something else."""

    def predict(self, rows):
        return super().predict(rows) * 0


def test_a_subclass_is_left_to_itself(blobs):
    rows, classes, _ = blobs
    said = []
    assert accelerate(Subclass(3).fit(rows, classes), "predict", tell=said.append) is None
    assert said == ["no exact fast path: Subclass is none of the known classes"]


def test_a_class_with_a_borrowed_name_is_left_to_itself(blobs):
    rows, classes, _ = blobs
    borrowed = type("RandomForestClassifier", (Subclass,), {"__module__": RandomForestClassifier.__module__})
    borrowed.__qualname__ = "RandomForestClassifier"
    assert accelerate(borrowed(3).fit(rows, classes), "predict") is None


def test_a_method_replaced_on_the_object_is_kept(blobs):
    rows, classes, _ = blobs
    model = RandomForestClassifier(3).fit(rows, classes)
    model.predict = lambda rows: "mine"
    assert accelerate(model, "predict") is None


@pytest.mark.parametrize("model", [SVC(), BaggingClassifier(n_estimators=2), AdaBoostClassifier(n_estimators=2)])
def test_other_classes_are_left_to_themselves(model, blobs):
    rows, classes, _ = blobs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, classes)
    for estimator in (model, make_pipeline(preprocessing.StandardScaler(), model)):
        assert accelerate(estimator, "predict") is None


def test_an_unfitted_or_foreign_object_is_left_to_itself():
    for thing in (RandomForestClassifier(), object(), None, lambda rows: rows):
        assert accelerate(thing, "predict") is None


def test_unknown_versions_are_left_to_themselves(blobs, monkeypatch):
    rows, classes, _ = blobs
    model = RandomForestClassifier(3).fit(rows, classes)
    for version in ("1.2.2", "1.10.0", "2.0.0", "nightly"):
        monkeypatch.setattr("sklearn.__version__", version)
        said = []
        assert accelerate(model, "predict", tell=said.append) is None
        assert "known: 1.3 to 1.9" in said[0]


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false", "no"])
def test_the_switch_turns_them_off(value, blobs):
    rows, classes, _ = blobs
    said = []
    model = RandomForestClassifier(3).fit(rows, classes)
    assert accelerate(model, "predict", environment={"TAGBOAT_EXACT": value}, tell=said.append) is None
    assert said == ["exact fast paths are off (TAGBOAT_EXACT)"]
    assert accelerate(model, "predict", environment={"TAGBOAT_EXACT": "on"}, tell=said.append) is not None
    assert said[-1] == "exact fast path for predict"


def test_other_containers_for_the_answer_are_left_to_scikit_learn(blobs):
    pytest.importorskip("pandas")
    rows, classes, _ = blobs
    scaler = preprocessing.StandardScaler().set_output(transform="pandas").fit(rows)
    assert accelerate(scaler, "transform") is None
    assert accelerate(make_pipeline(scaler, LogisticRegression()).fit(rows, classes), "predict") is None
    with config_context(transform_output="pandas"):
        assert accelerate(preprocessing.StandardScaler().fit(rows), "transform") is None


def test_the_proof_finds_a_difference_of_one_bit(blobs):
    rows, classes, _ = blobs
    model = LogisticRegression().fit(rows / 100, classes)
    true = accelerate(model, "predict_proba").program

    def off_by_a_bit(batch):
        answer = true.run(batch)
        answer[-1, -1] = numpy.nextafter(answer[-1, -1], 2)
        return answer

    prove(true)
    with pytest.raises(Unsupported, match="answers differently"):
        prove(Program(model, "predict_proba", off_by_a_bit, true.candidates))


def test_the_proof_wants_something_to_compare(blobs):
    from tagboat_server.exact.programs import PassOn

    rows, classes, _ = blobs
    model = LogisticRegression().fit(rows / 100, classes)

    def never(batch):
        raise PassOn

    with pytest.raises(Unsupported, match="nothing that could be compared"):
        prove(Program(model, "predict", never, [numpy.zeros(1)] * 6))


def test_the_sample_takes_part_in_the_proof(blobs):
    rows, classes, _ = blobs
    model = LogisticRegression().fit(rows / 100, classes)
    true = accelerate(model, "predict").program
    sample = numpy.full((3, 6), 0.123456)

    def wrong_on_the_sample(batch):
        return true.run(batch) + (5 if batch[0, 0] == 0.123456 else 0)

    program = Program(model, "predict", wrong_on_the_sample, true.candidates)
    prove(program)
    with pytest.raises(Unsupported, match="answers differently"):
        prove(program, sample)


def test_methods_that_have_none_leave_the_others_alone(blobs):
    rows, classes, _ = blobs
    said = []
    model = RandomForestClassifier(3).fit(rows, classes)
    assert sorted(accelerate_all(model, ["predict", "apply", "predict_proba"], tell=said.append)) == [
        "predict",
        "predict_proba",
    ]
    assert "no exact fast path for apply" in said


def test_same_tells_bits_apart():
    assert same(numpy.array([1.0, numpy.nan]), numpy.array([1.0, -numpy.nan]))
    assert not same(numpy.array([0.0]), numpy.array([-0.0]))
    assert not same(numpy.array([1.0]), numpy.array([1.0], dtype="f4"))
    assert not same(numpy.array([1.0]), numpy.array([[1.0]]))
    assert not same(numpy.array([1]), [1])
    assert not same([numpy.array([1])], [numpy.array([1]), numpy.array([1])])
