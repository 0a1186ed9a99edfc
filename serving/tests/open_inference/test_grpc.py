"""The Open Inference Protocol over gRPC, as its best-known client speaks it."""

import contextlib
import json
import socket
import threading
from pathlib import Path

import numpy
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tritonclient.grpc")

import grpc
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tagboat_server.protocols.open_inference import messages

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ECHO = "models/tests:echo"


def address_of(server):
    """Where a server says that it answers gRPC."""
    found = [event["address"] for event in server.events if event["event"] == "listening"]
    return next(address for address in found if address.startswith("grpc://")).removeprefix("grpc://")


@pytest.fixture(scope="module")
def iris_server(serve_module, forest_bundle):
    return serve_module(forest_bundle, settings={"grpc-port": 0, "max-body": 200_000})


@pytest.fixture(scope="module")
def echo_server(serve_module, echo_bundle):
    return serve_module(echo_bundle, settings={"grpc-port": 0})


@pytest.fixture
def connect():
    """Connects clients of their own connection each; closes them after the test."""
    with contextlib.ExitStack() as stack:

        def client(address):
            made = triton.InferenceServerClient(address, channel_args=[("grpc.use_local_subchannel_pool", 1)])
            stack.callback(made.close)
            return made

        yield client


@pytest.fixture
def stub():
    """The service without NVIDIA's client, for what that one never sends."""
    with contextlib.ExitStack() as stack:

        def made(server):
            channel = grpc.insecure_channel(address_of(server))
            stack.callback(channel.close)
            return service_pb2_grpc.GRPCInferenceServiceStub(channel)

        yield made


def tensor(name, array):
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array)
    return made


def of_flowers(frame):
    return [tensor(name, frame[name].to_numpy()) for name in frame.columns]


def test_our_messages_are_the_published_ones():
    def described(message):
        return {
            "fields": [
                (
                    field.name,
                    field.number,
                    field.type,
                    field.is_repeated,
                    getattr(field.message_type, "full_name", None),
                )
                for field in message.fields
            ],
            "oneofs": [[field.name for field in each.fields] for each in message.oneofs],
            "nested": {nested.name: described(nested) for nested in message.nested_types},
            "map": message.GetOptions().map_entry,
        }

    for name, made in messages.Classes().made.items():
        assert described(made.DESCRIPTOR) == described(service_pb2.DESCRIPTOR.message_types_by_name[name]), name


def test_health_and_metadata_are_what_the_client_expects(iris_server, connect):
    client = connect(address_of(iris_server))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris:predict_proba", "0.1.0")
    assert not client.is_model_ready("iris", "v0.2.0")
    assert not client.is_model_ready("rose")
    assert client.get_server_metadata().name == "tagboat-server"
    model = client.get_model_metadata("iris:predict_proba", as_json=True)
    assert [(each["name"], each["datatype"], each["shape"]) for each in model["inputs"]] == [
        (name, "FP64", ["-1"]) for name in COLUMNS
    ]
    assert model["outputs"] == [{"name": "predict_proba", "datatype": "FP64", "shape": ["-1", "3"]}]
    assert model["versions"] == ["v0.1.0"]


def test_columns_and_matrices_are_answered_to_the_bit(iris_server, connect, iris, forest):
    client = connect(address_of(iris_server))
    wanted = forest.predict_proba(iris[0]).tobytes()
    for inputs in (of_flowers(iris[0])[::-1], [tensor("rows", iris[0].to_numpy())]):
        result = client.infer("iris:predict_proba", inputs, request_id="7")
        assert result.as_numpy("predict_proba").tobytes() == wanted
        answer = result.get_response()
        assert (answer.id, answer.model_name, answer.model_version) == ("7", "iris:predict_proba", "v0.1.0")
        assert {name: value.string_param for name, value in answer.parameters.items()} == {
            "release": "r1",
            "version": "v0.1.0",
            "stage": "dev",
        }
    species = client.infer("iris", of_flowers(iris[0])).as_numpy("predict")
    assert [each.decode() for each in species] == forest.predict(iris[0]).tolist()


