"""One address for all of AWS: what moto does of SageMaker the fake does alike, and moto does the rest behind it."""

import datetime
import io
import json
import threading

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.deployers.sagemaker.conftest import IMAGE, REGION, ROLE, TRUST

ARN = f"arn:aws:sagemaker:{REGION}:123456789012:"
VARIANT = {"VariantName": "v1", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
MODEL = {"ModelName": "m", "PrimaryContainer": {"Image": f"{IMAGE}:v1", "Environment": {"A": "b"}}, "ExecutionRoleArn": ROLE}  # fmt: skip
TAGS = [{"Key": "tagboat:stage", "Value": "prod"}]

CALLS = [
    ("create_model", {**MODEL, "Tags": TAGS}),
    ("describe_model", {"ModelName": "m"}),
    ("list_models", {}),
    ("create_endpoint_config", {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}),
    ("describe_endpoint_config", {"EndpointConfigName": "c"}),
    ("create_endpoint_config", {"EndpointConfigName": "x", "ProductionVariants": [{**VARIANT, "ModelName": "none"}]}),
    ("create_endpoint", {"EndpointName": "e", "EndpointConfigName": "c", "Tags": TAGS}),
    ("create_endpoint", {"EndpointName": "y", "EndpointConfigName": "none"}),
    ("describe_endpoint", {"EndpointName": "e"}),
    ("add_tags", {"ResourceArn": f"{ARN}endpoint/e", "Tags": [{"Key": "c", "Value": "d"}]}),
    ("list_tags", {"ResourceArn": f"{ARN}endpoint/e"}),
    ("delete_tags", {"ResourceArn": f"{ARN}endpoint/e", "TagKeys": ["c"]}),
    ("list_tags", {"ResourceArn": f"{ARN}endpoint/e"}),
    ("list_tags", {"ResourceArn": f"{ARN}model/m"}),
    (
        "update_endpoint_weights_and_capacities",
        {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "v1", "DesiredWeight": 2.0, "DesiredInstanceCount": 3}]},
    ),
    ("describe_endpoint", {"EndpointName": "e"}),
    ("list_endpoints", {}),
    ("list_endpoint_configs", {}),
    ("delete_endpoint", {"EndpointName": "e"}),
    ("describe_endpoint", {"EndpointName": "e"}),
    ("delete_endpoint", {"EndpointName": "e"}),
    ("delete_endpoint_config", {"EndpointConfigName": "c"}),
    ("describe_endpoint_config", {"EndpointConfigName": "c"}),
    ("delete_endpoint_config", {"EndpointConfigName": "c"}),
    ("delete_model", {"ModelName": "m"}),
    ("describe_model", {"ModelName": "m"}),
]  # fmt: skip

LEFT_OUT_BY_MOTO = {
    "describe_model": {"Mode"},
    "describe_endpoint_config": {"InitialVariantWeight", "EnableNetworkIsolation"},
    "describe_endpoint": {"DeployedImages", "CurrentWeight", "DesiredWeight"},
}
"""What AWS fills in and moto 5.2.5 does not; weights it knows after a change."""


def said(client, call, given):
    """What a call answers, times and empty members left out, and messages with AWS' quotes."""
    try:
        return bare(getattr(client, call)(**given))
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"].replace("'", '"')


def bare(value):
    if isinstance(value, dict):
        found = {key: bare(inner) for key, inner in value.items() if key != "ResponseMetadata"}
        return {key: inner for key, inner in found.items() if inner not in ({}, [], None)}
    if isinstance(value, list):
        return [bare(inner) for inner in value]
    return None if isinstance(value, datetime.datetime) else value


def without(value, names):
    if isinstance(value, dict):
        return {key: without(inner, names) for key, inner in value.items() if key not in names}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def both(aws):
    """The fake, where everything is at once as it is with moto; and moto."""
    aws.sagemaker.delay(0)
    config = Config(retries={"max_attempts": 0, "mode": "standard"})
    return aws.client("sagemaker"), aws.moto.session.client("sagemaker", endpoint_url=aws.moto.address, config=config)


def test_what_moto_emulates_of_sagemaker_the_fake_answers_alike(both):
    fake, moto = both
    for call, given in CALLS:
        ours, theirs = said(fake, call, given), said(moto, call, given)
        names = LEFT_OUT_BY_MOTO.get(call, set())
        if isinstance(ours, dict):
            assert without(ours, names) == without(theirs, names), call
            assert all(name in str(ours) for name in names), f"{call}: the fake leaves out some of {names}, too"
        else:
            assert ours == theirs, call


