"""What a client meets: answers, refusals that name the place, and never a traceback."""

import json

import pytest

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
ROW = list(FLOWER.values())


@pytest.fixture(scope="module")
def server(serve_module, forest_bundle):
    return serve_module(forest_bundle, settings={"max-body": 20_000}, uds=True)


@pytest.mark.parametrize(
    "data",
    [[FLOWER, FLOWER], [ROW, ROW], {name: [value, value] for name, value in FLOWER.items()}],
    ids=["records", "rows", "columns"],
)
def test_records_rows_and_columns_are_the_same_question(server, forest, iris, data):
    answer = server.post("/predict", {"data": data})
    assert answer.status == 200
    assert answer.json == {"predictions": ["setosa", "setosa"], "release": "r1"}
    probabilities = server.post("/predict_proba", {"data": data}).json["predictions"]
    assert probabilities == forest.predict_proba(iris[0].iloc[[0, 0]]).tolist()


def test_the_order_of_a_records_keys_does_not_matter(server):
    backwards = dict(reversed(FLOWER.items()))
    assert server.post("/predict", {"data": [backwards]}).json["predictions"] == ["setosa"]


def without(name):
    return {key: value for key, value in FLOWER.items() if key != name}


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        ([FLOWER] * 3 + [without("petal_width")], "data[3].petal_width", "missing"),
        ([FLOWER, {**FLOWER, "age": 3}], "data[1].age", "unknown"),
        ([FLOWER, {**FLOWER, "sepal_width": "3.5"}], "data[1].sepal_width", "expected a number, got text"),
        ([{**FLOWER, "sepal_width": None}], "data[0].sepal_width", "got null"),
        ([{**FLOWER, "sepal_width": True}], "data[0].sepal_width", "got true or false"),
        ([{**FLOWER, "sepal_width": [1]}], "data[0].sepal_width", "got a list"),
        ([ROW, ROW[:3]], "data[1]", "4 values"),
        ([[*ROW, 1.0]], "data[0]", "4 values"),
        ([ROW, [*ROW[:2], "1.4", 0.2]], "data[1][2]", "petal_length"),
        ([[*ROW[:3], None]], "data[0][3]", "got null"),
        ([ROW, FLOWER], "data[1]", "mixed"),
        ([[ROW]], "data[0][0]", "got a list"),
        (ROW, "data[0]", "got a number"),
        ([], "data", "no rows"),
        ({}, "data.sepal_length", "missing"),
        ({name: [] for name in FLOWER}, "data", "no rows"),
        ({**{name: [1, 2] for name in FLOWER}, "petal_width": [1]}, "data.petal_width", "1 values"),
        ({**{name: [1] for name in FLOWER}, "petal_width": ["x"]}, "data.petal_width[0]", "got text"),
        ({**{name: [1] for name in FLOWER}, "petal_width": 1}, "data.petal_width", "got a whole number"),
        ("text", "data", "got text"),
        (None, "data", "got null"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused_with_its_place(server, data, path, words):
    answer = server.post("/predict", {"data": data})
    assert answer.status == 422
    error = answer.json["error"]
    assert error["path"] == path
    assert words in error["message"]
    assert answer.headers["x-tagboat-release"] == "r1"


@pytest.mark.parametrize(
    ("body", "path"), [(b"{}", "data"), (b'{"data": [], "x": 1}', "x"), (b"[]", None), (b"3", None)]
)
def test_a_body_that_is_not_data_is_refused(server, body, path):
    answer = server.post("/predict", body)
    assert answer.status == 422
    assert answer.json["error"].get("path") == path


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_lacks_are_refused_with_their_place(server, word):
    answer = server.post("/predict", b'{"data": [[5.1, 3.5, 1.4, 0.2], [1, ' + word.encode() + b", 3, 4]]}")
    assert (answer.status, answer.json["error"]["path"]) == (422, "data[1][1]")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b'{"data": [[5.1, 3.5, 1.4, 0.2]', "byte 30"),
        (b'{"data": [[5.1 3.5]]}', "byte 15"),
        (b"\xff\xfe", "byte 0"),
        (b'{"data": ' + b"[" * 5000, None),
    ],
)
def test_what_is_no_json_is_refused_with_its_position(server, body, words):
    answer = server.post("/predict", body)
    assert answer.status in ({400} if words else {400, 422})
    assert (words or "") in answer.json["error"]["message"]


def test_a_number_too_large_for_any_float_is_refused(server):
    answer = server.post("/predict", b'{"data": [[1e999, 1, 1, 1]]}')
    assert (answer.status, answer.json["error"]["path"]) == (422, "data[0][0]")


def test_a_body_over_the_limit_is_refused_whether_announced_or_not(server):
    large = b'{"data": [' + b" " * 30_000 + b"]}"
    assert server.post("/predict", large).status == 413
    parts = iter([large[:10_000], large[10_000:20_000], large[20_000:]])
    connection = server.connect()
    connection.request("POST", "/predict", parts, {"content-type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_the_connection_lives_on_after_a_refusal(server):
    connection = server.connect()
    for body, status in ((b"{", 400), (b" " * 30_000, 413), (json.dumps({"data": [ROW]}), 200)):
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/csv"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=UTF-8"}, 200),
        ({"content-type": "application/vnd.api+json"}, 200),
    ],
)
def test_only_plain_json_is_taken(server, headers, status):
    answer = server.post("/predict", {"data": [ROW]}, **headers)
    assert answer.status == status