def test_a_frame_of_mixed_columns_takes_each_in_its_own_datatype(serve, mixed_bundle, connect, customers, mixed):
    server = serve(mixed_bundle, settings={"grpc-port": 0})
    frame = customers[0]
    inputs = [tensor(name, frame[name].to_numpy()) for name in frame.columns]
    result = connect(address_of(server)).infer("churn:predict_proba", inputs)
    assert result.as_numpy("predict_proba").tobytes() == mixed.predict_proba(frame).tobytes()


def test_every_datatype_survives_the_way_there_and_back(echo_server, connect, datatypes):
    client = connect(address_of(echo_server))
    for name, array in datatypes.items():
        for shape in ([3], [1, 3, 1]):
            result = client.infer(ECHO, [tensor("x", array.reshape(shape))])
            found = result.as_numpy("predict")
            assert result.get_output("predict").datatype == name
            assert list(found.shape) == shape
            if name == "BYTES":
                assert [each.decode() for each in found.reshape(-1)] == array.tolist()
            else:
                assert (found.dtype, found.tobytes()) == (array.dtype, array.tobytes())


FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def of_elements(name, datatype, field, values):
    """An input with its elements one by one."""
    made = service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=[len(values)])
    getattr(made.contents, field).extend(values)
    return made


def test_elements_may_come_one_by_one_and_are_answered_so(echo_server, stub, datatypes):
    for datatype, field in FIELDS.items():
        values = [each.encode() if isinstance(each, str) else each for each in datatypes[datatype].tolist()]
        asked = service_pb2.ModelInferRequest(model_name=ECHO, inputs=[of_elements("x", datatype, field, values)])
        answer = stub(echo_server).ModelInfer(asked)
        assert not answer.raw_output_contents
        assert answer.outputs[0].datatype == datatype
        assert list(getattr(answer.outputs[0].contents, field)) == values


def test_requested_outputs_come_alone_and_in_their_order(echo_server, connect):
    inputs = [
        tensor("a", numpy.array([1, 2])),
        tensor("b", numpy.array([0.5, 1.5])),
        tensor("c", numpy.array([True, False])),
    ]
    answer = connect(address_of(echo_server)).infer(
        ECHO, inputs, outputs=[triton.InferRequestedOutput("c"), triton.InferRequestedOutput("a")]
    )
    assert [output.name for output in answer.get_response().outputs] == ["c", "a"]
    assert answer.as_numpy("a").tolist() == [1, 2]
    assert answer.as_numpy("c").tolist() == [True, False]


@pytest.mark.parametrize(
    ("model", "version", "change", "code", "words"),
    [
        ("rose", "", {}, "NOT_FOUND", "there is no model 'rose' here"),
        ("iris", "v0.2.0", {}, "NOT_FOUND", "the version 'v0.2.0' of iris is not served here"),
        ("iris", "", {"sepal_width": None}, "INVALID_ARGUMENT", "inputs.sepal_width: the column"),
        (
            "iris",
            "",
            {"sepal_width": numpy.array([numpy.nan])},
            "INVALID_ARGUMENT",
            "inputs.sepal_width[0]: expected a",
        ),
        ("iris", "", {"sepal_width": numpy.array([True])}, "INVALID_ARGUMENT", "inputs.sepal_width: expected numbers"),
        ("iris", "", {"sepal_width": numpy.zeros(20_000)}, "INVALID_ARGUMENT", "inputs.sepal_length: the column has 1"),
        ("iris", "", {"sepal_width": numpy.zeros(30_000)}, "RESOURCE_EXHAUSTED", ""),
    ],
)
def test_the_client_raises_our_words(iris_server, connect, iris, model, version, change, code, words):
    columns = {**{name: iris[0][name].to_numpy()[:1] for name in COLUMNS}, **change}
    inputs = [tensor(name, array) for name, array in columns.items() if array is not None]
    with pytest.raises(InferenceServerException) as caught:
        connect(address_of(iris_server)).infer(model, inputs, model_version=version)
    assert caught.value.status() == f"StatusCode.{code}"
    assert caught.value.message().startswith(words)


