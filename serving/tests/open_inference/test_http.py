"""The Open Inference Protocol as its best-known client speaks it, and as a client would not."""

import json

import numpy
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tritonclient.http")

from tritonclient import http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
RELEASE = {"release": "r1", "version": "v0.1.0", "stage": "dev"}
ECHO = "models/tests:echo"


@pytest.fixture(scope="module")
def iris_server(serve_module, forest_bundle):
    return serve_module(forest_bundle, settings={"max-body": 200_000})


@pytest.fixture(scope="module")
def echo_server(serve_module, echo_bundle):
    return serve_module(echo_bundle)


@pytest.fixture(scope="module")
def churn_server(serve_module, mixed_bundle):
    return serve_module(mixed_bundle)


@pytest.fixture
def client_of():
    """Connects the client; closes it after the test."""
    clients = []

    def connect(server):
        clients.append(triton.InferenceServerClient("{}:{}".format(*server.address)))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def tensor(name, array, *, binary=True):
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def of_flowers(frame, *, binary=True, column=False):
    return [
        tensor(name, frame[name].to_numpy().reshape((-1, 1) if column else -1), binary=binary) for name in frame.columns
    ]


def outputs_of(result, name):
    array = result.as_numpy(name)
    return [value.decode() if isinstance(value, bytes) else value for value in array.tolist()]


def test_health_and_metadata_are_what_the_client_expects(iris_server, client_of):
    client = client_of(iris_server)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "v0.1.0")
    assert client.is_model_ready("iris:predict_proba", "0.1.0")
    assert not client.is_model_ready("iris", "v0.2.0")
    assert not client.is_model_ready("rose")
    server = client.get_server_metadata()
    assert server["name"] == "tagboat-server"
    assert "binary_tensor_data" in server["extensions"]
    model = client.get_model_metadata("iris", "0.1.0")
    assert model["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in COLUMNS]
    assert model["outputs"] == [{"name": "predict", "datatype": "BYTES", "shape": [-1]}]
    assert model["versions"] == ["v0.1.0"]
    assert model["parameters"] == server["parameters"] == RELEASE
    assert client.get_model_metadata("iris:predict_proba")["outputs"] == [
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]}
    ]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("column", [True, False])
def test_columns_are_joined_into_the_frame_that_the_model_was_fitted_on(
    iris_server, client_of, iris, forest, binary, column
):
    client = client_of(iris_server)
    inputs = of_flowers(iris[0], binary=binary, column=column)
    result = client.infer("iris", inputs[::-1])
    assert outputs_of(result, "predict") == forest.predict(iris[0]).tolist()
    result = client.infer("iris:predict_proba", inputs)
    assert result.as_numpy("predict_proba").tobytes() == forest.predict_proba(iris[0]).tobytes()


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("binary", [True, False])
def test_one_matrix_stands_for_all_columns_of_numbers(iris_server, client_of, iris, forest, dtype, binary):
    rows = iris[0].to_numpy(dtype)
    result = client_of(iris_server).infer("iris:predict_proba", [tensor("rows", rows, binary=binary)])
    wanted = forest.predict_proba(iris[0].astype(dtype).astype("f8"))
    assert result.as_numpy("predict_proba").tobytes() == wanted.tobytes()


def test_the_release_is_in_every_answer(iris_server, client_of, iris):
    answer = client_of(iris_server).infer("iris", of_flowers(iris[0].head(1)), request_id="no. 7").get_response()
    assert answer["id"] == "no. 7"
    assert answer["model_name"] == "iris"
    assert answer["model_version"] == "v0.1.0"
    assert answer["parameters"] == RELEASE
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/iris", "/v2/models/iris/ready"):
        got = iris_server.get(path)
        assert got.status == 200
        assert got.json["parameters"] == RELEASE
        assert got.headers["x-tagboat-release"] == "r1"
    assert "id" not in client_of(iris_server).infer("iris", of_flowers(iris[0].head(1))).get_response()


def test_a_frame_of_mixed_columns_takes_each_in_its_own_datatype(churn_server, client_of, customers, mixed):
    client = client_of(churn_server)
    frame = customers[0]
    assert [(each["name"], each["datatype"]) for each in client.get_model_metadata("churn")["inputs"]] == [
        ("age", "FP64"),
        ("orders", "INT64"),
        ("city", "BYTES"),
        ("vip", "BOOL"),
    ]
    for binary in (True, False):
        inputs = [tensor(name, frame[name].to_numpy(), binary=binary) for name in frame.columns]
        result = client.infer("churn:predict_proba", inputs)
        assert result.as_numpy("predict_proba").tobytes() == mixed.predict_proba(frame).tobytes()
        result = client.infer("churn", inputs)
        assert result.as_numpy("predict").dtype == bool
        assert result.as_numpy("predict").tolist() == mixed.predict(frame).tolist()


