"""What is told of an endpoint that does not come up: its state, why, what to do, and its newest container's last lines."""

import pytest

from deployers.sagemaker.diagnosis import LOG_LINES, explain, log_lines
from deployers.sagemaker.reasons import advice
from tests.fakes.sagemaker import Script

ENDPOINT = "churn-prod"
GROUP = f"/aws/sagemaker/Endpoints/{ENDPOINT}"


@pytest.fixture
def amazon(aws):
    return aws.amazon()


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


def config(aws, sagemaker, name, image):
    """A config of one model that is made of an image."""
    sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": f"{aws.image}:{image}"}, ExecutionRoleArn=aws.role
    )
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


@pytest.fixture
def serving(aws, sagemaker):
    """An endpoint whose good container has written something."""
    aws.sagemaker.containers.scripts["good"] = Script(log="the good one is ready\n")
    config(aws, sagemaker, "good", "good")
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="good")
    aws.sagemaker.advance(9)


@pytest.fixture
def broken(aws, serving, sagemaker):
    """And then an update whose container crashes."""
    aws.sagemaker.containers.scripts["bad"] = Script(kind="crash", log="Traceback\nValueError: no such column\n")
    config(aws, sagemaker, "bad", "bad")
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="bad")
    aws.sagemaker.advance(9)


def test_the_reason_comes_with_what_to_do_and_with_the_lines_of_the_container_that_failed(aws, broken, amazon):
    told = explain(amazon, ENDPOINT)
    assert told[0] == f"endpoint {ENDPOINT}: InService"
    assert "did not pass the ping health check" in told[1]
    assert told[2] == f"What to do: {advice(told[1])}"
    assert told[-2:] == ["    Traceback", "    ValueError: no such column"]
    assert not any("the good one" in line for line in told), "the old container's lines say nothing of the new one"


def test_only_the_last_lines_are_told_and_long_ones_are_cut(aws, serving, amazon):
    written = [f"{number} {'x' * 900}" for number in range(LOG_LINES * 2)]
    aws.moto.log(GROUP, "main/i-1", written)
    told = log_lines(amazon, ENDPOINT)
    assert len(told) == 1 + LOG_LINES
    assert told[1].startswith(f"    {LOG_LINES} ")
    assert all(len(line) < 520 for line in told)


def test_what_sagemaker_itself_writes_beside_the_container_is_not_the_containers(aws, serving, amazon):
    aws.moto.log(GROUP, "main/i-1/data-log", ["inference request"])
    assert not any("inference request" in line for line in log_lines(amazon, ENDPOINT))


def test_of_what_ran_before_the_deployment_nothing_is_told(aws, serving, amazon):
    (said,) = log_lines(amazon, ENDPOINT, since=4e9)
    assert "no container has written anything" in said


def test_an_endpoint_that_is_not_there_and_a_log_that_may_not_be_read_are_said_and_stop_nothing(aws, serving, amazon):
    assert explain(amazon, "another") == ["there is no endpoint another"]
    aws.sagemaker.deny("logs:DescribeLogStreams")
    (state, said) = explain(amazon, ENDPOINT)
    assert state == f"endpoint {ENDPOINT}: InService"
    assert "logs:DescribeLogStreams" in said
    aws.sagemaker.deny("sagemaker:DescribeEndpoint")
    (said,) = explain(amazon, ENDPOINT)
    assert "can't be looked at" in said


def test_an_endpoint_whose_containers_never_started_has_no_log(aws, sagemaker, amazon):
    aws.sagemaker.containers.scripts["bad"] = Script(kind="capacity")
    config(aws, sagemaker, "bad", "bad")
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="bad")
    aws.sagemaker.advance(9)
    told = explain(amazon, ENDPOINT)
    assert told[0] == f"endpoint {ENDPOINT}: Failed"
    assert "InsufficientInstanceCapacity" in told[1]
    assert "no log group" in told[-1]
