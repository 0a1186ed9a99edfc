"""What is tried again, for how long, and what a refusal says."""

import types

import pytest

from deployers.errors import ConfigurationError, UnreachableError
from deployers.sagemaker.refusals import (
    AnswerError,
    BusyError,
    ConflictError,
    DeniedError,
    ExistsError,
    InvalidError,
    NotFoundError,
)
from tests.deployers.sagemaker.answers import KEYS, Answers, login


@pytest.fixture
def aws():
    with Answers() as answers:
        yield answers


@pytest.fixture
def amazon(aws, tmp_path):
    settings = types.SimpleNamespace(region=None, profile=None, endpoint_url=aws.address)
    amazon = login(settings, {**KEYS, "HOME": str(tmp_path)}, "aws")
    amazon.pauses = []
    amazon.sleep = amazon.pauses.append
    return amazon


def test_throttling_is_waited_out_and_slows_what_comes_next(aws, amazon):
    aws.refuses("ThrottlingException", "Rate exceeded").refuses("ThrottlingException", "Rate exceeded").says(200, {})
    assert amazon.call(amazon.sagemaker.list_models)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(aws.asked) == 3
    before = list(amazon.pauses)
    assert all(pause > 0 for pause in before)
    amazon.call(amazon.sagemaker.list_models)
    assert len(amazon.pauses) == len(before) + 1
    for _ in range(5):
        amazon.call(amazon.sagemaker.list_models)
    settled = len(amazon.pauses)
    amazon.call(amazon.sagemaker.list_models)
    assert len(amazon.pauses) == settled


def test_the_pause_that_aws_asks_for_is_kept(aws, amazon):
    aws.refuses("ServiceUnavailable", "busy", status=503, retry_after="7").says(200, {})
    amazon.call(amazon.sagemaker.list_models)
    assert amazon.pauses == [7.0]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_aws_is_tried_again_and_then_told_as_one(aws, amazon, status):
    aws.says(status, b"<html>")
    with pytest.raises(UnreachableError, match="AWS fails"):
        amazon.call(amazon.sagemaker.list_models)
    assert len(aws.asked) == 8


def test_a_connection_that_breaks_is_made_again(aws, amazon):
    aws.breaks_off().says(200, {"Models": []})
    assert amazon.call(amazon.sagemaker.list_models)["Models"] == []


def test_who_takes_a_call_and_says_nothing_is_asked_a_few_times_only(aws, amazon):
    amazon.silence = 0.05
    aws.says_nothing()
    with pytest.raises(UnreachableError, match="does not answer"):
        amazon.call(amazon.runtime.invoke_endpoint, EndpointName="e", Body=b"{}")
    assert len(aws.asked) == 3


def test_an_address_where_nobody_answers_is_unreachable(tmp_path):
    settings = types.SimpleNamespace(region="eu-west-1", profile=None, endpoint_url="http://127.0.0.1:1")
    amazon = login(settings, {**KEYS, "HOME": str(tmp_path)}, "aws")
    amazon.sleep = lambda _: None
    with pytest.raises(UnreachableError, match="does not answer") as failure:
        amazon.call(amazon.sagemaker.list_models)
    assert failure.value.where == "targets.aws: list_models"


def test_what_was_just_made_is_looked_for_until_patience_ends(aws, amazon):
    aws.refuses("ValidationException", 'Could not find endpoint configuration "arn".')
    aws.refuses("ValidationException", 'Could not find endpoint configuration "arn".').says(200, {"EndpointArn": "arn"})
    made = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert amazon.call(amazon.sagemaker.create_endpoint, patience=10, **made)["EndpointArn"] == "arn"
    aws.waiting = []
    aws.refuses("ValidationException", 'Could not find endpoint configuration "arn".')
    with pytest.raises(NotFoundError):
        amazon.call(amazon.sagemaker.create_endpoint, patience=10, **made)
    asked = len(aws.asked)
    with pytest.raises(NotFoundError):
        amazon.call(amazon.sagemaker.create_endpoint, **made)
    assert len(aws.asked) == asked + 1


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ValidationException", 'Could not find model "arn:aws:sagemaker:…".', NotFoundError),
        ("ValidationException", 'Cannot create already existing model "arn".', ExistsError),
        ("ValidationException", 'Cannot update in-progress endpoint "arn".', BusyError),
        ("ResourceInUse", "The endpoint is in use", BusyError),
        ("ResourceNotFound", "no such thing", NotFoundError),
        ("ValidationException", "1 validation error detected: Value 'x' at 'modelName'", InvalidError),
        ("ResourceLimitExceeded", "The account-level service limit 'ml.p5' is 0", InvalidError),
        ("ConflictException", "changed", ConflictError),
        ("ExpiredTokenException", "The security token included in the request is expired", DeniedError),
        ("UnrecognizedClientException", "The security token is invalid", DeniedError),
    ],
)  # fmt: skip
def test_each_refusal_says_what_it_is(aws, amazon, code, message, kind):
    aws.refuses(code, message)
    with pytest.raises(kind, match=message.split("'")[0].split('"')[0].split("(")[0].strip()) as failure:
        amazon.call(amazon.sagemaker.create_model, ModelName="churn-1")
    assert type(failure.value) is kind
    assert failure.value.where == "CreateModel churn-1"
    assert len(aws.asked) == 1


