"""A bundle's graph answers over HTTP as the model does, says how near it is, and steps aside where it is not."""

import io
import json

import numpy
import pytest
from msgspec import structs
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from tagboat_server import serving, spec
from tagboat_server.logs import Log
from tagboat_server.optimizing import serving as graphs
from tagboat_server.optimizing.graphs import Optimized
from tagboat_server.optimizing.outcome import Tolerance


@pytest.fixture(scope="module")
def boosting(tumours, converted):
    rows, species = tumours
    estimator = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(rows, species)
    return estimator, *converted(estimator)[1:]


@pytest.fixture(scope="module")
def boosting_bundle(boosting, accepted, tumours, tmp_path_factory):
    """With a sample of five rows."""
    folder = tmp_path_factory.mktemp("boosting")
    (folder / "sample.json").write_text(json.dumps({"data": tumours[0].head(5).to_dict("records")}))
    return accepted(folder, *boosting, sample="sample.json")


@pytest.fixture(scope="module")
def server(boosting_bundle, serve_module):
    return serve_module(boosting_bundle)


def told(server):
    return [event for event in server.events if event["event"] == "optimized"]


def prepared(bundle, **environment):
    """The bundle's model as it would be served, and the log's lines."""
    lines = io.StringIO()
    found = spec.read_bundle(bundle)
    sample = serving.read_sample(bundle, found)
    model = serving.load(bundle, found, Log(lines))
    rows = serving.sample_rows(sample, model)
    optimized = graphs.optimize(model, found.optimized, bundle, rows, environment, Log(lines))
    return optimized, [json.loads(line) for line in lines.getvalue().splitlines()]


def test_the_graph_answers_with_the_models_labels_and_probabilities(server, boosting, tumours):
    estimator, rows = boosting[0], tumours[0]
    for begin, end in ((0, 1), (1, 8), (8, 569)):
        asked = rows[begin:end]
        body = {"data": asked.to_dict("records")}
        assert server.post("/predict", body).json["predictions"] == estimator.predict(asked).tolist()
        found = server.post("/predict_proba", {"data": asked.to_numpy().tolist()}).json["predictions"]
        assert numpy.allclose(found, estimator.predict_proba(asked), rtol=1e-5, atol=1e-6)
    metrics = server.get("/metrics").body.decode()
    assert 'tagboat_optimized_passed_on_total{method="predict"} 0.0' in metrics
    assert 'tagboat_optimized_rows{method="predict_proba"} 300.0' in metrics
    assert 'tagboat_optimized_rows_differing{method="predict_proba"} 0.0' in metrics
    assert 'tagboat_optimized_largest_difference{method="predict_proba"}' in metrics


def test_the_log_has_the_proof_of_each_method(server):
    events = {event["method"]: event for event in told(server)}
    assert events["predict"]["message"] == "an onnx graph answers predict: 0 of 300 labels differ"
    assert events["predict"]["proved"]["passed"] is True
    assert 0 < events["predict_proba"]["proved"]["largest_difference"] < 1e-6
    assert events["predict_proba"]["alone"] is True


def test_what_the_graph_does_not_answer_the_model_does(server, boosting, tumours):
    rows = tumours[0].head(3)
    found = server.post("/decision_function", {"data": rows.to_dict("records")}).json["predictions"]
    assert found == boosting[0].decision_function(rows).tolist()
    assert server.post("/predict", {"data": [{"mean radius": 1.0}]}).status == 422


def test_requests_may_share_a_batch_where_their_bits_do_not_depend_on_it(boosting_bundle):
    model, _ = prepared(boosting_bundle)
    assert model.methods["predict"].alone
    assert model.methods["predict"].quick
    assert model.methods["predict"].tables
    assert not model.forkable


def test_the_graph_can_be_switched_off(boosting_bundle):
    model, lines = prepared(boosting_bundle, TAGBOAT_OPTIMIZE="off")
    assert not any(isinstance(method.call, Optimized) for method in model.methods.values())
    assert lines[-1]["message"] == "the model itself answers: optimization is off (TAGBOAT_OPTIMIZE)"


