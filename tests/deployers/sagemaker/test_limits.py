"""Nothing is sent that AWS would refuse: every pattern, length, range and list of its model, and its written rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployers.base import Slot
from deployers.errors import ConfigurationError
from deployers.sagemaker import limits, names

ROLE = "arn:aws:iam::123456789012:role/run"
MODEL = {
    "ModelName": "churn-1",
    "PrimaryContainer": {"Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/m@sha256:" + "a" * 64},
    "ExecutionRoleArn": ROLE,
}
VARIANT = {"VariantName": "main", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
SERVERLESS = {
    "VariantName": "main",
    "ModelName": "m",
    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
}
CONFIG = {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://b/out"}}
CAPTURE = {
    "InitialSamplingPercentage": 10, "DestinationS3Uri": "s3://b/c", "CaptureOptions": [{"CaptureMode": "Input"}],
}  # fmt: skip
ROUTING = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}


def blue_green(routing, **more):
    policy = {"TrafficRoutingConfiguration": {"WaitIntervalInSeconds": 60, **routing}, **more}
    return endpoint({"BlueGreenUpdatePolicy": policy})


def rolling(**more):
    size = {"Type": "CAPACITY_PERCENT", "Value": 20}
    return endpoint({"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 60, **more}})


def endpoint(deployment):
    return {"EndpointName": "e", "EndpointConfigName": "c", "DeploymentConfig": deployment}


def percent(value):
    return {"Type": "CAPACITY_PERCENT", "Value": value}


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateModel", MODEL),
        ("CreateEndpointConfig", CONFIG),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [SERVERLESS]}),
        ("CreateEndpointConfig", {**CONFIG, "AsyncInferenceConfig": ASYNC, "KmsKeyId": "alias/k"}),
        ("CreateEndpointConfig", {**CONFIG, "DataCaptureConfig": CAPTURE}),
        ("CreateEndpointConfig", {**CONFIG, "ShadowProductionVariants": [{**VARIANT, "VariantName": "shadow"}]}),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**VARIANT, "InstanceType": "ml.z9.large"}]}),
        ("UpdateEndpoint", blue_green({"Type": "CANARY", "CanarySize": percent(50)}, MaximumExecutionTimeoutInSeconds=600)),
        ("UpdateEndpoint", blue_green({"Type": "LINEAR", "LinearStepSize": percent(10)})),
        ("UpdateEndpoint", rolling()),
    ],
)  # fmt: skip
def test_what_aws_accepts_is_accepted(operation, request_):
    assert limits.problems(operation, request_) == ()


@pytest.mark.parametrize(
    ("operation", "request_", "path", "words"),
    [
        ("CreateModel", {**MODEL, "ModelName": "-x"}, "ModelName", "does not match"),
        ("CreateModel", {**MODEL, "ModelName": "x\n"}, "ModelName", "does not match"),
        ("CreateModel", {**MODEL, "ModelName": "x" * 64}, "ModelName", "at most 63"),
        ("CreateModel", {**MODEL, "ExecutionRoleArn": "run"}, "ExecutionRoleArn", "at least 20"),
        ("CreateModel", {**MODEL, "ExecutionRoleArn": "x" * 20}, "ExecutionRoleArn", "does not match"),
        ("CreateModel", {**MODEL, "Tags": [{"Key": "a#b", "Value": ""}]}, "Tags[0].Key", "does not match"),
        ("CreateModel", {**MODEL, "Tags": [{"Key": "a", "Value": "x!"}]}, "Tags[0].Value", "does not match"),
        ("CreateModel", {**MODEL, "Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "Tags", "at most 50"),
        ("CreateModel", {**MODEL, "Tags": [{"Key": "AWS:x", "Value": ""}]}, "Tags[0].Key", "AWS's own"),
        ("CreateModel", {**MODEL, "Tags": [{"Key": "a", "Value": ""}] * 2}, "Tags[1].Key", "twice"),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"Environment": {"A": "x" * 1025}}},
         "PrimaryContainer.Environment.A", "at most 1024"),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"Environment": {"1A": "x"}}},
         "PrimaryContainer.Environment.1A", "its name"),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"Environment": {f"V{n}": "" for n in range(101)}}},
         "PrimaryContainer.Environment", "at most 100"),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"ModelDataUrl": "ftp://x"}},
         "PrimaryContainer.ModelDataUrl", "does not match"),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"ModelDataSource": {"S3DataSource": {
            "S3Uri": "s3://b/x", "S3DataType": "S3Prefix", "CompressionType": "None"}}}},
         "PrimaryContainer.ModelDataSource.S3DataSource.S3Uri", "slash"),
        ("CreateModel", {"ModelNam": "x"}, "", "ModelNam"),
        ("CreateModel", {**MODEL, "ModelName": 3}, "", "ModelName"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": []}, "ProductionVariants", "at least 1"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [VARIANT, VARIANT]},
         "ProductionVariants[1].VariantName", "two variants"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**VARIANT, "InitialVariantWeight": 0}]},
         "ProductionVariants", "no variant has a weight"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**VARIANT, "VolumeSizeInGB": 513}]},
         "ProductionVariants[0].VolumeSizeInGB", "at most 512"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**SERVERLESS, "InstanceType": "ml.m5.large"}]},
         "ProductionVariants[0].InstanceType", "no instances"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**SERVERLESS, "ServerlessConfig": {
            "MemorySizeInMB": 1500, "MaxConcurrency": 1}}]}, "ProductionVariants[0].ServerlessConfig.MemorySizeInMB",
         "1024"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**SERVERLESS, "ServerlessConfig": {
            "MemorySizeInMB": 8192, "MaxConcurrency": 1}}]}, "ProductionVariants[0].ServerlessConfig.MemorySizeInMB",
         "at most 6144"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{**SERVERLESS, "ServerlessConfig": {
            "MemorySizeInMB": 1024, "MaxConcurrency": 1, "ProvisionedConcurrency": 2}}]},
         "ProductionVariants[0].ServerlessConfig.ProvisionedConcurrency", "more than"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [SERVERLESS], "DataCaptureConfig": CAPTURE},
         "DataCaptureConfig", "serverless"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [SERVERLESS], "AsyncInferenceConfig": ASYNC},
         "AsyncInferenceConfig", "serverless"),
        ("CreateEndpointConfig", {**CONFIG, "AsyncInferenceConfig": ASYNC, "ProductionVariants": [
            VARIANT, {**VARIANT, "VariantName": "b"}]}, "ProductionVariants", "one variant"),
        ("CreateEndpointConfig", {**CONFIG, "ShadowProductionVariants": [
            {**VARIANT, "VariantName": "a"}, {**VARIANT, "VariantName": "b"}]}, "ShadowProductionVariants", "one variant"),
        ("CreateEndpointConfig", {**CONFIG, "ProductionVariants": [{"VariantName": "v", "InstanceType": "ml.m5.large"}]},
         "ProductionVariants[0].ModelName", "missing"),
        ("CreateEndpointConfig", {**CONFIG, "DataCaptureConfig": {**CAPTURE, "InitialSamplingPercentage": 101}},
         "DataCaptureConfig.InitialSamplingPercentage", "at most 100"),
        ("CreateEndpointConfig", {**CONFIG, "DataCaptureConfig": {**CAPTURE, "CaptureOptions": [{"CaptureMode": "x"}]}},
         "DataCaptureConfig.CaptureOptions[0].CaptureMode", "none of Input, Output"),
        ("UpdateEndpoint", blue_green({"Type": "CANARY", "CanarySize": percent(51)}),
         "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.CanarySize.Value", "1 to 50"),
        ("UpdateEndpoint", blue_green({"Type": "LINEAR", "LinearStepSize": percent(5)}),
         "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.LinearStepSize.Value", "10 to 50"),
        ("UpdateEndpoint", blue_green({"Type": "CANARY"}),
         "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.CanarySize", "Type CANARY"),
        ("UpdateEndpoint", blue_green(ROUTING, TerminationWaitInSeconds=3601),
         "DeploymentConfig.BlueGreenUpdatePolicy.TerminationWaitInSeconds", "at most 3600"),
        ("UpdateEndpoint", blue_green(ROUTING, TerminationWaitInSeconds=3000, MaximumExecutionTimeoutInSeconds=3000),
         "DeploymentConfig.BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds", "waits alone take 3060"),
        ("UpdateEndpoint", rolling(MaximumBatchSize=percent(60)),
         "DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize.Value", "5 to 50"),
        ("UpdateEndpoint", endpoint({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": f"a{n}"} for n in range(11)]}}),
         "DeploymentConfig.AutoRollbackConfiguration.Alarms", "at most 10"),
        ("UpdateEndpoint", endpoint({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}] * 2}}),
         "DeploymentConfig.AutoRollbackConfiguration.Alarms", "twice"),
    ],
)  # fmt: skip
def test_what_aws_would_refuse_is_refused_here_by_its_place(operation, request_, path, words):
    found = limits.problems(operation, request_)
    assert found
    assert any(words in each.message and limits._written(each.path) == path for each in found), list(map(str, found))


def test_the_error_names_the_key_of_the_target():
    request = {**MODEL, "PrimaryContainer": {"Environment": {"1A": "x"}}, "ExecutionRoleArn": "run"}
    with pytest.raises(ConfigurationError) as failure:
        limits.check("CreateModel", request, target="aws", source="templates/sagemaker/model.json.j2")
    assert failure.value.where == "targets.aws.env"
    assert "ExecutionRoleArn" in failure.value.message
    assert "model.json.j2" in failure.value.hint


def test_the_error_names_the_template_where_no_key_is_known():
    with pytest.raises(ConfigurationError) as failure:
        limits.check("CreateModel", {}, target="aws", source="templates/sagemaker/model.json.j2")
    assert failure.value.where == "templates/sagemaker/model.json.j2"


@pytest.mark.parametrize(
    ("text", "fits"),
    [("straße: ünï ２", True), ("a.b:/=+-@_", True), ("a#b", False), ("a!", False), ("tab\t", False), ("", True)],
)
def test_characters_of_every_script_are_letters_to_aws(text, fits):
    assert limits.matches(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", text) is fits


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=80))
def test_names_and_tags_of_ours_are_accepted_for_every_artifact_and_stage(artifact, stage):
    slot = Slot(artifact, stage, "aws")
    request = {**MODEL, "ModelName": names.slot_name(slot), "Tags": names.tag_list(names.slot_tags(slot))}
    assert limits.problems("CreateModel", request) == ()


@pytest.mark.parametrize(
    "operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "CreateInferenceComponent"]
)
def test_every_pattern_of_sagemakers_is_one_that_is_checked(operation):
    assert limits.unjudged(operation) == frozenset()