def input_of(name="x", datatype="FP64", shape=(1,), **more):
    return service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, **more)


BAD_REQUESTS = [
    ({"inputs": []}, "there are no inputs"),
    ({"inputs": [input_of(), input_of()]}, "'x' is given twice"),
    ({"inputs": [input_of()], "raw_input_contents": [bytes(8), bytes(8)]}, "1 inputs and 2 raw_input_contents"),
    ({"inputs": [input_of()], "raw_input_contents": [bytes(7)]}, "asks for 8 bytes, there are 7"),
    ({"inputs": [input_of(shape=[-1])], "raw_input_contents": [bytes(8)]}, "negative"),
    ({"inputs": [input_of(shape=[2**62, 2**62])], "raw_input_contents": [bytes(8)]}, "the shape asks for"),
    ({"inputs": [input_of(shape=[0])], "raw_input_contents": [b""]}, "no rows"),
    ({"inputs": [input_of(datatype="BF16")], "raw_input_contents": [bytes(2)]}, "send FP32"),
    ({"inputs": [input_of(datatype="FP16")]}, "raw_input_contents only"),
    ({"inputs": [input_of()]}, "1 elements, there are 0"),
    ({"inputs": [of_elements("x", "FP64", "fp32_contents", [1.0])]}, "FP64 comes in fp64_contents, not in fp32"),
    ({"inputs": [of_elements("x", "INT8", "int_contents", [200])]}, "inputs.x[0]: 200 is out of the range of INT8"),
    (
        {"inputs": [of_elements("x", "FP64", "fp64_contents", [1.0])], "raw_input_contents": [bytes(8)]},
        "both contents and raw",
    ),
    (
        {
            "inputs": [of_elements("x", "FP64", "fp64_contents", [1.0])],
            "outputs": [service_pb2.ModelInferRequest.InferRequestedOutputTensor(name="y")],
        },
        "there is no output 'y', there is predict",
    ),
    (
        {
            "inputs": [
                input_of(parameters={"shared_memory_region": service_pb2.InferParameter(string_param="a")}),
            ]
        },
        "shared_memory_region",
    ),
]


@pytest.mark.parametrize(("request_", "words"), BAD_REQUESTS)
def test_a_bad_request_is_refused_in_words(echo_server, stub, request_, words):
    with pytest.raises(grpc.RpcError) as caught:
        stub(echo_server).ModelInfer(service_pb2.ModelInferRequest(model_name=ECHO, **request_))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    assert dict(caught.value.trailing_metadata())["x-tagboat-release"] == "r1"


