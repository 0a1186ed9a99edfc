"""A few calls of SageMaker in one word each, for the tests of the fake."""

import pytest
from botocore.exceptions import ClientError


def model(aws, client, name="m", tags=(), **more):
    container = {"Image": f"{aws.image}:v1", "Environment": {"TAGBOAT_RELEASE": f"release-of-{name}"}, **more}
    client.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=aws.role, Tags=list(tags))


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