def test_a_body_without_a_content_type_is_taken_for_json(server):
    assert server.request("POST", "/predict", json.dumps({"data": [ROW]})).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, "POST"),
        ("PUT", "/predict", 405, "POST"),
        ("POST", "/health/ready", 405, "GET, HEAD"),
        ("DELETE", "/metrics", 405, "GET, HEAD"),
        ("GET", "/nothing", 404, None),
        ("POST", "/predict/", 404, None),
        ("POST", "/..%2f..%2fetc/passwd", 404, None),
        ("OPTIONS", "/predict", 405, "POST"),
    ],
)
def test_other_methods_and_paths_are_told_what_there_is(server, method, path, status, allow):
    answer = server.request(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.json["error"]["message"]


def test_every_method_also_stands_under_methods(server):
    assert server.post("/methods/predict", {"data": [ROW]}).json["predictions"] == ["setosa"]


def test_health_names_the_release(server):
    for path in ("/health/live", "/health/ready"):
        answer = server.get(path)
        assert answer.status == 200
        named = {name: answer.json[name] for name in ("release", "stage", "artifact", "version")}
        assert named == {"release": "r1", "stage": "dev", "artifact": "iris", "version": "v0.1.0"}
        assert answer.headers["x-tagboat-release"] == "r1"


def test_head_is_get_without_the_body(server):
    answer = server.request("HEAD", "/health/live")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_metrics_count_requests_rows_and_refusals(server):
    before = figures(server)
    server.post("/predict", {"data": [ROW, ROW, ROW]})
    server.post("/predict", {"data": [["x", 1, 1, 1]]})
    after = figures(server)

    def grown(name):
        return after[name] - before.get(name, 0)

    assert grown('tagboat_requests_total{method="predict",status="200"}') == 1
    assert grown('tagboat_requests_total{method="predict",status="422"}') == 1
    assert grown('tagboat_rows_total{method="predict"}') == 3
    assert grown('tagboat_validation_failures_total{field="sepal_length",method="predict",reason="type"}') == 1
    assert grown('tagboat_request_seconds_count{method="predict"}') == 2
    release = 'tagboat_release_info{artifact="iris",format="sklearn-joblib",release="r1",stage="dev",version="v0.1.0"}'
    assert after[release] == 1
    assert after["tagboat_ready"] == 1


def figures(server):
    lines = [line for line in server.get("/metrics").body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_paths_of_clients_do_not_become_metrics(server):
    for number in range(5):
        server.get(f"/made-up-{number}")
    assert "made-up" not in server.get("/metrics").body.decode()


def test_openapi_describes_each_method_and_its_example_is_accepted(server):
    document = server.get("/openapi.json").json
    assert document["info"] == {**document["info"], "title": "iris", "version": "v0.1.0"}
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert server.post("/predict", content["example"]).status == 200
    records = content["schema"]["properties"]["data"]["oneOf"][0]
    assert records["items"]["required"] == list(FLOWER)


def test_openapi_says_the_same_as_the_server(server):
    import jsonschema

    document = server.get("/openapi.json").json
    schema = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for data in (
        [FLOWER],
        [ROW],
        {name: [1.5] for name in FLOWER},
        [],
        [ROW[:3]],
        [without("sepal_width")],
        [[*ROW[:3], None]],
        3,
    ):
        fits = jsonschema.Draft202012Validator(schema).is_valid({"data": data})
        assert (server.post("/predict", {"data": data}).status == 200) == fits, data


def test_the_docs_page_fetches_nothing_from_elsewhere(server):
    answer = server.get("/docs")
    assert answer.status == 200
    assert b"http://" not in answer.body
    assert b"https://" not in answer.body
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert server.get("/").headers["location"] == "/docs"


def test_the_access_log_is_lines_of_json(server, wait_until):
    server.post("/methods/predict", {"data": [ROW] * 7})

    def logged():
        return [event for event in server.events if event["event"] == "request" and event.get("rows") == 7]

    wait_until(logged)
    line = logged()[0]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/methods/predict", 200)
    assert line["release"] == "r1"


def test_the_access_log_can_be_switched_off(serve, forest_bundle):
    server = serve(forest_bundle, settings={"access-log": False})
    server.get("/health/live")
    server.terminate()
    server.wait()
    assert "request" not in {event["event"] for event in server.events}


def test_a_model_that_refuses_values_is_the_senders_matter_and_one_that_breaks_is_not(serve, bundle_around, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "odd.pkl").write_bytes(ODD_PICKLE)
    server = serve(bundle_around(tmp_path, "odd.pkl", code={"odd_model.py": ODD}))
    refused = server.post("/predict", {"data": [[1]]})
    assert refused.status == 422
    assert "unknown category 'x'" in refused.json["error"]["message"]
    broken = server.post("/predict", {"data": [[2]]})
    error = broken.json["error"]
    assert (broken.status, error["type"]) == (500, "KeyError")
    assert "Traceback" not in broken.body.decode()
    logged = next(event for event in server.events if event["event"] == "model-failed")
    assert logged["id"] == error["id"]
    assert "secret detail" in logged["traceback"]
    assert "secret detail" not in broken.body.decode()
    unsayable = server.post("/predict", {"data": [[3]]})
    assert (unsayable.status, unsayable.json["error"]["type"]) == (500, "TypeError")


ODD = """
class Odd:
    n_features_in_ = 1

    def predict(self, rows):
        if rows[0][0] == 1:
            raise ValueError("unknown category 'x'")
        if rows[0][0] == 2:
            raise KeyError("secret detail")
        return object()
"""
ODD_PICKLE = b"\x80\x04codd_model\nOdd\n)\x81."
"""An instance of odd_model.Odd, which exists in the bundle alone."""