def test_outputs_that_no_signature_tells_are_described_by_the_sample(churn_server, client_of):
    described = client_of(churn_server).get_model_metadata("churn:decision_function")["outputs"]
    assert described == [{"name": "decision_function", "datatype": "FP64", "shape": [-1]}]


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_every_datatype_survives_the_way_there_and_back(echo_server, client_of, datatypes, binary_in, binary_out):
    client = client_of(echo_server)
    for name, array in datatypes.items():
        for shape in ([3], [3, 1], [1, 3, 1]):
            given = array.reshape(shape)
            wanted = [triton.InferRequestedOutput("predict", binary_data=binary_out)]
            result = client.infer(ECHO, [tensor("x", given, binary=binary_in)], outputs=wanted)
            found = result.as_numpy("predict")
            assert result.get_output("predict")["datatype"] == name
            assert list(found.shape) == shape
            if name == "BYTES":
                found = numpy.array([v.decode() if isinstance(v, bytes) else v for v in found.reshape(-1)], object)
                assert found.tolist() == array.tolist()
            else:
                assert found.dtype == array.dtype
                assert found.tobytes() == given.tobytes()


def test_text_that_is_no_utf8_survives_in_binary(echo_server, client_of):
    given = numpy.array([b"\xff\x00", b""], dtype=object)
    found = client_of(echo_server).infer(ECHO, [tensor("x", given)]).as_numpy("predict")
    assert found.tolist() == given.tolist()


