"""The fake SageMaker is held to what AWS publishes: its service model, its documentation of statuses and deployments."""

import json

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


# Shapes and names


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


def test_what_is_new_is_not_seen_at_once_where_a_test_says_so(aws, sagemaker):
    aws.sagemaker.unseen("endpoint-config", 2)
    model(aws, sagemaker)
    config(sagemaker)
    given = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert "Could not find endpoint configuration" in refusal(sagemaker.create_endpoint, **given)[1]
    assert "Could not find" in refusal(sagemaker.describe_endpoint_config, EndpointConfigName="c")[1]
    sagemaker.create_endpoint(**given)


# Updates


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


@pytest.mark.parametrize("status", ["UpdateRollbackFailed", "OutOfService", "Failed"])
def test_an_update_may_end_in_any_of_the_bad_ways(aws, sagemaker, status):
    serving(aws, sagemaker)
    newer(aws, sagemaker)
    aws.sagemaker.end("e", status, "out of luck")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="d")
    assert statuses(sagemaker, 2) == ["Updating", status]
    assert looked(sagemaker)["FailureReason"] == "out of luck"


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


# Lists and faults


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


def test_a_role_that_does_not_trust_sagemaker_cannot_be_assumed(aws, sagemaker):
    policy = json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    )
    role = aws.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    given = {"ModelName": "m", "PrimaryContainer": {"Image": f"{aws.image}:v1"}}
    assert "Could not assume role" in refusal(sagemaker.create_model, **given, ExecutionRoleArn=role)[1]


# What goes with what


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


def test_a_defect_of_the_fake_fails_the_test_that_met_it(aws, sagemaker):
    model(aws, sagemaker)
    aws.sagemaker.state.peek("model", "m").created = "no time"
    refusal(sagemaker.describe_model, ModelName="m")
    assert "the fake's answer to DescribeModel is none" in aws.sagemaker.misdeeds[0]
    aws.sagemaker.misdeeds.clear()
