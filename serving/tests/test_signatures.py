"""What a fitted estimator tells of its input: enough to refuse nonsense, never so much as to refuse what is valid."""

import numpy
import pandas
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from tagboat_server.codecs import decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.formats.estimators import make_fit, nested_estimators
from tagboat_server.formats.features import input_of
from tagboat_server.signature import Anything, Column, Frame, Tensor

ROWS = 40
GENERATOR = numpy.random.default_rng(0)
FRAME = pandas.DataFrame(
    {
        "age": GENERATOR.uniform(18, 90, ROWS),
        "city": GENERATOR.choice(["Oslo", "Rome", "Lima"], ROWS).astype(object),
        "plan": GENERATOR.choice([1, 2, 3], ROWS),
        "note": ["never used"] * ROWS,
    }
)
TARGET = GENERATOR.integers(0, 2, ROWS)
NUMBERS = FRAME[["age", "plan"]]


def columns_of(estimator):
    signature = input_of(estimator)
    assert isinstance(signature, Frame)
    return {column.name: column for column in signature.columns}


def test_a_plain_classifier_takes_numbers_and_nothing_missing():
    fitted = RandomForestClassifier(3).fit(NUMBERS, TARGET)
    assert input_of(fitted) == Frame((Column("age", "float64"), Column("plan", "float64")))


def test_without_names_it_is_an_array_of_the_fitted_width():
    assert input_of(LinearRegression().fit(NUMBERS.to_numpy(), TARGET)) == Tensor("float64", (None, 2))


def test_each_column_is_told_by_the_transformer_that_meets_it():
    preparation = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
    )
    found = columns_of(make_pipeline(preparation, LogisticRegression()).fit(FRAME, TARGET))
    assert found["age"] == Column("age", "float64", nullable=True)
    assert found["city"] == Column("city", "str")
    assert found["plan"].dtype == "float64"
    assert found["note"] == Column("note", "any", nullable=True, optional=True)


def test_a_column_that_the_model_drops_may_be_absent(serve, bundle_of, tmp_path):
    preparation = make_column_transformer((OneHotEncoder(), ["city"]), ("passthrough", ["age"]))
    fitted = make_pipeline(preparation, LogisticRegression()).fit(FRAME, TARGET)
    server = serve(bundle_of(tmp_path, fitted))
    record = {"age": 30, "city": "Rome", "plan": 1, "note": "x"}
    expected = fitted.predict(pandas.DataFrame([record])).tolist()
    assert server.post("/predict", {"data": [record]}).json["predictions"] == expected
    answer = server.post("/predict", {"data": [{"age": 30, "city": "Rome"}]})
    assert (answer.status, answer.json["predictions"]) == (200, expected)
    unknown = server.post("/predict", {"data": [{"age": 30, "city": "Atlantis"}]})
    assert unknown.status == 422
    assert "Atlantis" in unknown.json["error"]["message"]


def test_an_encoder_that_has_seen_none_takes_none():
    frame = pandas.DataFrame({"city": numpy.array(["Oslo", None, "Rome", "Oslo"], dtype=object)})
    assert columns_of(OneHotEncoder().fit(frame))["city"] == Column("city", "str", nullable=True)


def test_an_imputer_of_text_takes_text_and_nothing():
    frame = pandas.DataFrame({"city": numpy.array(["Oslo", numpy.nan, "Rome", "Oslo"], dtype=object)})
    pipeline = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()).fit(frame)
    column = columns_of(pipeline)["city"]
    assert column.nullable
    decoded = decoder_for(input_of(pipeline))(b'{"data": [{"city": null}, {"city": "Rome"}]}')
    assert decoded.rows == 2


def test_gradient_boosting_made_for_missing_values_takes_them():
    assert all(column.nullable for column in columns_of(HistGradientBoostingClassifier().fit(NUMBERS, TARGET)).values())


def test_a_scaler_lets_missing_values_through_to_whoever_takes_them():
    takes = make_pipeline(StandardScaler(), HistGradientBoostingClassifier()).fit(NUMBERS, TARGET)
    refuses = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, TARGET)
    assert columns_of(takes)["age"].nullable
    assert not columns_of(refuses)["age"].nullable


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        VotingClassifier([("a", LogisticRegression()), ("b", SVC())]),
        StackingClassifier([("a", LogisticRegression()), ("b", SVC())], cv=2),
        BaggingClassifier(LogisticRegression(), 3),
        make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", StandardScaler())]), LogisticRegression()),
        make_pipeline("passthrough", LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_wraps_an_estimator_takes_what_that_takes(model):
    fitted = model.fit(NUMBERS, TARGET)
    signature = input_of(fitted)
    assert [column.name for column in signature.columns] == ["age", "plan"]
    assert not any(column.nullable for column in signature.columns)
    with pytest.raises(Rejection):
        decoder_for(signature)(b'{"data": [{"age": "old", "plan": 1}]}')


def test_a_grid_search_over_a_preparation_keeps_its_text_columns():
    preparation = ColumnTransformer(
        [("c", OneHotEncoder(), make_column_selector(dtype_exclude="number")), ("n", StandardScaler(), ["age"])]
    )
    search = GridSearchCV(make_pipeline(preparation, LogisticRegression()), {"logisticregression__C": [1.0, 2.0]}, cv=2)
    found = columns_of(search.fit(FRAME.drop(columns="note"), TARGET))
    assert (found["city"].dtype, found["age"].dtype) == ("str", "float64")


def test_a_function_of_the_users_own_is_given_whatever_comes():
    pipeline = make_pipeline(FunctionTransformer(lambda frame: frame[["age"]]), LogisticRegression()).fit(FRAME, TARGET)
    assert {column.dtype for column in columns_of(pipeline).values()} == {"any"}


def test_an_estimator_of_another_library_is_given_whatever_comes():
    class Boosted:
        feature_names_in_ = numpy.array(["age", "city"], dtype=object)
        n_features_in_ = 2

    assert {column.dtype for column in columns_of(Boosted()).values()} == {"any"}


def test_text_models_take_a_list_of_texts():
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good thing", "bad thing"] * 5, [1, 0] * 5)
    assert input_of(pipeline) == Tensor("str", (None,))
    decoded = decoder_for(input_of(pipeline))(b'{"data": ["good", "bad"]}')
    assert pipeline.predict(decoded.value).tolist() == [1, 0]


def test_what_tells_nothing_takes_anything():
    assert input_of(object()) == Anything()


def test_no_estimator_starts_threads_however_deep_it_lies():
    search = GridSearchCV(
        make_pipeline(
            ColumnTransformer([("n", StandardScaler(), ["age", "plan"])], n_jobs=2),
            VotingClassifier(
                [
                    ("f", RandomForestClassifier(3, n_jobs=-1)),
                    ("b", BaggingClassifier(RandomForestClassifier(2, n_jobs=2), 2, n_jobs=2)),
                ],
                n_jobs=2,
            ),
        ),
        {"columntransformer__n__with_mean": [True, False]},
        cv=2,
    ).fit(NUMBERS, TARGET)
    assert any(getattr(nested, "n_jobs", None) for nested in nested_estimators(search))
    before = search.predict_proba if hasattr(search, "predict_proba") else search.predict
    expected = before(NUMBERS).tolist()
    make_fit(search)
    assert not any(getattr(nested, "n_jobs", None) for nested in nested_estimators(search))
    assert before(NUMBERS).tolist() == expected
