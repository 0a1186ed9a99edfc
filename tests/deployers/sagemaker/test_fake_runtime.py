"""What the fake's InvokeEndpoint and InvokeEndpointAsync pass on, refuse and make of failures, as AWS documents it."""

import io
import json
import tarfile

import pytest

from tests.deployers.sagemaker.calls import config, looked, model, refusal, serving
from tests.fakes.sagemaker import Script
from tests.fakes.sagemaker.processes import Instances

SERVERLESS = {"ModelName": "m", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}}


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture
def runtime(aws):
    return aws.client("sagemaker-runtime")


def up(aws, client, *variants, **more):
    """The endpoint e on a configuration c of these variants of the model m."""
    config(client, "c", *variants, **more)
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    aws.sagemaker.advance(1)


def invoke(runtime, body=b"{}", **more):
    answer = runtime.invoke_endpoint(EndpointName="e", Body=body, **more)
    return answer["Body"].read(), answer


def test_a_container_gets_the_body_its_type_and_the_attributes_and_nothing_else(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    invoke(runtime, b"1,2", ContentType="text/csv", Accept="application/json", CustomAttributes="method=predict")
    (_, headers, body), *_ = aws.sagemaker.containers.asked
    assert body == b"1,2"
    assert headers == {
        "content-type": "text/csv",
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "method=predict",
    }


@pytest.mark.parametrize(("variant", "most"), [({"ModelName": "m"}, 6_291_456), (SERVERLESS, 4_194_304)])
def test_a_body_may_have_so_many_bytes_and_no_more(aws, sagemaker, runtime, variant, most):
    model(aws, sagemaker)
    up(aws, sagemaker, variant)
    invoke(runtime, b"x" * most)
    code, message = refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"x" * (most + 1))
    assert (code, f"less than or equal to {most}" in message) == ("ValidationError", True)
    aws.sagemaker.containers.scripts["models"] = Script(model=lambda _: "x" * most)
    assert refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"")[0] == "ModelError"


