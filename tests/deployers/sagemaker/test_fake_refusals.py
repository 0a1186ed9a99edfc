"""What SageMaker refuses, the fake refuses: by the service model, by what is there, and by what goes with what."""

import json

import pytest

from tests.deployers.sagemaker.calls import config, model, newer, refusal, serving
from tests.wrapping.images import parts


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"EndpointName": "under_score"}, "Member must satisfy regular expression pattern"),
        ({"EndpointName": "e" * 64}, "Member must have length less than or equal to 63"),
        ({"Tags": [{"Key": "k", "Value": "churn#prod"}]}, "Member must satisfy regular expression pattern"),
        ({"Tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]}, "length less than or equal to 50"),
        (
            {"DeploymentConfig": {"RollingUpdatePolicy": {"WaitIntervalInSeconds": 5000, "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}}}},
            "value less than or equal to 3600",
        ),
        ({"DeploymentConfig": {"RollingUpdatePolicy": {"WaitIntervalInSeconds": 5, "MaximumBatchSize": {"Type": "HALF", "Value": 50}}}}, "Member must satisfy enum value set"),
    ],
)  # fmt: skip
def test_what_botocore_lets_through_and_aws_refuses_is_refused(aws, sagemaker, given, words):
    whole = {"EndpointName": "e", "EndpointConfigName": "c", **given}
    code, message = refusal(sagemaker.create_endpoint, **whole)
    assert code == "ValidationException"
    assert words in message
    assert message.partition(" detected: Value ")[0] in {"1 validation error", "2 validation errors"}


def test_letters_of_any_script_may_stand_in_a_tag(aws, sagemaker):
    model(aws, sagemaker)
    arn = sagemaker.describe_model(ModelName="m")["ModelArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "tagboat:artifact", "Value": "Größe 模型/a=b"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "tagboat:artifact", "Value": "Größe 模型/a=b"}]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["tagboat:artifact"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_a_name_that_is_taken_is_refused_whatever_its_case(aws, sagemaker):
    serving(aws, sagemaker)
    account = "arn:aws:sagemaker:eu-central-1:123456789012"
    for call, kind, words, given in [
        (sagemaker.create_model, "model", "model", {"ModelName": "M", "PrimaryContainer": {"Image": f"{aws.image}:v1"}, "ExecutionRoleArn": aws.role}),
        (sagemaker.create_endpoint_config, "endpoint-config", "endpoint configuration", {"EndpointConfigName": "C", "ProductionVariants": [{"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]}),
        (sagemaker.create_endpoint, "endpoint", "endpoint", {"EndpointName": "E", "EndpointConfigName": "c"}),
    ]:  # fmt: skip
        name = next(iter(given.values())).lower()
        assert refusal(call, **given) == (
            "ValidationException",
            f'Cannot create already existing {words} "{account}:{kind}/{name}".',
        )


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"Image": "docker.io/library/python:3.11"}, "Using non-ECR image"),
        ({"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:v1"}, "the image must be in eu-central-1"),
        ({"Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gone:v1"}, "not found"),
        ({"ModelDataUrl": "s3://tagboat-models/none/model.tar.gz"}, "Could not find model data at s3://"),
        ({"ModelDataUrl": "s3://no-such-bucket/model.tar.gz"}, "Could not find model data at s3://"),
        (
            {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://tagboat-models/x", "S3DataType": "S3Prefix", "CompressionType": "None"}}},
            "must end with a slash",
        ),
    ],
)  # fmt: skip
def test_a_model_whose_parts_are_not_there_is_refused(aws, sagemaker, container, words):
    aws.sagemaker.account.missing_images.add("/gone:")
    given = {"Image": f"{aws.image}:v1", **container}
    code, message = refusal(sagemaker.create_model, ModelName="m", PrimaryContainer=given, ExecutionRoleArn=aws.role)
    assert code == "ValidationException"
    assert words in message


def test_a_role_that_does_not_exist_cannot_be_assumed(aws, sagemaker):
    given = {"ModelName": "m", "PrimaryContainer": {"Image": f"{aws.image}:v1"}}
    role = f"{aws.role}-other"
    assert "Could not assume role" in refusal(sagemaker.create_model, **given, ExecutionRoleArn=role)[1]


def test_a_role_that_does_not_trust_sagemaker_cannot_be_assumed(aws, sagemaker):
    policy = json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    )
    role = aws.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    given = {"ModelName": "m", "PrimaryContainer": {"Image": f"{aws.image}:v1"}}
    assert "Could not assume role" in refusal(sagemaker.create_model, **given, ExecutionRoleArn=role)[1]


def test_a_prefix_of_files_in_s3_is_model_data_too(aws, sagemaker):
    aws.client("s3").put_object(Bucket=aws.bucket, Key="models/1/files/model.json", Body=b"{}")
    source = {"S3Uri": f"s3://{aws.bucket}/models/1/files/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    model(aws, sagemaker, ModelDataSource={"S3DataSource": source})
    described = sagemaker.describe_model(ModelName="m")["PrimaryContainer"]
    assert described["ModelDataSource"]["S3DataSource"] == source


@pytest.mark.parametrize(
    ("variant", "more", "words"),
    [
        ({"InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}, {}, "must have either"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}, {}, "MemorySizeInMB must be one of"),
        ({"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}, {"DataCaptureConfig": {"EnableCapture": True, "InitialSamplingPercentage": 5, "DestinationS3Uri": "s3://b/c", "CaptureOptions": [{"CaptureMode": "Input"}]}}, "DataCaptureConfig is not supported"),
        ({"ModelName": "other", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}, {}, 'Could not find model "arn:aws:sagemaker'),
        ({"InstanceType": "ml.m5.large"}, {}, "are both required"),
    ],
)  # fmt: skip
def test_parts_of_a_configuration_that_do_not_go_together_are_refused(aws, sagemaker, variant, more, words):
    model(aws, sagemaker)
    whole = [{"VariantName": "v", "ModelName": "m", **variant}]
    given = {"EndpointConfigName": "c", "ProductionVariants": whole, **more}
    assert words in refusal(sagemaker.create_endpoint_config, **given)[1]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A real registry with one image, hollow:1."""
    parts.needed("docker-registry", "skopeo")
    with parts.docker_registry(tmp_path_factory.mktemp("registry")) as running:
        layout = parts.Layout(tmp_path_factory.mktemp("hollow") / "layout")
        parts.copy(layout.finish(layout.image([parts.hollow()])), f"docker://{running.host}/library/hollow:1")
        yield running


def test_a_real_registry_may_stand_for_ecr_and_must_hold_what_is_named(aws, sagemaker, registry):
    image = f"{registry.host}/library/hollow"
    given = {"ModelName": "m", "ExecutionRoleArn": aws.role}
    assert (
        "Using non-ECR image" in refusal(sagemaker.create_model, **given, PrimaryContainer={"Image": f"{image}:1"})[1]
    )
    aws.sagemaker.take_images_from(registry.host)
    for gone in (f"{image}:2", f"{image}@sha256:{'0' * 64}"):
        assert "not found" in refusal(sagemaker.create_model, **given, PrimaryContainer={"Image": gone})[1]
    sagemaker.create_model(**given, PrimaryContainer={"Image": f"{image}:1"})


@pytest.fixture
def scaled(aws, sagemaker):
    """The endpoint e, whose variant is a scalable target; what lists these."""
    serving(aws, sagemaker)
    scaling = aws.client("application-autoscaling")
    target = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    scaling.register_scalable_target(**target, ResourceId="endpoint/e/variant/v1", MinCapacity=1, MaxCapacity=2)
    return lambda: scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]


def test_a_scaled_variant_may_get_another_model_and_no_other_instances(aws, sagemaker, scaled):
    """AWS, "Update endpoints that use auto scaling"."""
    newer(aws, sagemaker)
    config(sagemaker, "larger", {"ModelName": "n", "InstanceType": "ml.m5.xlarge"})
    given = {"EndpointName": "e", "EndpointConfigName": "larger"}
    assert "must be deregistered as scalable targets" in refusal(sagemaker.update_endpoint, **given)[1]
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")


def test_an_endpoint_that_is_deleted_takes_its_scalable_targets_along_where_that_is_allowed(aws, sagemaker, scaled):
    """awslabs/stable-diffusion-aws-extension, issue 161."""
    assert len(scaled()) == 1
    aws.sagemaker.deny("application-autoscaling:DeregisterScalableTarget")
    words = "does not have application-autoscaling:DeregisterScalableTarget permission"
    assert words in refusal(sagemaker.delete_endpoint, EndpointName="e")[1]
    aws.sagemaker.account.denied.clear()
    sagemaker.delete_endpoint(EndpointName="e")
    assert scaled() == []


def test_no_endpoint_goes_from_instances_to_serverless(aws, sagemaker):
    """AWS, "Update a serverless endpoint"."""
    serving(aws, sagemaker)
    config(sagemaker, "s", {"ModelName": "m", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}})
    given = {"EndpointName": "e", "EndpointConfigName": "s"}
    assert "to a serverless endpoint is not supported" in refusal(sagemaker.update_endpoint, **given)[1]
    sagemaker.create_endpoint(EndpointName="f", EndpointConfigName="s")
    aws.sagemaker.advance(1)
    sagemaker.update_endpoint(EndpointName="f", EndpointConfigName="c")


def test_a_shadow_does_not_go_with_asynchronous_inference(aws, sagemaker):
    """AWS, "Shadow tests", exclusions."""
    model(aws, sagemaker)
    shadow = [{"VariantName": "s", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]
    given = {
        "EndpointConfigName": "c",
        "ProductionVariants": [{**shadow[0], "VariantName": "v"}],
        "ShadowProductionVariants": shadow,
    }
    places = {"OutputConfig": {"S3OutputPath": f"s3://{aws.bucket}/out"}}
    assert (
        "Shadow variants are not" in refusal(sagemaker.create_endpoint_config, **given, AsyncInferenceConfig=places)[1]
    )
    sagemaker.create_endpoint_config(**given)