def test_a_name_with_slashes_and_colons_may_be_encoded_or_not(echo_server):
    body = {"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}
    for name in ("models/tests:echo", "models%2Ftests%3Aecho", "models/tests%3aecho%3Apredict"):
        for version in ("", "/versions/v1.2.0-rc.1", "/versions/1.2.0-rc.1"):
            answer = echo_server.post(f"/v2/models/{name}{version}/infer", body)
            assert answer.status == 200, answer.body
            assert answer.json["outputs"][0]["data"] == [1]


def test_requested_outputs_come_in_their_order_and_form(echo_server, client_of):
    inputs = [
        tensor("a", numpy.array([1, 2])),
        tensor("b", numpy.array([0.5, 1.5])),
        tensor("c", numpy.array([True, False])),
    ]
    wanted = [triton.InferRequestedOutput("c", binary_data=False), triton.InferRequestedOutput("a", binary_data=True)]
    answer = client_of(echo_server).infer(ECHO, inputs, outputs=wanted)
    described = answer.get_response()["outputs"]
    assert [output["name"] for output in described] == ["c", "a"]
    assert described[0]["data"] == [True, False]
    assert described[1]["parameters"] == {"binary_data_size": 16}
    assert answer.as_numpy("a").tolist() == [1, 2]
    everything = client_of(echo_server).infer(ECHO, inputs).get_response()["outputs"]
    assert [output["name"] for output in everything] == ["a", "b", "c"]


def test_answers_of_every_kind_have_a_form(echo_server, client_of):
    client = client_of(echo_server)
    one = [tensor("x", numpy.array([1.0]))]
    records = client.infer(f"{ECHO}:records", one).as_numpy("records")
    assert [json.loads(each) for each in records] == [{"class": "a", "score": 0.5}, {"class": "b", "score": None}]
    several = client.infer(f"{ECHO}:several", one)
    assert several.as_numpy("several_0").shape == (2, 1)
    assert several.as_numpy("several_1").dtype == numpy.float32
    words = client.infer(f"{ECHO}:words", one, outputs=[triton.InferRequestedOutput("words", binary_data=False)])
    assert words.get_output("words")["data"] == ["\u00e9t\u00e9", None, ""]
    assert client.infer(f"{ECHO}:words", one).as_numpy("words").tolist() == ["\u00e9t\u00e9".encode(), b"", b""]
    times = client.infer(f"{ECHO}:times", one).as_numpy("times").tolist()
    assert times[0] == b"2024-01-31T00:00:00"


def test_not_a_number_is_null_in_json_and_itself_in_binary(echo_server, client_of):
    given = numpy.array([numpy.nan, numpy.inf, 1.0])
    client = client_of(echo_server)
    assert client.infer(ECHO, [tensor("x", given)]).as_numpy("predict").tobytes() == given.tobytes()
    wanted = [triton.InferRequestedOutput("predict", binary_data=False)]
    answer = client.infer(ECHO, [tensor("x", given)], outputs=wanted)
    assert answer.get_output("predict")["data"] == [None, None, 1.0]


def test_several_arrays_that_are_no_columns_come_by_name(echo_server, client_of):
    inputs = [tensor("image", numpy.zeros((2, 2, 2), "f4")), tensor("mask", numpy.ones((2, 2), bool))]
    answer = client_of(echo_server).infer(ECHO, inputs)
    assert answer.as_numpy("image").shape == (2, 2, 2)
    assert answer.as_numpy("mask").dtype == bool


REFUSALS = [
    ("rose", None, {}, "404", "there is no model 'rose' here"),
    ("iris", "v0.2.0", {}, "404", "the version 'v0.2.0' of iris is not served here, this is v0.1.0"),
    ("iris:fit", None, {}, "404", "there is no model 'iris:fit'"),
    ("iris", None, {"sepal_width": None}, "422", "inputs.sepal_width: the column 'sepal_width' is missing"),
    ("iris", None, {"colour": [1.0, 2.0]}, "422", "inputs.colour: the column 'colour' is unknown"),
    ("iris", None, {"sepal_width": [True, False]}, "422", "inputs.sepal_width: expected numbers, got true or false"),
    ("iris", None, {"sepal_width": [1.0, numpy.nan]}, "422", "inputs.sepal_width[1]: expected a number, got NaN"),
    ("iris", None, {"sepal_width": [numpy.inf, 1.0]}, "422", "inputs.sepal_width[0]: inf is not taken"),
    ("iris", None, {"sepal_width": [1.0]}, "422", "inputs.sepal_width: the column has 1 values, the longest has 2"),
    ("iris", None, {"sepal_width": ["1", "2"]}, "422", "inputs.sepal_width[0]: expected a number, got text"),
]


@pytest.mark.parametrize(("model", "version", "change", "status", "words"), REFUSALS)
def test_the_client_raises_our_words(iris_server, client_of, iris, model, version, change, status, words):
    columns = {name: iris[0][name].to_numpy()[:2] for name in COLUMNS}
    columns.update({name: value and numpy.array(value) for name, value in change.items()})
    inputs = [
        tensor(name, array.astype(object) if array.dtype.kind == "U" else array)
        for name, array in columns.items()
        if array is not None
    ]
    with pytest.raises(InferenceServerException) as caught:
        client_of(iris_server).infer(model, inputs, model_version=version or "")
    assert caught.value.status() == status
    assert caught.value.message().startswith(words)


def test_an_output_that_is_not_there_is_named(iris_server, client_of, iris):
    with pytest.raises(InferenceServerException) as caught:
        client_of(iris_server).infer(
            "iris", of_flowers(iris[0].head(1)), outputs=[triton.InferRequestedOutput("species")]
        )
    assert caught.value.status() == "400"
    assert "there is no output 'species', there is predict" in caught.value.message()


def test_a_failure_of_the_model_is_told_without_its_secrets(echo_server, client_of):
    for method, words in (
        ("fails", "the model failed with RuntimeError (id "),
        ("complex", "the model failed with TypeError"),
    ):
        with pytest.raises(InferenceServerException) as caught:
            client_of(echo_server).infer(f"{ECHO}:{method}", [tensor("x", numpy.array([1j.imag]))])
        assert caught.value.status() == "500"
        assert caught.value.message().startswith(words)
        assert "secret" not in str(caught.value)


def one(**changes):
    made = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0], **changes}
    return {"inputs": [{key: value for key, value in made.items() if value is not None}]}


