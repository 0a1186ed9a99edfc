"""The fake's inference components: several models on one endpoint, each made, updated, asked and removed by itself."""

import pytest

from tests.deployers.sagemaker.calls import model, refusal
from tests.fakes.sagemaker import Script


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture
def runtime(aws):
    return aws.client("sagemaker-runtime")


def invoke(runtime, body=b"{}", **more):
    answer = runtime.invoke_endpoint(EndpointName="e", Body=body, **more)
    return answer["Body"].read(), answer


@pytest.fixture
def shared(aws, sagemaker):
    """The endpoint e for inference components, and what creates one."""
    variant = {"VariantName": "v1", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant], ExecutionRoleArn=aws.role)
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    aws.sagemaker.advance(1)

    def create(name, made_of):
        model(aws, sagemaker, made_of)
        needs = {"MinMemoryRequiredInMb": 128, "NumberOfCpuCoresRequired": 1.0}
        specification = {"ModelName": made_of, "ComputeResourceRequirements": needs}
        sagemaker.create_inference_component(InferenceComponentName=name, EndpointName="e", VariantName="v1", Specification=specification, RuntimeConfig={"CopyCount": 1})  # fmt: skip
        return specification

    return create


def test_components_answer_by_their_names_each_with_its_own_model(aws, sagemaker, runtime, shared):
    shared("one", "m")
    shared("two", "n")
    assert "not found" in refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"", InferenceComponentName="one")[1]
    aws.sagemaker.advance(1)
    assert invoke(runtime, InferenceComponentName="one")[1]["CustomAttributes"] == "tagboat-release=release-of-m"
    assert invoke(runtime, InferenceComponentName="two")[1]["CustomAttributes"] == "tagboat-release=release-of-n"
    assert (
        "Inference Component Name header is required" in refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"")[1]
    )
    listed = sagemaker.list_inference_components(EndpointNameEquals="e")["InferenceComponents"]
    assert [each["InferenceComponentName"] for each in listed] == ["two", "one"]
    assert "while it has inference components" in refusal(sagemaker.delete_endpoint, EndpointName="e")[1]


def test_a_component_is_updated_in_place_and_keeps_what_it_had_where_that_fails(aws, sagemaker, runtime, shared):
    specification = shared("one", "m")
    aws.sagemaker.advance(1)
    aws.sagemaker.containers.scripts[":broken"] = Script(kind="crash", log="ValueError\n")
    model(aws, sagemaker, "n", Image=f"{aws.image}:broken")
    changed = {**specification, "ModelName": "n"}
    sagemaker.update_inference_component(InferenceComponentName="one", Specification=changed)
    seen = [sagemaker.describe_inference_component(InferenceComponentName="one") for _ in range(2)]
    assert [each["InferenceComponentStatus"] for each in seen] == ["Updating", "InService"]
    assert "did not pass the ping health check" in seen[1]["FailureReason"]
    assert seen[1]["Specification"]["ModelName"] == "m"
    assert invoke(runtime, InferenceComponentName="one")[1]["CustomAttributes"] == "tagboat-release=release-of-m"
    lines = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/InferenceComponents/one")["events"]
    assert lines[-1]["message"] == "ValueError"
    sagemaker.update_inference_component_runtime_config(InferenceComponentName="one", DesiredRuntimeConfig={"CopyCount": 2})  # fmt: skip
    aws.sagemaker.advance(1)
    counts = sagemaker.describe_inference_component(InferenceComponentName="one")["RuntimeConfig"]
    assert counts == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    sagemaker.delete_inference_component(InferenceComponentName="one")
    aws.sagemaker.advance(1)
    sagemaker.delete_endpoint(EndpointName="e")


def test_an_alarm_brings_a_component_back_to_what_it_had(aws, sagemaker, runtime, shared):
    specification = shared("one", "m")
    aws.sagemaker.advance(1)
    model(aws, sagemaker, "n")
    rolling = {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 60}
    guarded = {"RollingUpdatePolicy": rolling, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
    given = {
        "InferenceComponentName": "one",
        "Specification": {**specification, "ModelName": "n"},
        "DeploymentConfig": guarded,
    }
    assert "do not exist: [errors]" in refusal(sagemaker.update_inference_component, **given)[1]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="errors", Namespace="AWS/SageMaker", MetricName="Invocation5XXErrors", Statistic="Sum", Threshold=0.0, Period=60,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "one"}], EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    sagemaker.update_inference_component(**given)
    aws.sagemaker.containers.scripts["models"] = Script(status=500)
    assert refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"", InferenceComponentName="one")[0] == "ModelError"
    aws.sagemaker.advance(1)
    seen = sagemaker.describe_inference_component(InferenceComponentName="one")
    assert (seen["InferenceComponentStatus"], seen["Specification"]["ModelName"]) == ("InService", "m")
    assert "ALARM state during the deployment: [errors]" in seen["FailureReason"]