def test_what_is_no_message_is_refused_and_what_the_model_breaks_at_is_not_told(echo_server):
    with grpc.insecure_channel(address_of(echo_server)) as channel:
        infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            infer(b"\xff\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        one = of_elements("x", "FP64", "fp64_contents", [1.0])
        asked = service_pb2.ModelInferRequest(model_name=f"{ECHO}:fails", inputs=[one])
        with pytest.raises(grpc.RpcError) as caught:
            infer(asked.SerializeToString())
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "the model failed with RuntimeError (id " in caught.value.details()
        assert "secret" not in caught.value.details()
        with pytest.raises(grpc.RpcError) as caught:
            infer(bytes(1_000_000), compression=grpc.Compression.Gzip)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_are_counted_and_logged_like_requests(serve, forest_bundle, connect, iris, wait_until):
    server = serve(forest_bundle, settings={"grpc-port": 0})
    client = connect(address_of(server))
    client.infer("iris", of_flowers(iris[0].head(3)))
    with pytest.raises(InferenceServerException):
        client.infer("iris", of_flowers(iris[0].head(3))[1:])
    page = server.get("/metrics").body.decode()
    assert 'tagboat_requests_total{method="predict",status="200"} 1.0' in page
    assert 'tagboat_requests_total{method="predict",status="422"} 1.0' in page
    assert 'tagboat_rows_total{method="predict"} 3.0' in page
    assert 'field="sepal_length",method="predict",reason="missing-column"' in page
    wait_until(lambda: len(logged_calls(server)) == 2)
    logged = logged_calls(server)
    assert [(event["status"], event.get("rows")) for event in logged] == [(200, 3), (422, None)]
    assert logged[0]["path"] == "/inference.GRPCInferenceService/ModelInfer"


def logged_calls(server):
    """The access log's lines of calls; a line is written a moment after its answer."""
    return [event for event in server.events if event["event"] == "request" and event["method"] == "GRPC"]


def test_a_callers_trace_is_in_the_log_and_a_malformed_one_is_not(serve, forest_bundle, connect, iris, wait_until):
    server = serve(forest_bundle, settings={"grpc-port": 0})
    client = connect(address_of(server))
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    for parent in (f"00-{trace}-{span}-01", f"00-{trace.upper()}-{span}-01", None):
        client.infer("iris", of_flowers(iris[0].head(1)), headers={"traceparent": parent} if parent else None)
    wait_until(lambda: len(logged_calls(server)) == 3)
    assert [(event.get("trace_id"), event.get("span_id")) for event in logged_calls(server)] == [
        (trace, span),
        (None, None),
        (None, None),
    ]


def test_a_call_whose_client_has_left_before_it_was_begun_is_dropped_and_counted(serve, slow_bundle, stub, wait_until):
    server = serve(slow_bundle, settings={"grpc-port": 0})
    first = slow_call(stub, server, 3.0)
    wait_until(lambda: "tagboat_requests_in_work 1.0" in server.get("/metrics").body.decode())
    second = slow_call(stub, server, 30.0)
    wait_until(lambda: "tagboat_requests_in_work 2.0" in server.get("/metrics").body.decode())
    second.cancel()
    wait_until(lambda: 'tagboat_requests_dropped_total{method="grpc"} 1.0' in server.get("/metrics").body.decode())
    assert first.result(30).outputs


def slow_call(stub, server, seconds):
    asked = service_pb2.ModelInferRequest(model_name="iris", inputs=[input_of(shape=[1, 1])])
    asked.raw_input_contents.append(numpy.array([[seconds]]).tobytes())
    return stub(server).ModelInfer.future(asked)


def test_a_draining_server_is_not_ready_and_finishes_what_it_works_at(serve, slow_bundle, stub, connect, wait_until):
    server = serve(slow_bundle, settings={"grpc-port": 0, "drain-delay": 1})
    client = connect(address_of(server))
    assert client.is_server_ready()
    answer = slow_call(stub, server, 3.0)
    wait_until(lambda: "tagboat_requests_in_work 1.0" in server.get("/metrics").body.decode())
    server.terminate()
    wait_until(lambda: not client.is_server_ready())
    assert client.is_server_live()
    assert answer.result(30).outputs[0].datatype == "FP64"
    assert server.wait() == 0
    with pytest.raises(InferenceServerException) as caught:
        client.is_server_live()
    assert caught.value.status() == "StatusCode.UNAVAILABLE"


def test_a_call_that_outlasts_the_grace_is_cut(serve, slow_bundle, stub, wait_until):
    server = serve(slow_bundle, settings={"grpc-port": 0, "drain": 0.2})
    answer = slow_call(stub, server, 60.0)
    wait_until(lambda: "tagboat_requests_in_work 1.0" in server.get("/metrics").body.decode())
    server.terminate()
    assert answer.exception(30).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert server.wait() == 0


@pytest.fixture
def free_port():
    """A port that nobody has, for two servers to share."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_server_that_is_replaced_under_load_loses_no_call(serve, forest_bundle, connect, iris, free_port, wait_until):
    settings = {"grpc-port": free_port, "access-log": False}
    old = serve(forest_bundle, release="old", settings=settings)
    inputs = of_flowers(iris[0].head(1))
    stop, answered, failed = threading.Event(), {"old": 0, "new": 0}, []

    def ask(client):
        while not stop.is_set():
            try:
                answer = client.infer("iris", inputs).get_response()
            except InferenceServerException as error:
                failed.append(str(error))
            else:
                answered[answer.parameters["release"].string_param] += 1

    threads = [threading.Thread(target=ask, args=(connect(f"127.0.0.1:{free_port}"),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: answered["old"] > 50)
        serve(forest_bundle, release="new", settings=settings)
        old.terminate()
        assert old.wait() == 0
        wait_until(lambda: answered["new"] > 50)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


@pytest.mark.slow
def test_another_artifact_or_stage_never_joins_the_port(serve, forest_bundle, echo_bundle, free_port):
    serve(forest_bundle, settings={"grpc-port": free_port})
    for bundle, stage in ((echo_bundle, "dev"), (forest_bundle, "prod")):
        refused = serve(bundle, ready=False, stage=stage, settings={"grpc-port": free_port})
        assert refused.wait() == 2
        error = json.loads(refused.log.splitlines()[-1])["error"]
        assert "has this port for gRPC" in error["message"]
        assert str(free_port) in error["where"]


def test_a_port_that_another_program_has_is_refused_before_the_model_is_loaded(serve, forest_bundle):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = serve(forest_bundle, ready=False, settings={"grpc-port": port})
        assert refused.wait() == 2
        error = json.loads(refused.log.splitlines()[-1])["error"]
        assert "cannot be bound" in error["message"]
        assert error["where"].endswith(f":{port}")
        assert '"exact"' not in refused.log


def test_connections_are_bounded_and_one_that_says_nothing_is_closed(serve, forest_bundle, connect):
    server = serve(forest_bundle, settings={"grpc-port": 0, "max-connections": 2, "header-timeout": 1})
    host, _, port = address_of(server).rpartition(":")
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(3)]
        assert idle[2].recv(1) == b""
        for each in idle[:2]:
            # The server may say its settings first.
            while each.recv(4096):
                pass
    assert connect(address_of(server)).is_server_live()


@pytest.mark.slow
def test_several_workers_answer_at_one_port(serve, forest_bundle, connect, iris, forest):
    server = serve(forest_bundle, settings={"grpc-port": 0, "workers": 2})
    addresses = {event["address"] for event in server.events if event.get("address", "").startswith("grpc:")}
    assert len(addresses) == 1
    wanted = forest.predict_proba(iris[0]).tobytes()
    for _ in range(8):
        result = connect(address_of(server)).infer("iris:predict_proba", of_flowers(iris[0]))
        assert result.as_numpy("predict_proba").tobytes() == wanted
    server.terminate()
    assert server.wait() == 0


def test_a_server_on_trial_keeps_the_port_closed_until_it_listens_by_tcp(serve, forest_bundle, free_port, connect):
    server = serve(forest_bundle, port=None, uds=True, settings={"grpc-port": free_port})
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port)) != 0
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        assert server.control({"op": "listen"}, listener.fileno())["ok"]
    assert connect(f"127.0.0.1:{free_port}").is_server_ready()


@pytest.mark.slow
def test_the_oldest_libraries_answer_too(serve, echo_bundle, environment_of, connect, datatypes):
    python = environment_of(
        "grpc", "3.9", "grpcio==1.50.0", "protobuf==4.25.8", "numpy==1.21.6", "msgspec==0.18.6", "httptools",
        "prometheus-client", "uvicorn", "uvloop",
    )  # fmt: skip
    environment = {"PYTHONPATH": str(Path(messages.__file__).parents[3])}
    server = serve(echo_bundle, python=python, environment=environment, settings={"grpc-port": 0})
    client = connect(address_of(server))
    for array in (array for name, array in datatypes.items() if name != "BYTES"):
        assert client.infer(ECHO, [tensor("x", array.reshape(3, 1))]).as_numpy("predict").tobytes() == array.tobytes()
    server.terminate()
    assert server.wait() == 0