BAD_DOCUMENTS = [
    (b"", 400, "JSON"),
    (b"{", 400, "JSON"),
    (b"[]", 400, "expected an object"),
    (b"[" * 100_000, 400, ""),
    ({}, 400, "'inputs' is missing"),
    ({"inputs": []}, 400, "there are no inputs"),
    ({"inputs": {}}, 400, "expected a list"),
    ({**one(), "input": []}, 400, "'input' is unknown"),
    (one(size=3), 400, "'size' is unknown"),
    (one(name=3), 400, "inputs[0].name: expected text, got a whole number"),
    (one(shape=None), 400, "'shape' is missing"),
    (one(shape=[-1]), 400, "negative"),
    (one(shape=[0], data=[]), 422, "no rows"),
    (one(shape=[2**40, 2**40]), 400, "elements, there are 1"),
    (one(shape=[2**80]), 400, ""),
    (one(shape=[1] * 33), 400, "at most 32 dimensions"),
    (one(shape=[2]), 400, "2 elements, there are 1"),
    (one(shape=[1.5]), 400, "expected a whole number"),
    (one(shape=[2, 2], data=[[1, 2], [3]]), 400, "lists of 2 values, there is one of 1"),
    (one(shape=[2, 2], data=[[1, 2, 3, 4]]), 400, "lists of 2 values, there is one of 1"),
    (one(shape=[1, 1], data=[[[1]]]), 422, "inputs.x[0][0]: expected a number or null, got a list"),
    (one(datatype="BF16"), 400, "send FP32"),
    (one(datatype="FLOAT"), 400, "is not one of BOOL"),
    (one(data=None), 400, "neither data nor binary_data_size"),
    (one(data="1"), 422, "expected a list"),
    (one(data=["1"]), 422, "inputs.x[0]: expected a number or null, got text"),
    (one(data=[True]), 422, "got true or false"),
    (one(datatype="FP32", data=[1e39]), 422, "inputs.x[0]: 1e+39 is out of the range of float32"),
    (one(datatype="INT8", data=[128]), 422, "inputs.x[0]: 128 is out of the range of int8"),
    (one(datatype="INT8", data=[1.5]), 422, "inputs.x[0]: expected a whole number, got 1.5"),
    (one(datatype="UINT64", data=[-1]), 422, "out of the range of uint64"),
    (one(datatype="INT64", data=[2**64]), 422, "out of the range of int64"),
    (one(datatype="BOOL", data=[1]), 422, "expected true or false or null"),
    (one(datatype="BYTES", data=[1]), 422, "expected text or null"),
    (one(parameters={"binary_data_size": 8}, data=None), 400, "there is no binary data"),
    (one(parameters={"shared_memory_region": "a"}), 400, "shared_memory_region"),
    (one(parameters=3), 400, "expected an object"),
    ({"inputs": one()["inputs"] * 2}, 400, "'x' is given twice"),
    ({**one(), "outputs": [{"name": "predict"}, {"name": "predict"}]}, 400, "'predict' is given twice"),
    ({**one(), "outputs": [{"name": "predict", "parameters": {"classification": 1}}]}, 400, "classification"),
    ({**one(), "outputs": [{"name": "predict", "parameters": {"binary_data": "yes"}}]}, 400, "expected true or false"),
    ({**one(), "parameters": {"binary_data_output": 1}}, 400, "expected true or false"),
    ({**one(), "parameters": {"method": "kind"}}, 400, "<artifact>:<method>"),
    ({**one(), "id": 7}, 400, "id: expected text or null, got a whole number"),
]


@pytest.mark.parametrize(("document", "status", "words"), BAD_DOCUMENTS)
def test_a_bad_document_is_refused_in_one_text(echo_server, document, status, words):
    answer = echo_server.post(f"/v2/models/{ECHO}/infer", document)
    assert answer.status == status, answer.body
    assert list(answer.json) == ["error"]
    assert words in answer.json["error"]
    assert len(answer.body) < 1500
    assert answer.headers["x-tagboat-release"] == "r1"


def binary_input(size, shape=(2,), datatype="FP64", **more):
    parameters = {"binary_data_size": size}
    return {"name": "x", "shape": list(shape), "datatype": datatype, "parameters": parameters, **more}


