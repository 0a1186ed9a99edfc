"""Where a fast path says that rows stand alone, a row has the same bits in every batch."""

import numpy
import pytest
from sklearn import ensemble, linear_model, tree
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from tagboat_server.exact.proof import same

FOREST = ensemble.RandomForestClassifier(34, random_state=0)
COLUMNS = make_column_transformer(
    (MinMaxScaler(), [0, 1]), (OneHotEncoder(sparse_output=False), [5]), remainder=StandardScaler()
)
MODELS = [
    (FOREST, {"predict": True, "predict_proba": True, "predict_log_proba": False}),
    (ensemble.ExtraTreesRegressor(34, random_state=0), {"predict": True}),
    (tree.DecisionTreeClassifier(), {"predict": True, "predict_proba": True}),
    (ensemble.GradientBoostingRegressor(n_estimators=20), {"predict": True}),
    (ensemble.GradientBoostingClassifier(n_estimators=20), {"decision_function": True, "predict_proba": False}),
    (ensemble.HistGradientBoostingRegressor(max_iter=5), {"predict": True}),
    (ensemble.HistGradientBoostingRegressor(max_iter=5, loss="poisson"), {"predict": False}),
    (ensemble.HistGradientBoostingClassifier(max_iter=5), {"decision_function": True, "predict_proba": False}),
    (linear_model.LogisticRegression(max_iter=5000, tol=0.01), {"predict": False, "predict_proba": False}),
    (make_pipeline(StandardScaler(), FOREST), {"predict": True}),
    (make_pipeline(COLUMNS, FOREST), {"predict_proba": True}),
    (make_pipeline(COLUMNS, linear_model.Ridge()), {"predict": False}),
]


@pytest.mark.parametrize(("model", "methods"), MODELS, ids=str)
def test_a_row_that_stands_alone_has_the_same_bits_in_every_batch(model, methods, exact, blobs):
    rows, classes, _ = blobs
    rows = numpy.column_stack([rows[:, :5], numpy.rint(rows[:, 5])])
    model.fit(rows, classes)
    for method, fast in exact.choose(model, list(methods)).items():
        assert fast.alone is methods[method]
        if not fast.alone:
            continue
        whole = fast(rows)
        for start, size in [(0, 1), (7, 1), (3, 2), (10, 31), (5, 48), (5, 49), (100, 200)]:
            assert same(fast(rows[start : start + size]), whole[start : start + size])
        assert fast.passed_on == 0
