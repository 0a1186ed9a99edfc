"""Scalers, encoders, imputers and selections of columns, alone and in front of a model."""

import numpy
import pytest
from sklearn import preprocessing
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

pandas = pytest.importorskip("pandas")

SCALERS = [
    preprocessing.StandardScaler(),
    preprocessing.StandardScaler(with_mean=False),
    preprocessing.StandardScaler(with_std=False),
    preprocessing.MinMaxScaler(),
    preprocessing.MinMaxScaler(feature_range=(-3, 7), clip=True),
    preprocessing.MaxAbsScaler(),
    preprocessing.RobustScaler(),
    preprocessing.RobustScaler(with_centering=False),
]
FINALS = [
    LogisticRegression(max_iter=5000, tol=0.01),
    RandomForestClassifier(40, random_state=0),
    HistGradientBoostingClassifier(max_iter=2),
]


def one_hot(**settings):
    """An encoder with a dense answer."""
    return preprocessing.OneHotEncoder(sparse_output=False, **settings)


@pytest.fixture(scope="module")
def people():
    """A table of numbers and words, and what is to be predicted."""
    generator = numpy.random.default_rng(11)
    table = pandas.DataFrame(
        {
            "age": generator.integers(18, 90, 300),
            "city": generator.choice(["Oslo", "Rome", "São Paulo", ""], 300),
            "income": generator.normal(50_000, 20_000, 300),
            "plan": generator.choice(["free", "paid"], 300),
            "height": generator.normal(170, 10, 300),
            "level": generator.integers(0, 4, 300),
        }
    )
    return table, (table["income"] / 1000 + table["age"] + 20 * (table["plan"] == "paid") > 105).to_numpy()


def sizes(table):
    """The first rows of a table in many sizes, each a frame of its own, and parts that are views."""
    return [table.iloc[:size].copy() for size in (1, 2, 3, 48, 49, 300)] + [table.iloc[7:8], table.iloc[::5]]


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_scalers_keep_their_bits(scaler, exact, blobs, batches_of):
    rows, _, _ = blobs
    holes = numpy.where(numpy.random.default_rng(0).random(rows.shape) < 0.2, numpy.nan, rows)
    exact(scaler.fit(rows), [*batches_of(rows), *batches_of(rows * 7), holes, holes.astype(numpy.float32), holes[:1]])


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_what_is_missing_is_filled_in(strategy, exact, blobs):
    rows, _, _ = blobs
    holes = numpy.where(numpy.random.default_rng(0).random(rows.shape) < 0.2, numpy.nan, rows)
    fill = {"fill_value": -1.5} if strategy == "constant" else {}
    exact(SimpleImputer(strategy=strategy, **fill).fit(holes), [holes[:1], holes, rows, numpy.asfortranarray(holes)])


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
@pytest.mark.parametrize("final", FINALS, ids=lambda value: type(value).__name__)
def test_pipelines_keep_their_bits(scaler, final, exact, blobs, batches_of):
    rows, classes, _ = blobs
    pipeline = make_pipeline(SimpleImputer(), scaler, "passthrough", final).fit(rows, classes)
    floats = [batch for batch in batches_of(rows) if batch.dtype != numpy.float32]
    holes = numpy.where(numpy.random.default_rng(0).random(rows.shape) < 0.2, numpy.nan, rows)
    exact(pipeline, [*floats, holes[:1], holes])


@pytest.mark.parametrize("final", FINALS, ids=lambda value: type(value).__name__)
def test_dataframes_of_numbers_keep_their_bits(final, exact, people):
    table, wanted = people
    numbers = table[["age", "income", "height"]]
    pipeline = make_pipeline(preprocessing.StandardScaler(), final).fit(numbers, wanted)
    exact(pipeline, sizes(numbers))
    one_block = pandas.DataFrame(numbers.to_numpy(dtype=float), columns=list(numbers))
    exact(pipeline, [*sizes(one_block), *sizes(one_block.astype("float32"))])
    rows = numbers.to_numpy(dtype=float)
    exact(pipeline, [rows[:1], rows])


@pytest.mark.parametrize("final", FINALS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_columns_taken_apart_and_put_together_keep_their_bits(final, remainder, exact, people):
    table, wanted = people
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), preprocessing.StandardScaler()), ["age", "income"]),
        (preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (preprocessing.OrdinalEncoder(), ["plan"]),
        remainder=remainder,
    )
    pipeline = make_pipeline(prepare, final).fit(table, wanted)
    assert not prepare.sparse_output_
    unknown = table.assign(city="Bergen")
    exact(pipeline, [*sizes(table), *sizes(unknown)])


@pytest.mark.parametrize(
    "selected",
    [
        ["age", "height"],
        ["age", "income"],
        slice("age", "income"),
        [0, 2],
        slice(4, 6),
        [True, False, True, False, True, False],
    ],
    ids=str,
)
def test_columns_are_selected_in_every_way_that_scikit_learn_knows(selected, exact, people):
    table, wanted = people
    numbers = table.assign(city=1.5, plan=2.5)
    prepare = make_column_transformer(
        (preprocessing.StandardScaler(), selected), remainder=preprocessing.MinMaxScaler()
    )
    pipeline = make_pipeline(prepare, Ridge()).fit(numbers, wanted)
    one_block = pandas.DataFrame(numbers.to_numpy(dtype=float), columns=list(numbers))
    exact(pipeline, [*sizes(numbers), *sizes(one_block)])


def test_selectors_by_dtype_keep_their_bits(exact, people):
    table, wanted = people
    prepare = make_column_transformer(
        (preprocessing.StandardScaler(), make_column_selector(dtype_include=numpy.number)),
        (one_hot(drop="if_binary"), make_column_selector(dtype_exclude=numpy.number)),
    )
    exact(make_pipeline(prepare, Ridge()).fit(table, wanted), sizes(table))


def test_columns_of_arrays_are_selected_by_number(exact, blobs, batches_of):
    rows, classes, _ = blobs
    prepare = make_column_transformer(
        (preprocessing.StandardScaler(), [0, 3]), (preprocessing.RobustScaler(), slice(4, 6)), remainder="passthrough"
    )
    pipeline = make_pipeline(prepare, LogisticRegression(max_iter=5000)).fit(rows / 100, classes)
    exact(pipeline, [batch for batch in batches_of(rows / 10) if batch.dtype == numpy.float64])


@pytest.mark.parametrize("drop", [None, "first", "if_binary"])
@pytest.mark.parametrize("dtype", [numpy.float64, numpy.float32])
def test_categories_of_words_and_numbers_are_encoded(drop, dtype, exact, people):
    table, _ = people
    words = table[["city", "plan"]]
    exact(one_hot(drop=drop, dtype=dtype).fit(words), sizes(words))
    numbers = table[["level", "age"]]
    exact(one_hot(drop=drop, dtype=dtype).fit(numbers), [*sizes(numbers), *sizes(numbers.astype("float64"))])
    rows = numbers.to_numpy()
    exact(one_hot(drop=drop, dtype=dtype).fit(rows), [rows[:1], rows, rows.astype(float)])
    exact(preprocessing.OrdinalEncoder(dtype=dtype).fit(words), sizes(words))


def test_arrays_of_words_are_encoded(exact, people):
    table, _ = people
    words = table[["city", "plan"]].to_numpy(dtype=object)
    exact(one_hot().fit(words), [words[:1], words])
    exact(one_hot().fit(words.astype(str)), [words.astype(str)[:1], words.astype(str)])
