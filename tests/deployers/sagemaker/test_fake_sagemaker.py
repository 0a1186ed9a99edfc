"""The fake SageMaker is held to what AWS publishes: its service model, its documentation of statuses and deployments."""

import json

import pytest
from botocore.exceptions import ClientError

ROLLED_BACK = "the new fleet did not do"


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture
def runtime(aws):
    return aws.client("sagemaker-runtime")


def model(aws, client, name="m", **more):
    container = {"Image": f"{aws.image}:v1", "Environment": {"TAGBOAT_RELEASE": f"release-of-{name}"}, **more}
    client.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=aws.role)


def config(client, name="c", *variants, **more):
    given = variants or ({"ModelName": "m"},)
    whole = [
        {"VariantName": f"v{number}", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, **each}
        if "ServerlessConfig" not in each
        else {"VariantName": f"v{number}", **each}
        for number, each in enumerate(given, 1)
    ]
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=whole, **more)


def serving(aws, client, name="e"):
    """An endpoint in service on the configuration c, model m."""
    model(aws, client)
    config(client)
    client.create_endpoint(EndpointName=name, EndpointConfigName="c")
    aws.sagemaker.advance(9)


def newer(aws, client, **more):
    """A configuration d of another model."""
    model(aws, client, "n", **more)
    config(client, "d", {"ModelName": "n"})


def looked(client, name="e"):
    return client.describe_endpoint(EndpointName=name)


def statuses(client, looks):
    return [looked(client)["EndpointStatus"] for _ in range(looks)]


def refusal(call, **given):
    with pytest.raises(ClientError) as refused:
        call(**given)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_an_endpoint_comes_up_while_it_is_looked_at_and_answers(aws, sagemaker, runtime):
    model(aws, sagemaker)
    config(sagemaker)
    aws.sagemaker.delay(2)
    sagemaker.create_endpoint(EndpointName="E", EndpointConfigName="c", Tags=[{"Key": "a", "Value": "b"}])
    assert refusal(runtime.invoke_endpoint, EndpointName="E", Body=b"{}")[0] == "ValidationError"
    seen = [looked(sagemaker, "E") for _ in range(3)]
    assert [each["EndpointStatus"] for each in seen] == ["Creating", "Creating", "InService"]
    assert seen[0]["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    assert seen[2]["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    answer = runtime.invoke_endpoint(EndpointName="E", Body=b"{}", ContentType="application/json")
    assert json.loads(answer["Body"].read())["predictions"] == [0]
    assert (answer["CustomAttributes"], answer["InvokedProductionVariant"]) == ("tagboat-release=release-of-m", "v1")
    assert "x-tagboat-release" not in answer["ResponseMetadata"]["HTTPHeaders"], "SageMaker passes on one header alone"
    tags = sagemaker.list_tags(ResourceArn=seen[2]["EndpointArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
