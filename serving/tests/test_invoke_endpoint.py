"""AWS's own client against the server, through a stand-in for the one thing between them: InvokeEndpoint.

The stand-in does what AWS documents of that operation, and nothing else: it passes the body, its type, Accept and the
custom attributes on, and nothing of the answer but their like; an answer that is no success becomes a ModelError.
"""

import json
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import numpy
import pytest
from botocore.config import Config

PASSED = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")
RETURNED = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")
ROW = [5.1, 3.5, 1.4, 0.2]


@contextmanager
def endpoint(server):
    """An address at which `POST /endpoints/NAME/invocations` reaches a server."""

    class Invoke(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            passed = {name: self.headers[name] for name in PASSED if self.headers[name] is not None}
            connection = HTTPConnection(*server.address, timeout=30)
            connection.request("POST", "/invocations", body, passed)
            response = connection.getresponse()
            answer = response.read()
            if response.status >= 400:
                said = {"Message": "Received client error", "OriginalStatusCode": response.status}
                said["OriginalMessage"] = answer.decode()
                self.answer(424, json.dumps(said).encode(), {"x-amzn-ErrorType": "ModelError"})
            else:
                kept = {name: response.headers[name] for name in RETURNED if response.headers[name] is not None}
                self.answer(200, answer, {**kept, "x-Amzn-Invoked-Production-Variant": "main"})
            connection.close()

        def answer(self, status, body, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Invoke) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}"
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def client(serve_module, forest_bundle):
    server = serve_module(forest_bundle, release="churn-prod-7")
    with endpoint(server) as address:
        made = boto3.client(
            "sagemaker-runtime",
            endpoint_url=address,
            region_name="eu-north-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield made
        made.close()


def invoke(client, body, content_type, **options):
    return client.invoke_endpoint(EndpointName="iris", Body=body, ContentType=content_type, **options)


def test_a_caller_gets_the_answer_its_type_and_the_release(client):
    answer = invoke(client, "5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n", "text/csv", Accept="text/csv")
    assert answer["Body"].read() == b"setosa\nvirginica\n"
    assert answer["ContentType"] == "text/csv; charset=utf-8"
    assert answer["CustomAttributes"] == "tagboat-release=churn-prod-7"


def test_a_plain_json_request_gets_an_object_of_predictions(client):
    answer = invoke(client, json.dumps([ROW]), "application/json")
    assert json.loads(answer["Body"].read()) == {"predictions": ["setosa"]}
    assert answer["ContentType"] == "application/json"


def test_a_caller_names_another_method_by_custom_attributes(client, forest, iris):
    answer = invoke(client, json.dumps([ROW]), "application/json", CustomAttributes="trace=1,method=predict_proba")
    probabilities = json.loads(answer["Body"].read())["predictions"]
    assert probabilities == forest.predict_proba(iris[0].iloc[[0]]).tolist()
    assert numpy.array(probabilities).shape == (1, 3)


@pytest.mark.parametrize("body", ["[]", "no JSON at all"])
def test_a_caller_asks_the_server_whether_it_is_ready_and_the_model_is_not_asked(client, body):
    answer = invoke(client, body, "application/json", CustomAttributes="trace=1,tagboat-ask=ready")
    said = json.loads(answer["Body"].read())
    assert (said["status"], said["ready"], said["release"]) == ("ok", True, "churn-prod-7")
    assert answer["CustomAttributes"] == "tagboat-release=churn-prod-7"


@pytest.mark.parametrize("attributes", ["tagboat-ask=readyish", "not-tagboat-ask=ready", "tagboat-ask=method"])
def test_other_questions_are_for_the_model(client, attributes):
    answer = invoke(client, json.dumps([ROW]), "application/json", CustomAttributes=attributes)
    assert json.loads(answer["Body"].read()) == {"predictions": ["setosa"]}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (
            "5.1,3.5,1.4,0.2\n5.1,3.5,x,0.2\n",
            "text/csv",
            422,
            {
                "message": "expected a number, got text (column 'petal_length')",
                "path": "csv line 2, column petal_length",
            },
        ),
        (
            '{"dataframe_split": {"data": [[1, 2, 3, null]]}}',
            "application/json",
            422,
            {
                "message": "expected a number, got null (column 'petal_width')",
                "path": "dataframe_split.data[0][3]",
            },
        ),
        ("{", "application/json", 400, None),
        ("1", "application/x-recordio-protobuf", 415, None),
    ],
)
def test_a_caller_reads_the_status_and_the_words_of_a_refusal_in_the_model_error(
    client, body, content_type, status, message
):
    with pytest.raises(client.exceptions.ModelError) as refused:
        invoke(client, body, content_type)
    said = refused.value.response
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert said["OriginalStatusCode"] == status
    error = json.loads(said["OriginalMessage"])["error"]
    assert len(said["OriginalMessage"]) < 500
    assert message is None or error == message