def test_where_the_two_differ_on_purpose(both):
    """Each of these is why there is a fake at all; one that moto learns to do fails here, and then agrees above."""
    fake, moto = both
    for client in both:
        client.create_model(**MODEL)
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[VARIANT])
        client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    again = ("create_model", MODEL)
    assert said(fake, *again) == ("ValidationException", f'Cannot create already existing model "{ARN}model/m".')
    assert said(moto, *again) == {"ModelArn": f"{ARN}model/m"}, "moto overwrites"
    update = ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "c"})
    assert said(fake, *update) == {"EndpointArn": f"{ARN}endpoint/e"}
    assert said(moto, *update)[0] == "500", "moto has no update"
    unknown = ("create_model", {**MODEL, "ModelName": "other", "ExecutionRoleArn": f"{ROLE}-none"})
    assert "Could not assume role" in said(fake, *unknown)[1]
    assert said(moto, *unknown) == {"ModelArn": f"{ARN}model/other"}, "moto looks for no role"
    badly = ("create_model", {**MODEL, "ModelName": "under_score"})
    assert said(fake, *badly)[0] == "ValidationException"
    assert said(moto, *badly) == {"ModelArn": f"{ARN}model/under_score"}, "moto takes any name"
    gone = ("delete_model", {"ModelName": "none"})
    assert said(fake, *gone) == ("ValidationException", f'Could not find model "{ARN}model/none".')
    assert said(moto, *gone) == ("ValidationException", 'Could not find model "none".'), "moto names no ARN here"


# S3 behind the same address


@pytest.fixture
def s3(aws):
    return aws.client("s3")


def refused(call, **given):
    with pytest.raises(ClientError) as error:
        call(**given)
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_conditional_write_does_what_s3_documents(aws, s3):
    """AWS, "How to prevent object overwrites with conditional writes"."""
    where = {"Bucket": aws.bucket, "Key": "lease"}
    first = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, **where, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = s3.put_object(**where, Body=b"3", IfMatch=first)["ETag"]
    assert refused(s3.put_object, **where, Body=b"4", IfMatch=first) == ("PreconditionFailed", 412)
    assert refused(s3.delete_object, **where, IfMatch=first) == ("PreconditionFailed", 412)
    assert s3.get_object(**where)["Body"].read() == b"3"
    s3.delete_object(**where, IfMatch=second)
    assert refused(s3.put_object, **where, Body=b"5", IfMatch=second) == ("NoSuchKey", 404)
    aws.sagemaker.fail("s3:PutObject", code="ConditionalRequestConflict", status=409)
    assert refused(s3.put_object, **where, Body=b"6", IfNoneMatch="*") == ("ConditionalRequestConflict", 409)


def test_of_many_conditional_writes_at_once_one_wins(aws, s3):
    won, lost = [], []
    start = threading.Barrier(8)

    def write(number):
        start.wait()
        try:
            s3.put_object(Bucket=aws.bucket, Key="lease", Body=str(number).encode(), IfNoneMatch="*")
            won.append(number)
        except ClientError as error:
            lost.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == ["PreconditionFailed"] * 7
    assert s3.get_object(Bucket=aws.bucket, Key="lease")["Body"].read() == str(won[0]).encode()


def test_objects_come_back_as_they_went_in_whole_in_parts_and_by_ranges(aws, s3):
    content = bytes(range(256)) * 50_000
    s3.upload_fileobj(io.BytesIO(content), aws.bucket, "models/ä b/model.tar.gz")
    assert s3.head_object(Bucket=aws.bucket, Key="models/ä b/model.tar.gz")["ContentLength"] == len(content)
    assert s3.get_object(Bucket=aws.bucket, Key="models/ä b/model.tar.gz")["Body"].read() == content
    part = s3.get_object(Bucket=aws.bucket, Key="models/ä b/model.tar.gz", Range="bytes=10-19")
    assert part["Body"].read() == content[10:20]
    assert refused(s3.head_object, Bucket=aws.bucket, Key="none") == ("404", 404)
    operations = {call.operation for call in aws.sagemaker.calls if call.service == "s3"}
    assert operations == {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject", "GetObject"}


def test_a_web_identity_becomes_credentials_without_a_signature(aws):
    sts = boto3.Session().client("sts", endpoint_url=aws.endpoint_url, region_name=REGION)
    given = {"RoleArn": ROLE, "RoleSessionName": "tagboat", "WebIdentityToken": "e30.e30.x"}
    found = sts.assume_role_with_web_identity(**given)["Credentials"]
    assert found["SessionToken"]
    assert aws.sagemaker.actions == {"sts:AssumeRoleWithWebIdentity"}
    aws.sagemaker.deny("sts:AssumeRoleWithWebIdentity")
    assert refused(sts.assume_role_with_web_identity, **given) == ("AccessDenied", 403)


def test_iam_ecr_and_autoscaling_answer_at_the_same_address(aws):
    aws.client("iam").create_role(RoleName="more", AssumeRolePolicyDocument=TRUST)
    assert json.loads(TRUST) == aws.client("iam").get_role(RoleName="more")["Role"]["AssumeRolePolicyDocument"]
    made = aws.client("ecr").create_repository(repositoryName="tagboat/churn")["repository"]
    assert made["repositoryUri"] == f"123456789012.dkr.ecr.{REGION}.amazonaws.com/tagboat/churn"
    target = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v1",
              "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}  # fmt: skip
    scaling = aws.client("application-autoscaling")
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [(each["MinCapacity"], each["MaxCapacity"]) for each in found] == [(1, 4)]