def test_what_iam_does_not_allow_is_named_as_iam_names_it(aws, amazon):
    said = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/y"
    aws.refuses("AccessDeniedException", said)
    with pytest.raises(DeniedError) as failure:
        amazon.call(amazon.sagemaker.create_model, ModelName="m")
    assert failure.value.action == "iam:PassRole"
    assert "tagboat iam-policy" in failure.value.hint
    aws.waiting = []
    aws.says(403)
    with pytest.raises(DeniedError) as failure:
        amazon.call(amazon.s3.head_object, Bucket="b", Key="k")
    assert failure.value.action == "s3:GetObject"


def test_an_error_of_the_container_is_its_own_and_not_asked_again(aws, amazon):
    body = {"Message": "m", "OriginalStatusCode": 422, "OriginalMessage": '{"error":"no such column"}'}
    aws.says(424, body, x_amzn_errortype="ModelError")
    with pytest.raises(AnswerError) as failure:
        amazon.call(amazon.runtime.invoke_endpoint, EndpointName="e", Body=b"{}")
    assert (failure.value.status, failure.value.body) == (422, '{"error":"no such column"}')
    assert len(aws.asked) == 1


def test_a_container_that_is_not_ready_is_no_throttling(aws, amazon):
    aws.says(429, {"Message": "loading"}, x_amzn_errortype="ModelNotReadyException")
    with pytest.raises(AnswerError) as failure:
        amazon.call(amazon.runtime.invoke_endpoint, EndpointName="e", Body=b"{}")
    assert failure.value.status == 429
    assert amazon.pauses == []


def test_a_request_that_is_none_is_refused_before_it_is_sent(aws, amazon):
    with pytest.raises(InvalidError, match="ModelNam"):
        amazon.call(amazon.sagemaker.create_model, ModelNam="x")
    assert aws.asked == []


def test_a_listing_is_read_to_its_end(aws, amazon):
    aws.says(200, {"Models": [{"ModelName": "a"}], "NextToken": "t"}).says(200, {"Models": [{"ModelName": "b"}]})
    found = amazon.pages(amazon.sagemaker.list_models, "Models", NameContains="x")
    assert [model["ModelName"] for model in found] == ["a", "b"]
    assert b'"NextToken": "t"' in aws.asked[1][2]


def test_every_permission_that_was_needed_is_known(aws, amazon):
    aws.says(200, {})
    role = "arn:aws:iam::123456789012:role/run"
    tags = [{"Key": "a", "Value": "b"}]
    amazon.call(amazon.sagemaker.create_model, ModelName="m", ExecutionRoleArn=role, Tags=tags)
    amazon.call(amazon.runtime.invoke_endpoint, EndpointName="e", Body=b"")
    amazon.note("ecr:PutImage")
    assert amazon.called == {
        "sagemaker:CreateModel", "sagemaker:AddTags", "iam:PassRole", "sagemaker:InvokeEndpoint", "ecr:PutImage",
    }  # fmt: skip


def test_without_credentials_the_error_says_where_to_log_in(aws, tmp_path):
    environment = {"HOME": str(tmp_path), "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
    settings = types.SimpleNamespace(region=None, profile=None, endpoint_url=aws.address)
    with pytest.raises(ConfigurationError, match="no credentials"):
        amazon = login(settings, environment, "aws")
        amazon.call(amazon.sagemaker.list_models)
    assert aws.asked == []