def test_a_graph_that_answers_otherwise_here_is_not_used(boosting, accepted, tumours, converted, tmp_path):
    """As on another machine, or with another ONNX Runtime."""
    estimator, outcome, _ = boosting
    other = GradientBoostingClassifier(n_estimators=2, random_state=1).fit(*tumours)
    _, theirs, content = converted(other)
    bundle = accepted(tmp_path, estimator, structs.replace(outcome, sha256=theirs.sha256), content)
    model, lines = prepared(bundle)
    assert not any(isinstance(method.call, Optimized) for method in model.methods.values())
    assert lines[-1]["message"].startswith("the model itself answers predict_proba: on this machine 300 of 300 rows")
    rows = tumours[0].head(9)
    assert model.methods["predict"].call(rows).tolist() == estimator.predict(rows).tolist()


def test_a_changed_graph_is_not_used(boosting, accepted, tmp_path):
    bundle = accepted(tmp_path, *boosting)
    graph = bundle / "optimized" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    model, lines = prepared(bundle)
    assert not any(isinstance(method.call, Optimized) for method in model.methods.values())
    assert "the file is not the one that was compared" in lines[-1]["message"]


def test_only_methods_that_passed_are_answered_by_the_graph(tumours, converted, accepted, tmp_path):
    rows, species = tumours
    estimator = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(rows, species)
    _, outcome, content = converted(estimator, rtol=0, atol=1e-13)
    assert outcome.tolerance == Tolerance(rtol=0, atol=1e-13)
    model, _ = prepared(accepted(tmp_path, estimator, outcome, content))
    assert isinstance(model.methods["predict"].call, Optimized)
    assert not isinstance(model.methods["predict_proba"].call, Optimized)
    assert model.methods["predict_proba"].call(rows).tolist() == estimator.predict_proba(rows).tolist()


def test_a_refused_graph_leaves_its_reason_in_the_log(boosting, bundle_of, tmp_path):
    bundle = bundle_of(tmp_path, boosting[0])
    document = json.loads((bundle / "model.json").read_text())
    optimized = {"to": "onnx", "reason": "the converter cannot do it"}
    (bundle / "model.json").write_text(json.dumps({**document, "optimized": optimized}))
    model, lines = prepared(bundle)
    assert model.methods["predict"].call == model.estimator.predict
    assert lines[-1]["message"].endswith("no graph was accepted when it was wrapped: the converter cannot do it")


def test_a_table_of_text_and_numbers_is_answered_without_a_dataframe(
    people, mixed, converted, accepted, serve, tmp_path
):
    table, stays = people
    network = MLPClassifier((8,), max_iter=200, random_state=0, tol=1e-2)
    estimator = make_pipeline(mixed(), network).fit(table, stays)
    _, outcome, content = converted(estimator)
    server = serve(accepted(tmp_path, estimator, outcome, content))
    asked = json.loads(table.head(40).to_json(orient="records", double_precision=15))
    assert server.post("/predict", {"data": asked}).json["predictions"] == estimator.predict(table.head(40)).tolist()
    without = [{name: value for name, value in row.items() if name != "id"} for row in asked]
    assert server.post("/predict", {"data": without}).json["predictions"] == estimator.predict(table.head(40)).tolist()
    refused = server.post("/predict", {"data": [{**asked[0], "city": "Atlantis"}]})
    assert refused.status == 422
    assert "unknown categories" in refused.json["error"]["message"]
    metrics = server.get("/metrics").body.decode()
    assert 'tagboat_optimized_passed_on_total{method="predict"} 1.0' in metrics


def test_a_graph_outside_the_bundle_is_refused(boosting, accepted, tmp_path):
    from tagboat_server.errors import SettingsError

    bundle = accepted(tmp_path, *boosting)
    document = json.loads((bundle / "model.json").read_text())
    document["optimized"]["graph"] = "../model.onnx"
    (bundle / "model.json").write_text(json.dumps(document))
    with pytest.raises(SettingsError, match="leaves the bundle"):
        spec.read_bundle(bundle)
