"""The fake SageMaker is held to what AWS publishes: an endpoint from its making to its end, and whatever is ordered of it."""

import json

import pytest
from botocore.exceptions import WaiterError

from tests.deployers.sagemaker.calls import config, looked, model, newer, refusal, serving, statuses
from tests.fakes.sagemaker import Script


@pytest.fixture
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture
def runtime(aws):
    return aws.client("sagemaker-runtime")


def answered(runtime, **more):
    return runtime.invoke_endpoint(EndpointName="e", Body=b"{}", **more)["CustomAttributes"]


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


def test_what_is_new_is_not_seen_at_once_where_a_test_says_so(aws, sagemaker):
    aws.sagemaker.unseen("endpoint-config", 2)
    model(aws, sagemaker)
    config(sagemaker)
    given = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert "Could not find endpoint configuration" in refusal(sagemaker.create_endpoint, **given)[1]
    assert "Could not find" in refusal(sagemaker.describe_endpoint_config, EndpointConfigName="c")[1]
    sagemaker.create_endpoint(**given)


def test_an_update_serves_the_old_until_the_new_is_up(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    under_way = looked(sagemaker)
    assert (under_way["EndpointStatus"], under_way["EndpointConfigName"]) == ("Updating", "c")
    assert under_way["PendingDeploymentSummary"]["EndpointConfigName"] == "d"
    after = looked(sagemaker)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "d")
    assert "PendingDeploymentSummary" not in after
    assert answered(runtime) == "tagboat-release=release-of-n"


def test_nothing_is_changed_while_something_changes(aws, sagemaker):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    aws.sagemaker.hold()
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    busy = ("ValidationException", f'Cannot update in-progress endpoint "{looked(sagemaker)["EndpointArn"]}".')
    assert refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c") == busy
    assert refusal(sagemaker.delete_endpoint, EndpointName="e") == busy
    wish = [{"VariantName": "v1", "DesiredInstanceCount": 2}]
    call = sagemaker.update_endpoint_weights_and_capacities
    assert refusal(call, EndpointName="e", DesiredWeightsAndCapacities=wish) == busy


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("crash", "did not pass the ping health check. Please check CloudWatch logs"),
        ("no-start", "CannotStartContainerError"),
        ("no-image", "Please make sure all images included in the model"),
        ("capacity", "Unable to provision requested ML compute capacity"),
    ],
)
def test_a_new_container_that_does_not_come_up_leaves_the_old_one_in_service_with_the_reason(
    aws, sagemaker, runtime, kind, words
):
    aws.sagemaker.containers.scripts["broken"] = Script(kind=kind, log="ValueError: no such column\n")
    serving(aws, sagemaker)
    newer(aws, sagemaker, Image=f"{aws.image}:broken")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    assert statuses(sagemaker, 3) == ["Updating", "RollingBack", "InService"]
    after = looked(sagemaker)
    assert after["EndpointConfigName"] == "c", "what SageMaker's waiter takes for success"
    assert words in after["FailureReason"]
    assert answered(runtime) == "tagboat-release=release-of-m"
    logs = aws.client("logs")
    lines = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/e")["events"]
    assert ("ValueError: no such column" in [line["message"] for line in lines]) == (kind in {"crash", "no-start"})


def test_a_first_release_that_does_not_come_up_has_failed_and_can_only_be_deleted(aws, sagemaker, runtime):
    aws.sagemaker.containers.scripts["broken"] = Script(kind="crash", log="ValueError\n")
    model(aws, sagemaker, Image=f"{aws.image}:broken")
    config(sagemaker)
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    assert statuses(sagemaker, 2) == ["Creating", "Failed"]
    assert "did not pass the ping health check" in looked(sagemaker)["FailureReason"]
    assert refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"{}")[0] == "ValidationError"
    assert "Cannot update" in refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c")[1]
    sagemaker.delete_endpoint(EndpointName="e")
    assert looked(sagemaker)["EndpointStatus"] == "Deleting"
    assert "Could not find endpoint" in refusal(sagemaker.describe_endpoint, EndpointName="e")[1]


