"""The fake reads AWS' service model by itself; so does the deployer, before its first call. The two agree."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployers.sagemaker import limits
from tests.fakes.sagemaker import shapes

ROLE = "arn:aws:iam::123456789012:role/run"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/m:1"


def model(name="m", environment=None, key="k", value="v", role=ROLE, image=IMAGE):
    container = {"Image": image, "Environment": environment or {}}
    tags = [{"Key": key, "Value": value}]
    return {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": role, "Tags": tags}


def both_refuse(operation, request):
    """Whether the fake refuses a request; it and the deployer do the same."""
    service = shapes.service("sagemaker")
    fake = list(shapes.problems(service.operation(operation).input_shape, request, ""))
    ours = limits.problems(operation, request)
    assert bool(fake) == bool(ours), f"only {'the fake' if fake else 'the deployer'} refuses it: {fake or ours}"
    return bool(fake)


NEAR = st.one_of(
    st.text(max_size=70),
    st.text("abcXYZ019-_.:/=+@ #!é中\u00a0\u2003\u0661²½\n", max_size=70),
    st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True),
)
"""Texts that may just be right."""


@settings(max_examples=150, deadline=None)
@given(name=NEAR, key=NEAR, value=NEAR)
@example(name="a" * 64, key="k", value="v")
@example(name="a\n", key="k", value="v")
@example(name="a-", key="k", value="v")
@example(name="a", key="", value="")
@example(name="a", key="k", value="churn#prod")
@example(name="a", key="k", value="Größe 模型 ١٢ ½")
@example(name="a", key="k", value="e\u0301")
def test_names_and_tags_are_refused_by_both_or_neither(name, key, value):
    both_refuse("CreateModel", model(name=name, key=key, value=value))
    variant = {"VariantName": name, "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    both_refuse("CreateEndpointConfig", {"EndpointConfigName": name, "ProductionVariants": [variant]})
    both_refuse("UpdateEndpoint", {"EndpointName": name, "EndpointConfigName": "c"})


@settings(max_examples=80, deadline=None)
@given(key=NEAR, value=st.text(max_size=1100), role=NEAR.map(lambda text: f"arn:aws:iam::123456789012:role/{text}"))
@example(key="A", value="x" * 1025, role=ROLE)
def test_environments_and_roles_are_refused_by_both_or_neither(key, value, role):
    both_refuse("CreateModel", model(environment={key: value}, role=role))


@pytest.mark.parametrize(
    ("operation", "request_", "refused"),
    [
        ("CreateModel", model(), False),
        ("CreateModel", model(environment={f"A{number}": "" for number in range(101)}), True),
        ("CreateModel", {"PrimaryContainer": {"Image": IMAGE}}, True),
        ("CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": []}, True),
        ("AddTags", {"ResourceArn": "arn:aws:sagemaker:eu-central-1:123456789012:model/m", "Tags": []}, False),
        ("AddTags", {"ResourceArn": "arn:aws:s3:::bucket", "Tags": []}, True),
    ],
)
def test_counts_and_what_is_missing_are_refused_by_both_or_neither(operation, request_, refused):
    assert both_refuse(operation, request_) == refused


@pytest.mark.parametrize("name", ["sagemaker", "sagemaker-runtime"])
def test_every_pattern_of_the_service_model_is_one_that_the_fake_understands(name):
    service = shapes.service(name).model
    patterns = {service.shape_for(each).metadata.get("pattern") for each in service.shape_names}
    assert len(patterns) > 5
    for pattern in patterns - {None}:
        shapes.compiled(pattern)