BAD_BINARIES = [
    ([binary_input(16)], bytes(15), None, "wants 16 bytes of binary data, 15 are there"),
    ([binary_input(16)], bytes(17), None, "1 bytes are behind the last input's data"),
    ([binary_input(15)], bytes(15), None, "asks for 16 bytes, there are 15"),
    ([binary_input(-1)], bytes(16), None, "binary_data_size is no length"),
    ([binary_input(True, [1], "BOOL")], bytes(1), None, "binary_data_size is no length"),
    ([binary_input(1.0, [1], "BOOL")], bytes(1), None, "binary_data_size is no length"),
    ([binary_input(2**63)], bytes(16), None, "are there"),
    ([binary_input(10**15)], bytes(16), None, "are there"),
    ([binary_input(16, [2**62, 2**62])], bytes(16), None, "the shape asks for"),
    ([binary_input(16, data=[1])], bytes(16), None, "both data and binary_data_size"),
    ([binary_input(2, datatype="BOOL")], b"\1\2", None, "inputs.x[1]: true or false is a byte 1 or 0, not 2"),
    ([binary_input(4, [1], "BYTES")], b"\1\0\0\0", None, "inputs.x[0]: the binary data ends within this element"),
    ([binary_input(4, [1], "BYTES")], b"\xff\xff\xff\xff", None, "ends within"),
    ([binary_input(9, [2], "BYTES")], bytes(9), None, "1 bytes are behind them"),
    ([binary_input(6, [1], "BYTES")], b"\1\0\0\0ab", None, "1 bytes are behind them"),
    ([binary_input(10, [2], "BYTES")], b"\5\0\0\0abcdef", None, "ends within"),
    ([binary_input(10, [2**30], "BYTES")], bytes(10), None, "too few"),
    ([binary_input(4, datatype="BF16")], bytes(4), None, "send FP32"),
    ([binary_input(16)], bytes(16), b"10000000", "Inference-Header-Content-Length"),
    ([binary_input(16)], bytes(16), b"-1", "Inference-Header-Content-Length"),
    ([binary_input(16)], bytes(16), b"9" * 1000, "Inference-Header-Content-Length"),
    ([binary_input(16)], bytes(16), b"\xb2", "Inference-Header-Content-Length"),
    ([binary_input(16)], bytes(16), b"0", "JSON"),
    ([binary_input(16)], bytes(16), b"5", "JSON"),
]


@pytest.mark.parametrize(("inputs", "data", "length", "words"), BAD_BINARIES)
def test_bad_binary_data_is_refused_in_one_text(echo_server, inputs, data, length, words):
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference-header-content-length": length or str(len(head)).encode()}
    answer = echo_server.request("POST", f"/v2/models/{ECHO}/infer", head + data, headers)
    assert answer.status in {400, 422}, answer.body
    assert list(answer.json) == ["error"]
    assert words in answer.json["error"]


def test_the_json_of_several_binary_inputs_may_have_any_length(echo_server):
    # The numbers begin at any byte then, aligned or not.
    for padding in range(9):
        inputs = [binary_input(16), {**binary_input(3, [3], "INT8"), "name": "y"}, {**binary_input(16), "name": "z"}]
        head = json.dumps({"inputs": inputs}).encode() + b" " * padding
        data = numpy.array([1.5, 2.5]).tobytes() + b"\1\2\3" + numpy.array([3.5, 4.5]).tobytes()
        headers = {
            "inference-header-content-length": str(len(head)),
            "content-type": "application/octet-stream",
        }
        answer = echo_server.request("POST", f"/v2/models/{ECHO}/infer", head + data, headers)
        assert answer.status == 200, answer.body
        assert [output["data"] for output in answer.json["outputs"]] == [[1.5, 2.5], [1, 2, 3], [3.5, 4.5]]


def test_what_is_too_large_compressed_or_of_another_type_is_refused_in_this_form(iris_server):
    for status, body, headers in [
        (413, bytes(200_001), {}),
        (415, b"x", {"content-encoding": "gzip"}),
        (415, b"x", {"content-type": "text/csv"}),
        (415, b"x", {"content-type": "application/octet-stream"}),
    ]:
        answer = iris_server.request("POST", "/v2/models/iris/infer", body, headers)
        assert answer.status == status
        assert isinstance(answer.json["error"], str)
    answer = iris_server.get("/v2/models/iris/infer")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert isinstance(answer.json["error"], str)
    for path in ("/v2/nothing", "/v2/models/iris/config", "/v2/models/", "/v2/"):
        answer = iris_server.get(path)
        assert answer.status == 404
        assert isinstance(answer.json["error"], str)


def test_a_draining_server_is_not_ready_here_either(serve, forest_bundle, wait_until):
    server = serve(forest_bundle, settings={"drain-delay": 30})
    server.terminate()
    wait_until(lambda: server.get("/v2/health/ready").status == 503)
    assert server.get("/v2/models/iris/ready").status == 503
    assert server.get("/v2/health/ready").json["ready"] is False
    assert server.get("/v2/health/live").status == 200