@pytest.mark.parametrize("status", ["UpdateRollbackFailed", "OutOfService", "Failed"])
def test_an_update_may_end_in_any_of_the_bad_ways(aws, sagemaker, status):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    aws.sagemaker.end("e", status, "out of luck")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    assert statuses(sagemaker, 2) == ["Updating", status]
    assert looked(sagemaker)["FailureReason"] == "out of luck"


def test_the_waiter_of_botocore_takes_a_way_back_for_success_and_waits_for_what_never_comes(aws, sagemaker):
    """Why the deployer has a poller of its own."""
    waiter, at_once = sagemaker.get_waiter("endpoint_in_service"), {"Delay": 0, "MaxAttempts": 9}
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    aws.sagemaker.end("e", "RollingBack", "the new one did not do")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    waiter.wait(EndpointName="e", WaiterConfig=at_once)
    assert looked(sagemaker)["EndpointConfigName"] == "c"
    aws.sagemaker.end("e", "UpdateRollbackFailed", "and the way back neither")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        waiter.wait(EndpointName="e", WaiterConfig=at_once)


def test_maintenance_forbids_changes_while_it_lasts(aws, sagemaker, runtime):
    serving(aws, sagemaker)
    aws.sagemaker.force("e", "SystemUpdating")
    assert "in-progress" in refusal(sagemaker.delete_endpoint, EndpointName="e")[1]
    assert answered(runtime) == "tagboat-release=release-of-m"


def test_a_quota_counts_the_old_instances_beside_the_new(aws, sagemaker):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    aws.sagemaker.quota("ml.m5.large", 1)
    code, message = refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="d")
    assert code == "ResourceLimitExceeded"
    assert "'ml.m5.large for endpoint usage' is 1 Instances, with current utilization of 1 Instances" in message


def test_weights_and_counts_change_and_survive_an_update_that_retains_them(aws, sagemaker):
    model(aws, sagemaker)
    config(sagemaker, "c", {"ModelName": "m"}, {"ModelName": "m"})
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    aws.sagemaker.advance(1)
    wish = [{"VariantName": "v1", "DesiredWeight": 3.0, "DesiredInstanceCount": 4}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)
    assert statuses(sagemaker, 2) == ["Updating", "InService"]
    config(sagemaker, "d", {"ModelName": "m"})
    left = [{"VariantPropertyType": "DesiredWeight"}]
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d", RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=left)  # fmt: skip
    aws.sagemaker.advance(1)
    variant = looked(sagemaker)["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (4, 1.0)
    gone = [{"VariantName": "v9", "DesiredWeight": 1.0}]
    call = sagemaker.update_endpoint_weights_and_capacities
    assert "v9" in refusal(call, EndpointName="e", DesiredWeightsAndCapacities=gone)[1]


def test_whoever_deletes_a_configuration_in_use_can_update_no_more_and_is_remembered(aws, sagemaker):
    """hashicorp/terraform-provider-aws, issue 40048: AWS deletes it, and refuses the next update."""
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    sagemaker.delete_endpoint_config(EndpointConfigName="c")
    given = {"EndpointName": "e", "EndpointConfigName": "d"}
    assert 'Could not find endpoint configuration "arn:' in refusal(sagemaker.update_endpoint, **given)[1]
    assert aws.sagemaker.misdeeds == ["deleted configuration c, which endpoint e uses"]
    aws.sagemaker.misdeeds.clear()


def test_lists_come_in_pages_filtered_and_in_order(aws, sagemaker):
    for number in range(12):
        model(aws, sagemaker, f"m{number:02}")
    names = [each["ModelName"] for each in sagemaker.list_models()["Models"]]
    assert names == [f"m{number:02}" for number in range(11, 1, -1)], "newest first, ten of them"
    pages = sagemaker.get_paginator("list_models").paginate(
        SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 5}
    )
    assert [each["ModelName"] for page in pages for each in page["Models"]] == sorted(f"m{n:02}" for n in range(12))
    assert [each["ModelName"] for each in sagemaker.list_models(NameContains="M1")["Models"]] == ["m11", "m10"]


