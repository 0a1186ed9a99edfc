"""Deployment guardrails as AWS documents them: traffic shifted in steps, alarms that bring the old back, exclusions."""

import contextlib

import pytest

from tests.deployers.sagemaker.calls import config, looked, model, newer, refusal, serving, statuses
from tests.fakes.sagemaker import Script

CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 60,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        }
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture
def runtime(aws):
    return aws.client("sagemaker-runtime")


@pytest.fixture
def alarm(aws):
    """An alarm that is quiet; called, it goes off."""
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        MetricName="m",
        Namespace="n",
        Period=60,
        Statistic="Sum",
        Threshold=1.0,
    )
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="quiet")
    return lambda: cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="loud")


def answered(runtime, **more):
    return runtime.invoke_endpoint(EndpointName="e", Body=b"{}", **more)["CustomAttributes"]


def test_a_canary_gets_its_part_of_the_traffic_and_then_all_of_it(aws, sagemaker, runtime, alarm):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d", DeploymentConfig=CANARY)
    assert looked(sagemaker)["LastDeploymentConfig"] == CANARY
    phases = []
    while looked(sagemaker)["EndpointStatus"] == "Updating":
        seen = looked(sagemaker).get("PendingDeploymentSummary")
        phases.append(seen["ProductionVariants"][0]["VariantStatus"][0]["Status"] if seen else None)
        if phases == ["ActivatingTraffic"]:
            both = {answered(runtime) for _ in range(4)}
            assert both == {"tagboat-release=release-of-m", "tagboat-release=release-of-n"}
    assert phases[:2] == ["ActivatingTraffic", "ActivatingTraffic"]
    assert {answered(runtime) for _ in range(4)} == {"tagboat-release=release-of-n"}


def test_an_alarm_that_goes_off_while_a_canary_bakes_brings_the_old_back(aws, sagemaker, runtime, alarm):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d", DeploymentConfig=CANARY)
    assert statuses(sagemaker, 3) == ["Updating"] * 3
    alarm()
    seen = statuses(sagemaker, 3)
    assert seen[-1] == "InService"
    assert "RollingBack" in seen
    after = looked(sagemaker)
    assert (after["EndpointConfigName"], "errors" in after["FailureReason"]) == ("c", True)
    assert answered(runtime) == "tagboat-release=release-of-m"


def watched(aws, name, **metric):
    """An alarm as the alarms of a deployment are."""
    given = {
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    aws.client("cloudwatch").put_metric_alarm(AlarmName=name, **given, **metric)
    return {**CANARY, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name}]}}


def of_config(name):
    dimensions = {"EndpointName": "e", "VariantName": "v1", "EndpointConfigName": name}
    return {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


@pytest.mark.parametrize(
    ("script", "metric", "rings"),
    [
        (Script(status=500), {"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": 0.5, **of_config("d")}, True),
        (Script(status=500), {"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": 0.5, **of_config("c")}, False),
        (Script(status=500), {"MetricName": "Invocation4XXErrors", "Statistic": "Average", "Threshold": 0.5, **of_config("d")}, False),
        (Script(status=422), {"MetricName": "Invocation4XXErrors", "Statistic": "Sum", "Threshold": 0.5, **of_config("d")}, True),
        (Script(seconds=2.0), {"MetricName": "ModelLatency", "ExtendedStatistic": "p99", "Threshold": 1e6, **of_config("d")}, True),
        (Script(), {"MetricName": "ModelLatency", "ExtendedStatistic": "p99", "Threshold": 1e6, **of_config("d")}, False),
        (Script(status=500, complaint='{"event": "model-failed"}'), {"MetricName": "Failures", "Namespace": "Own", "Statistic": "Sum", "Threshold": 0.0}, True),
        (Script(status=500, complaint='{"event": "other"}'), {"MetricName": "Failures", "Namespace": "Own", "Statistic": "Sum", "Threshold": 0.0}, False),
    ],
)  # fmt: skip
def test_the_traffic_of_a_canary_sets_off_the_alarms_that_look_at_it(aws, sagemaker, runtime, script, metric, rings):
    serving(aws, sagemaker)
    newer(aws, sagemaker, Image=f"{aws.image}:new")
    aws.sagemaker.containers.scripts[":new"] = script
    failed = [{"metricName": "Failures", "metricNamespace": "Own", "metricValue": "1"}]
    aws.client("logs").put_metric_filter(
        logGroupName="/aws/sagemaker/Endpoints/e", filterName="f", filterPattern='{ $.event = "model-failed" }', metricTransformations=failed,
    )  # fmt: skip
    deployment = watched(aws, "guard", **metric)
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d", DeploymentConfig=deployment)
    aws.sagemaker.advance(2)
    for _ in range(6):
        with contextlib.suppress(runtime.exceptions.ModelError):
            answered(runtime)
    aws.sagemaker.advance(9)
    after = looked(sagemaker)
    assert (after["EndpointConfigName"], "guard" in after.get("FailureReason", "")) == (
        ("c", True) if rings else ("d", False)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 60}}, "between 1 and 50 percent"),
        ({"Type": "LINEAR"}, "CanarySize is required for, and only for"),
    ],
)
def test_a_way_of_shifting_traffic_that_aws_does_not_know_is_refused(aws, sagemaker, alarm, change, words):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    routing = {**CANARY["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"], **change}
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    given = {"EndpointName": "e", "EndpointConfigName": "d", "DeploymentConfig": deployment}
    assert words in refusal(sagemaker.update_endpoint, **given)[1]


def test_alarms_that_do_not_exist_and_serverless_endpoints_take_no_deployment_config(aws, sagemaker):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    given = {"EndpointName": "e", "EndpointConfigName": "d", "DeploymentConfig": CANARY}
    assert "do not exist: [errors]" in refusal(sagemaker.update_endpoint, **given)[1]
    config(sagemaker, "s", {"ModelName": "n", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}})
    sagemaker.create_endpoint(EndpointName="f", EndpointConfigName="s")
    aws.sagemaker.advance(1)
    given |= {"EndpointName": "f", "EndpointConfigName": "s"}
    assert "not supported for serverless" in refusal(sagemaker.update_endpoint, **given)[1]


def test_on_inf1_a_canary_is_silently_all_at_once(aws, sagemaker, alarm):
    """AWS, "Deployment guardrails", exclusions."""
    serving(aws, sagemaker)
    model(aws, sagemaker, "n")
    config(sagemaker, "d", {"ModelName": "n", "InstanceType": "ml.inf1.xlarge"})
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d", DeploymentConfig=CANARY)
    assert statuses(sagemaker, 2) == ["Updating", "InService"]


def test_a_rolling_update_has_one_variant_of_the_same_name(aws, sagemaker):
    """AWS, "Deployment guardrails", exclusions."""
    serving(aws, sagemaker)
    rolling = {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 60}
    config(sagemaker, "two", {"ModelName": "m"}, {"ModelName": "m"})
    config(sagemaker, "other", {"ModelName": "m", "VariantName": "v9"})
    given = {"EndpointName": "e", "DeploymentConfig": {"RollingUpdatePolicy": rolling}}
    for name in ("two", "other"):
        assert "same variant names" in refusal(sagemaker.update_endpoint, **given, EndpointConfigName=name)[1]
    sagemaker.create_endpoint(EndpointName="f", EndpointConfigName="two")
    aws.sagemaker.advance(1)
    given["EndpointName"] = "f"
    assert "multi-variant" in refusal(sagemaker.update_endpoint, **given, EndpointConfigName="two")[1]
