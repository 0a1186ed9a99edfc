"""OpenAPI says what is so: its examples are answered, and schemathesis finds nothing."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).parents[3]
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
KINDS = ("table", "matrix", "mixed")
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
EXAMPLES = 25
"""That schemathesis makes up for each operation, beside those of its own list of corners."""


@pytest.fixture(scope="module")
def server_of(serve_module, request):
    """A server for one of the models."""
    started = {}

    def start(kind):
        if kind not in started:
            started[kind] = serve_module(request.getfixturevalue(kind))
        return started[kind]

    return start


@pytest.fixture(scope="module")
def mlem_server(serve_module, bundle_around, models, mlem):
    (models / "sample.json").write_text(json.dumps({"data": [FLOWER]}))
    bundle = bundle_around(models, "frame", format="mlem", sample="sample.json")
    return serve_module(bundle, python=mlem, environment={"PYTHONPATH": str(ROOT / "serving")})


def operations(document):
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield path, method.upper(), operation


def examples(operation):
    """The examples of a request by content type."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in media:
            yield kind, media["example"]
        for each in media.get("examples", {}).values():
            yield kind, each["value"]


def check_all(server):
    """Every operation answers 200, to each of its examples, in a form that it announces; gives how many there were."""
    import jsonschema

    count = 0
    document = server.get("/openapi.json").json
    for path, method, operation in operations(document):
        bodies = list(examples(operation)) or [(None, None)]
        if method == "POST":
            assert bodies[0][0], path
        for kind, example in bodies:
            body = None if kind is None else example if isinstance(example, str) else json.dumps(example)
            answer = server.request(method, quote(path), body, {"content-type": kind} if kind else {})
            assert answer.status == 200, (path, answer.body)
            content = operation["responses"]["200"]["content"]
            assert answer.headers["content-type"].partition(";")[0] in content
            if answer.headers["content-type"] == "application/json":
                jsonschema.validate(answer.json, content["application/json"]["schema"])
            count += 1
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_of_every_protocol_is_answered(server_of, kind):
    assert check_all(server_of(kind)) > 20


@pytest.mark.slow
def test_so_are_those_of_a_mlem_model(mlem_server):
    assert check_all(mlem_server) > 20
    told = mlem_server.get("/openapi.json").json["paths"]
    content = told["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == {"data": {"values": [FLOWER]}}
    assert told["/methods/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]["data"] == [FLOWER]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["imputed", "array", "nested", "text", "list", "mixed", "dict", "number", "table", "scaled"]
)
def test_every_type_of_mlems_has_an_example_that_is_answered(serve, bundle_around, models, mlem, model):
    bundle = bundle_around(models, model, format="mlem")
    server = serve(bundle, python=mlem, environment={"PYTHONPATH": str(ROOT / "serving")})
    asked = set()
    for path, _, operation in operations(server.get("/openapi.json").json):
        if path.startswith(("/methods/", "/predict", "/__call__")):
            for kind, example in examples(operation):
                answer = server.request("POST", path, json.dumps(example), {"content-type": kind})
                assert answer.status == 200, (path, example, answer.body)
                asked.add(path)
    assert {"/predict", "/methods/predict"} <= asked


def test_examples_are_the_first_row_of_the_sample(server_of):
    told = server_of("table").get("/openapi.json").json["paths"]
    native = told["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert native == {"data": [FLOWER]}
    csv = told["/invocations"]["post"]["requestBody"]["content"]["text/csv"]["example"]
    assert csv == "5.1,3.5,1.4,0.2\n"
    inputs = told["/v2/models/iris/infer"]["post"]["requestBody"]["content"]["application/json"]["example"]["inputs"]
    assert {each["name"]: each["data"] for each in inputs} == {name: [value] for name, value in FLOWER.items()}
    mixed = server_of("mixed").get("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]["content"]
    example = mixed["application/json"]["example"]
    assert example == {"data": [{"city": "Oslo", "income": 3.5, "children": 0, "member": True}]}


def test_without_a_sample_examples_are_made_up(serve, forest_bundle):
    server = serve(forest_bundle)
    assert check_all(server) > 20
    content = server.get("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert content["application/json"]["example"] == {"data": [dict.fromkeys(FLOWER, 0.5)]}


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_is_openapi(server_of, kind):
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = server_of(kind).get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_every_tag_that_is_used_is_told(server_of):
    document = server_of("table").get("/openapi.json").json
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in document["tags"]}


def found_by_schemathesis(server, folder):
    """What schemathesis says of a server, and its exit code."""
    configuration = folder / "schemathesis.toml"
    # That data has its shape's size, and that no name is there twice, is beyond JSON Schema; so are CSV and files.
    configuration.write_text(
        f'hooks = "{HOOKS.stem}"\n'
        "[generation]\n"
        "deterministic = true\n"
        f"max-examples = {EXAMPLES}\n"
        "[checks.positive_data_acceptance]\n"
        'expected-statuses = ["2xx", "400", "404", "422"]\n'
    )
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", configuration, "run", "--checks", "all"]
    command += ["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--no-color"]
    command += [f"http://{server.address[0]}:{server.address[1]}/openapi.json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(HOOKS.parent)}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_schemathesis_finds_nothing(server_of, kind, tmp_path):
    code, told = found_by_schemathesis(server_of(kind), tmp_path)
    assert code == 0, told
    assert "only_the_model_refuses_what_fits" not in told
    assert "test cases" in told.lower(), told


@pytest.mark.slow
def test_schemathesis_finds_nothing_at_a_mlem_model(mlem_server, tmp_path):
    code, told = found_by_schemathesis(mlem_server, tmp_path)
    assert code == 0, told


@pytest.mark.slow
def test_schemathesis_would_find_something(server_of, serve, table, tmp_path):
    """A server that is described by another's document is found out."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    document = server_of("mixed").get("/openapi.json").body
    other = server_of("table")

    class Between(BaseHTTPRequestHandler):
        def do_GET(self):
            self.pass_on(None)

        def do_POST(self):
            self.pass_on(self.rfile.read(int(self.headers.get("content-length", 0))))

        def pass_on(self, body):
            answer = other.request(self.command, self.path, body, {"content-type": "application/json"})
            sent = document if self.path == "/openapi.json" else answer.body
            self.send_response(200 if self.path == "/openapi.json" else answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_):
            pass

    between = HTTPServer(("127.0.0.1", 0), Between)
    thread = Thread(target=between.serve_forever)
    thread.start()
    try:
        between.address = between.server_address
        code, told = found_by_schemathesis(between, tmp_path)
    finally:
        between.shutdown()
        thread.join()
        between.server_close()
    assert code == 1
    assert "only_the_model_refuses_what_fits" in told or "should have been accepted" in told, told