def test_faults_come_as_often_as_they_were_ordered_and_with_the_clients_own_errors(aws, sagemaker):
    aws.sagemaker.throttle("ListModels", times=2)
    assert [refusal(sagemaker.list_models)[0] for _ in range(2)] == ["ThrottlingException"] * 2
    assert sagemaker.list_models()["Models"] == []
    aws.sagemaker.deny("sagemaker:ListModels")
    for _ in range(2):
        code, message = refusal(sagemaker.list_models)
        assert (code, "sagemaker:ListModels" in message) == ("AccessDeniedException", True)
    s3 = aws.client("s3")
    aws.sagemaker.fail("s3:PutObject", code="SlowDown", status=503)
    assert refusal(s3.put_object, Bucket=aws.bucket, Key="k", Body=b"")[0] == "SlowDown"
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"")


def test_a_call_may_be_carried_out_and_answered_with_an_error(aws, sagemaker):
    aws.sagemaker.fail("CreateModel", after_write=True)
    given = {"ModelName": "m", "PrimaryContainer": {"Image": f"{aws.image}:v1"}, "ExecutionRoleArn": aws.role}
    assert refusal(sagemaker.create_model, **given)[0] == "InternalFailure"
    assert sagemaker.describe_model(ModelName="m")["ModelName"] == "m"
    aws.sagemaker.cut("DeleteModel", after_write=True)
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        sagemaker.delete_model(ModelName="m")
    assert "Could not find model" in refusal(sagemaker.describe_model, ModelName="m")[1]


def test_every_call_is_written_down_with_the_rights_that_it_needs(aws, sagemaker):
    model(aws, sagemaker, tags=[{"Key": "a", "Value": "b"}])
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"")
    s3.head_object(Bucket=aws.bucket, Key="k")
    s3.list_objects_v2(Bucket=aws.bucket)
    aws.client("sts").get_caller_identity()
    aws.client("ecr").describe_repositories()
    aws.client("cloudwatch").describe_alarms()
    aws.client("logs").describe_log_groups()
    aws.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert aws.sagemaker.actions == {
        "sagemaker:CreateModel",
        "sagemaker:AddTags",
        "iam:PassRole",
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListBucket",
        "sts:GetCallerIdentity",
        "ecr:DescribeRepositories",
        "cloudwatch:DescribeAlarms",
        "logs:DescribeLogGroups",
        "application-autoscaling:DescribeScalableTargets",
    }


def test_a_role_that_may_not_be_passed_on_and_tags_that_may_not_be_set_are_refused(aws, sagemaker):
    aws.sagemaker.deny("iam:PassRole")
    given = {"ModelName": "m", "PrimaryContainer": {"Image": f"{aws.image}:v1"}, "ExecutionRoleArn": aws.role}
    code, message = refusal(sagemaker.create_model, **given)
    assert (code, "iam:PassRole" in message) == ("AccessDeniedException", True)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    aws.sagemaker.deny("sagemaker:AddTags")
    tagged = {"EndpointConfigName": "c", "ProductionVariants": [variant], "Tags": [{"Key": "a", "Value": "b"}]}
    assert "sagemaker:AddTags" in refusal(sagemaker.create_endpoint_config, **tagged)[1]


def test_a_defect_of_the_fake_fails_the_test_that_met_it(aws, sagemaker):
    model(aws, sagemaker)
    aws.sagemaker.state.peek("model", "m").created = "no time"
    refusal(sagemaker.describe_model, ModelName="m")
    assert "the fake's answer to DescribeModel is none" in aws.sagemaker.misdeeds[0]
    aws.sagemaker.misdeeds.clear()
