"""A table is answered as the dataframe made of it, bit for bit, and no dataframe is made."""

import numpy
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from tagboat_server.exact import Table, accelerate
from tagboat_server.exact.proof import same

pandas = pytest.importorskip("pandas")

COLUMNS = ["a", "b", "c", "d", "e", "f"]
SIZES = (1, 2, 3, 48, 49, 300)


def answers(model, names, dtypes, values, monkeypatch, method="predict"):
    """Ask with tables of all sizes; pandas must not be needed."""
    fast = accelerate(model, method)
    assert fast.take_tables(names, dtypes) is None
    for size in SIZES:
        cells = values[:size] if dtypes is None else [column[:size] for column in values]
        table = Table(cells)
        wanted = getattr(model, method)(table.frame(names))
        with monkeypatch.context() as patched:
            patched.setattr(pandas, "DataFrame", None)
            found = fast(table)
        assert same(found, wanted), size
    assert fast.passed_on == 0
    return fast


@pytest.mark.parametrize("final", [LogisticRegression(), RandomForestClassifier(34, random_state=0)], ids=repr)
def test_a_matrix_is_answered_as_its_dataframe(final, blobs, monkeypatch):
    rows, classes, _ = blobs
    model = make_pipeline(StandardScaler(), final).fit(pandas.DataFrame(rows, columns=COLUMNS), classes)
    answers(model, COLUMNS, None, rows, monkeypatch, "predict_proba")
    answers(final.fit(pandas.DataFrame(rows / 100, columns=COLUMNS), classes), COLUMNS, None, rows, monkeypatch)


@pytest.mark.parametrize("dtypes", [["f8"] * 6, ["f4"] * 6, ["i8"] * 6, ["f8", "i8", "f4", "i4", "f8", "u1"]], ids=str)
def test_columns_are_answered_as_their_dataframe(dtypes, blobs, monkeypatch):
    rows, classes, _ = blobs
    values = [abs(column).clip(0, 250).astype(dtype) for column, dtype in zip(rows.T, dtypes)]
    frame = Table(values).frame(COLUMNS)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, classes)
    answers(model, COLUMNS, dtypes, values, monkeypatch, "decision_function")


@pytest.mark.parametrize(
    "selected", [["a", "b"], ["a", "c", "e"], ["b", "e", "f"], ["d"], slice("c", "e"), [0, 1, 2, 3, 4, 5]], ids=str
)
@pytest.mark.parametrize(
    "dtypes", [None, ["f8"] * 6, ["f8", "f8", "i8", "f8", "i8", "f8"]], ids=["matrix", "f8", "mixed"]
)
def test_selected_columns_are_answered_as_those_of_the_dataframe(selected, dtypes, blobs, monkeypatch):
    rows, _, numbers = blobs
    values = rows if dtypes is None else [column.astype(dtype) for column, dtype in zip(rows.T, dtypes)]
    prepare = make_column_transformer((StandardScaler(), selected), remainder=MinMaxScaler())
    model = make_pipeline(prepare, Ridge()).fit(Table(values).frame(COLUMNS), numbers)
    answers(model, COLUMNS, dtypes, values, monkeypatch)


def test_words_and_numbers_are_answered_as_their_dataframe(blobs, monkeypatch):
    rows, classes, _ = blobs
    words = numpy.array(["Oslo", "Rome", "São Paulo"], dtype=object)[classes]
    names, dtypes = ["a", "city", "b", "plan"], ["f8", "O", "f8", "O"]
    values = [rows[:, 0], words, numpy.where(rows[:, 1] > 0, rows[:, 1], numpy.nan), words[::-1]]
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (OrdinalEncoder(), ["plan"]),
    )
    model = make_pipeline(prepare, LogisticRegression()).fit(Table(values).frame(names), classes)
    fast = answers(model, names, dtypes, values, monkeypatch)
    unknown = [values[0], numpy.full(len(words), "Bergen", dtype=object), *values[2:]]
    assert same(fast(Table(unknown)), model.predict(Table(unknown).frame(names)))
    assert fast.passed_on == 0


def test_a_table_that_is_odd_is_answered_or_refused_as_its_dataframe(blobs):
    rows, classes, _ = blobs
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(pandas.DataFrame(rows, columns=COLUMNS), classes)
    fast = accelerate(model, "predict")
    assert fast.take_tables(COLUMNS) is None
    holes = rows[:2].copy()
    holes[1, 3] = numpy.nan
    with pytest.raises(ValueError, match="NaN"):
        fast(Table(holes))
    other = Table([column.astype("f4") for column in rows[:3].T])
    assert same(fast(other), model.predict(other.frame(COLUMNS)))
    assert fast.passed_on == 2


def test_tables_of_other_columns_are_not_taken(blobs):
    rows, classes, _ = blobs
    model = LogisticRegression().fit(pandas.DataFrame(rows / 100, columns=COLUMNS), classes)
    fast = accelerate(model, "predict")
    assert fast.take_tables(COLUMNS[::-1]) == "other columns than the model was fitted on"
    assert fast.take_tables(COLUMNS[:5]) == "other columns than the model was fitted on"
    unnamed = accelerate(LogisticRegression().fit(rows / 100, classes), "predict")
    assert unnamed.take_tables(COLUMNS) == "other columns than the model was fitted on"
    assert fast.take_tables(COLUMNS, ["f8"] * 5 + ["O"]) is not None
    assert same(fast(Table(rows)), model.predict(pandas.DataFrame(rows, columns=COLUMNS)))
    assert fast.passed_on == 1
