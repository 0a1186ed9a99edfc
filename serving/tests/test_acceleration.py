"""The server answers by an exact fast path where there is one, says so, and with the same bits as the model."""

import io
import json

import numpy
import pytest

from tagboat_server import acceleration
from tagboat_server.exact import Table
from tagboat_server.formats import estimators
from tagboat_server.logs import Log


@pytest.fixture
def frames_model(iris):
    """Fitted on a dataframe of text and numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows, species = iris
    table = rows.assign(colour=numpy.where(rows["petal_width"] > 1, "blue", "white").astype(object))
    columns = make_column_transformer(
        (StandardScaler(), list(rows.columns)), (OneHotEncoder(handle_unknown="ignore"), ["colour"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(table, species), table


def told(server):
    return [event["message"] for event in server.events if event["event"] == "exact"]


def test_a_dataframe_is_not_made_where_the_model_can_do_without(frames_model, tmp_path):
    model, table = frames_model
    loaded = estimators.wrap(model, "sklearn-joblib", tmp_path, [])
    fast = acceleration.accelerate(loaded, None, {}, Log(io.StringIO())).methods["predict"]
    assert fast.tables
    assert fast.quick
    columns = [table[name].to_numpy() for name in table]
    assert fast.call(Table(columns)).tolist() == model.predict(table).tolist()
    assert fast.call.passed_on == 0


def test_answers_have_the_bits_of_the_model(serve, bundle_of, frames_model, tmp_path):
    model, table = frames_model
    server = serve(bundle_of(tmp_path, model))
    assert "exact fast path for predict_proba" in told(server)
    for size in (1, 7, 150):
        asked = json.loads(table[:size].to_json(orient="records", double_precision=15))
        answer = server.post("/predict_proba", {"data": asked})
        assert numpy.array(answer.json["predictions"]).tobytes() == model.predict_proba(table[:size]).tobytes()
    figures = server.get("/metrics").body.decode()
    assert 'tagboat_exact_passed_on_total{method="predict_proba"} 0.0' in figures


def test_fast_paths_can_be_switched_off(serve, forest_bundle):
    server = serve(forest_bundle, environment={"TAGBOAT_EXACT": "off"})
    assert told(server) == ["exact fast paths are off (TAGBOAT_EXACT)"]
    assert server.post("/predict", {"data": [[5.1, 3.5, 1.4, 0.2]]}).json["predictions"] == ["setosa"]


def test_a_model_without_one_is_served_by_its_own_method_and_the_log_says_so(serve, bundle_of, iris, tmp_path):
    from sklearn.svm import SVC

    server = serve(bundle_of(tmp_path, SVC().fit(*iris)))
    assert any(message.startswith("no exact fast path") for message in told(server))
    assert server.post("/predict", {"data": [[5.1, 3.5, 1.4, 0.2]]}).json["predictions"] == ["setosa"]


def test_batches_are_counted_and_can_be_switched_off(serve, forest_bundle):
    with_batches = serve(forest_bundle)
    without = serve(forest_bundle, settings={"batching": "off"})
    for server in (with_batches, without):
        server.post("/predict", {"data": [[5.1, 3.5, 1.4, 0.2]]})
    assert 'tagboat_batch_requests_count{method="predict"} 1.0' in with_batches.get("/metrics").body.decode()
    assert 'tagboat_batch_requests_count{method="predict"} 0.0' in without.get("/metrics").body.decode()


def test_predictions_are_counted_by_class_beside_what_the_sample_gives(serve, forest, bundle_of, tmp_path):
    folder = bundle_of(tmp_path, forest)
    flowers = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
    (folder / "sample.json").write_text(json.dumps({"data": flowers}))
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**document, "sample": "sample.json"}))
    server = serve(folder)
    for _ in range(3):
        server.post("/predict", {"data": flowers[:1]})
    figures = server.get("/metrics").body.decode()
    assert 'tagboat_predictions_total{bin="setosa",method="predict"} 3.0' in figures
    assert 'tagboat_predictions_expected{bin="setosa",method="predict"} 0.5' in figures
    assert 'tagboat_predictions_expected{bin="virginica",method="predict"} 0.5' in figures
