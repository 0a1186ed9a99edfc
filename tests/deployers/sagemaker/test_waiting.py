"""An asynchronous endpoint is asked through the bucket, waited for, and nothing is left lying there."""

import json

import pytest

from deployers.base import Request
from deployers.errors import UnreachableError
from deployers.sagemaker import waiting
from deployers.sagemaker.bucket import Bucket
from tests.fakes.sagemaker import Script

ENDPOINT = "churn-prod"


class Time:
    """A clock that passes by sleeping alone."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def bucket(aws):
    """The bucket of an account with one asynchronous endpoint."""
    sagemaker = aws.client("sagemaker")
    image = {"Image": f"{aws.image}@sha256:{'1' * 64}"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=image, ExecutionRoleArn=aws.role)
    variant = {"VariantName": "main", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    places = {"S3OutputPath": f"s3://{aws.bucket}/answers", "S3FailurePath": f"s3://{aws.bucket}/failures"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[variant], AsyncInferenceConfig={"OutputConfig": places}
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="c")
    aws.sagemaker.advance(9)
    return Bucket(aws.amazon(), aws.bucket, "tagboat")


def ask(bucket, time=None, **more):
    time = time or Time()
    request = Request(path="/invocations", body=b"[[1]]", **more)
    return waiting.call(bucket, ENDPOINT, request, clock=time.clock, sleep=time.sleep)


def left(aws):
    return aws.moto.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])


def test_the_answer_is_waited_for_and_everything_is_taken_away_again(aws, bucket):
    aws.sagemaker.answer_late(3)
    time = Time()
    answer = ask(bucket, time)
    assert (answer.status, json.loads(answer.body)["predictions"]) == (200, [0])
    assert answer.headers == {}, "an asynchronous answer has none"
    assert time.now > 0
    assert left(aws) == []
    ((_, headers, body),) = aws.sagemaker.containers.asked
    assert (body, headers["content-type"]) == (b"[[1]]", "application/json")


def test_what_the_container_refuses_is_a_failure_with_its_words(aws, bucket):
    aws.sagemaker.containers.scripts["models"] = Script(status=500)
    answer = ask(bucket)
    assert answer.status == 500
    assert b"the model failed" in answer.body
    assert left(aws) == []


def test_an_answer_that_does_not_come_in_time_is_given_up_and_the_request_taken_away(aws, bucket):
    aws.sagemaker.answer_late(1000)
    with pytest.raises(UnreachableError, match="no answer came within 20 s"):
        ask(bucket, timeout=20.0)
    assert left(aws) == []


def test_an_endpoint_that_is_not_there_is_said_to_be(aws, bucket):
    with pytest.raises(UnreachableError, match="no endpoint of ours"):
        waiting.call(bucket, "another", Request(path="/invocations"), clock=Time().clock, sleep=Time().sleep)
    assert left(aws) == []