def test_what_the_container_refuses_becomes_a_model_error_with_its_own_words(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    aws.sagemaker.containers.scripts["models"] = Script(status=422)
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        invoke(runtime)
    answer = refused.value.response
    assert (answer["OriginalStatusCode"], json.loads(answer["OriginalMessage"])["error"]["message"]) == (
        422,
        "the model failed",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert 'Received client error (422) from primary with message "' in answer["Error"]["Message"]
    assert "/aws/sagemaker/Endpoints/e" in answer["LogStreamArn"]


def test_a_minute_without_an_answer_is_a_model_error_without_a_status(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    aws.sagemaker.containers.scripts["models"] = Script(late=True)
    with pytest.raises(runtime.exceptions.ModelError, match=r"server error \(0\).*timed out") as refused:
        invoke(runtime)
    assert refused.value.response["OriginalStatusCode"] == 0


def test_a_model_that_is_being_made_ready_says_so(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    aws.sagemaker.not_ready(times=2)
    for _ in range(2):
        with pytest.raises(runtime.exceptions.ModelNotReadyException) as refused:
            invoke(runtime)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    invoke(runtime)


def test_variants_are_met_by_their_weights_or_by_name(aws, sagemaker, runtime):
    model(aws, sagemaker)
    model(aws, sagemaker, "n")
    up(aws, sagemaker, {"ModelName": "m", "InitialVariantWeight": 9.0}, {"ModelName": "n", "InitialVariantWeight": 1.0})
    met = [invoke(runtime)[1]["InvokedProductionVariant"] for _ in range(100)]
    assert 88 <= met.count("v1") <= 92
    assert invoke(runtime, TargetVariant="v2")[1]["CustomAttributes"] == "tagboat-release=release-of-n"
    assert refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"", TargetVariant="v3")[0] == "ValidationError"


def test_a_shadow_is_asked_what_the_other_is_asked_and_answers_nobody(aws, sagemaker, runtime):
    model(aws, sagemaker)
    model(aws, sagemaker, "n")
    shadow = [{"VariantName": "s", "ModelName": "n", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]
    up(aws, sagemaker, {"ModelName": "m"}, ShadowProductionVariants=shadow)
    assert looked(sagemaker)["ShadowProductionVariants"][0]["VariantName"] == "s"
    assert invoke(runtime)[1]["CustomAttributes"] == "tagboat-release=release-of-m"
    asked = [container["Environment"]["TAGBOAT_RELEASE"] for container, _, _ in aws.sagemaker.containers.asked]
    assert sorted(asked) == ["release-of-m", "release-of-n"]


def test_a_shadow_that_fails_is_no_matter_for_the_caller(aws, sagemaker, runtime):
    model(aws, sagemaker)
    model(aws, sagemaker, "n", Image=f"{aws.image}:failing")
    aws.sagemaker.containers.scripts[":failing"] = Script(status=500)
    shadow = [{"VariantName": "s", "ModelName": "n", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]
    up(aws, sagemaker, {"ModelName": "m"}, ShadowProductionVariants=shadow)
    assert invoke(runtime)[1]["CustomAttributes"] == "tagboat-release=release-of-m"


# Asynchronous


@pytest.fixture
def asynchronous(aws, sagemaker):
    """The endpoint e as an asynchronous one, and an input for it."""
    model(aws, sagemaker)
    places = {"S3OutputPath": f"s3://{aws.bucket}/out", "S3FailurePath": f"s3://{aws.bucket}/failed"}
    up(aws, sagemaker, {"ModelName": "m"}, AsyncInferenceConfig={"OutputConfig": places})
    aws.client("s3").put_object(Bucket=aws.bucket, Key="in", Body=b"[[1]]")
    return {"EndpointName": "e", "InputLocation": f"s3://{aws.bucket}/in", "ContentType": "application/json"}


def fetched(aws, uri):
    s3 = aws.client("s3")
    return s3.get_object(Bucket=aws.bucket, Key=uri.removeprefix(f"s3://{aws.bucket}/"))["Body"].read()


def test_an_asynchronous_answer_comes_into_s3_after_a_while(aws, runtime, asynchronous):
    aws.sagemaker.answer_late(2)
    said = runtime.invoke_endpoint_async(**asynchronous, InferenceId="ours")
    assert (said["ResponseMetadata"]["HTTPStatusCode"], said["InferenceId"]) == (202, "ours")
    for _ in range(2):
        with pytest.raises(Exception, match="NoSuchKey"):
            fetched(aws, said["OutputLocation"])
    assert json.loads(fetched(aws, said["OutputLocation"]))["predictions"] == [0]
    assert aws.sagemaker.containers.asked[0][2] == b"[[1]]"


def test_what_fails_asynchronously_is_told_beside_it(aws, runtime, asynchronous):
    aws.sagemaker.containers.scripts["models"] = Script(status=500)
    said = runtime.invoke_endpoint_async(**asynchronous)
    assert b"Received server error (500)" in fetched(aws, said["FailureLocation"])
    with pytest.raises(Exception, match="NoSuchKey"):
        fetched(aws, said["OutputLocation"])


def test_each_kind_of_endpoint_refuses_the_others_call(aws, sagemaker, runtime, asynchronous):
    assert "asynchronous" in refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"{}")[1]
    gone = {**asynchronous, "InputLocation": f"s3://{aws.bucket}/none"}
    assert "could not be found" in refusal(runtime.invoke_endpoint_async, **gone)[1]
    config(sagemaker, "d")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    aws.sagemaker.advance(1)
    assert "not an asynchronous" in refusal(runtime.invoke_endpoint_async, **asynchronous)[1]


# A real server


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def doubling():
    """An ONNX model that doubles pairs of numbers; its server starts in a second."""
    from onnx import TensorProto, helper

    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy"]
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])
    node = helper.make_node("Mul", ["x", "two"], ["y"])
    graph = helper.make_graph([node], "doubling", shapes[:1], shapes[1:], [two])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    described = {
        "schema": 1,
        "name": "d",
        "version": "v1.0.0",
        "commit": "0" * 40,
        "digest": "sha256:0",
        "model": "m.onnx",
    }
    return {"model.json": json.dumps(described).encode(), "model/m.onnx": whole.SerializeToString()}


def test_the_real_server_answers_through_the_endpoint_from_the_archive_in_s3(aws, sagemaker, runtime, tmp_path):
    aws.client("s3").put_object(Bucket=aws.bucket, Key="model.tar.gz", Body=archive(doubling()))
    with Instances(tmp_path, aws.moto) as instances:
        aws.sagemaker.containers.scripts["models"] = Script(server=instances)
        data = {"ModelDataUrl": f"s3://{aws.bucket}/model.tar.gz", "Environment": {"TAGBOAT_RELEASE": "r7"}}
        model(aws, sagemaker, **data)
        config(sagemaker)
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        aws.sagemaker.advance(1)
        assert looked(sagemaker)["EndpointStatus"] == "InService"
        body, answer = invoke(runtime, b"[[1.0, 2.0]]", ContentType="application/json")
        assert json.loads(body) == {"predictions": [[2.0, 4.0]]}
        assert answer["CustomAttributes"] == "tagboat-release=r7"
        with pytest.raises(runtime.exceptions.ModelError) as refused:
            invoke(runtime, b"[[null]]", ContentType="application/json")
        assert 400 <= refused.value.response["OriginalStatusCode"] < 500


def test_a_real_server_that_ends_fails_the_endpoint_and_its_words_are_in_the_logs(aws, sagemaker, tmp_path):
    aws.client("s3").put_object(Bucket=aws.bucket, Key="model.tar.gz", Body=archive({"other.txt": b"no bundle"}))
    with Instances(tmp_path, aws.moto) as instances:
        aws.sagemaker.containers.scripts["models"] = Script(server=instances)
        model(aws, sagemaker, ModelDataUrl=f"s3://{aws.bucket}/model.tar.gz")
        config(sagemaker)
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        aws.sagemaker.advance(1)
    assert "did not pass the ping health check" in looked(sagemaker)["FailureReason"]
    events = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/e")["events"]
    assert "there is no bundle" in "".join(event["message"] for event in events)
