"""Each kind of endpoint, and what stands beside one, made, changed, taken back and removed by the deployer itself."""

import pytest

from deployers.base import Action
from deployers.conformance.subject import deploy
from deployers.errors import CapabilityError, ReleaseFailedError
from deployers.sagemaker import names
from deployers.sagemaker.calling import READY

WATCH = {"watch": {"latency": 1, "model-failures": 3}}


@pytest.fixture
def subject(subject_with):
    return subject_with()


def name_of(subject):
    return names.slot_name(subject.slot())


def config_of(subject):
    client = subject.aws.client("sagemaker")
    seen = client.describe_endpoint(EndpointName=name_of(subject))
    return client.describe_endpoint_config(EndpointConfigName=seen["EndpointConfigName"])


def alarms_of(subject):
    found = subject.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {each["AlarmName"].rpartition(f"{name_of(subject)}-")[2]: each for each in found}


def scaled(subject):
    client = subject.aws.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    policies = client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    return targets, policies


def filters_of(subject):
    return subject.aws.client("logs").describe_metric_filters()["metricFilters"]


def changes(subject, version):
    plan = subject.deployer().plan(*subject.release(subject.slot(), version))
    return {change.object: change.action for change in plan.changes}


@pytest.mark.parametrize(
    ("settings", "member", "wanted"),
    [
        ({"serverless": {"memory": 3072}}, "ServerlessConfig", {"MemorySizeInMB": 3072, "MaxConcurrency": 5}),
        ({"instance-count": 2, "volume-size": 40}, "VolumeSizeInGB", 40),
        ({"routing": "least-outstanding-requests"}, "RoutingConfig", {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}),
    ],
)
def test_an_endpoint_of_the_kind_serves_and_says_which_release(subject_with, settings, member, wanted):
    subject = subject_with(**settings)
    release = deploy(subject, subject.slot(), "v1.0.0")
    assert subject.served(subject.slot()) == release.id
    assert config_of(subject)["ProductionVariants"][0][member] == wanted
    newer = deploy(subject, subject.slot(), "v2.0.0")
    assert subject.served(subject.slot()) == newer.id


def test_requests_and_answers_are_captured_in_a_network_of_ones_own(subject_with):
    subject = subject_with(
        **{"data-capture": {"share": 30}, "vpc": {"subnets": ["subnet-1"], "security-groups": ["sg-1"]}}
    )
    deploy(subject, subject.slot(), "v1.0.0")
    config = config_of(subject)
    assert config["DataCaptureConfig"]["InitialSamplingPercentage"] == 30
    assert config["DataCaptureConfig"]["DestinationS3Uri"].startswith(f"s3://{subject.aws.bucket}/tagboat/captured/")
    model = subject.aws.client("sagemaker").describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}


def test_a_shadow_gets_a_variant_of_its_own_and_answers_nobody(subject_with):
    subject = subject_with(shadow={"weight": 0.5})
    release = deploy(subject, subject.slot(), "v1.0.0")
    (shadow,) = config_of(subject)["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["InitialVariantWeight"]) == ("shadow", 0.5)
    assert subject.served(subject.slot()) == release.id


def test_instances_do_not_become_serverless_behind_somebodys_back(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    subject.written["serverless"] = {}
    with pytest.raises(CapabilityError, match="no endpoint of instances") as failure:
        changes(subject, "v2.0.0")
    assert failure.value.where == "targets.cloud.serverless"


def test_variants_change_all_at_once_or_not_at_all(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    subject.written |= {"variants": [{"name": "b"}], "deployment": {"strategy": "linear"}}
    with pytest.raises(CapabilityError, match="guardrails exclude"):
        changes(subject, "v2.0.0")
    del subject.written["deployment"]
    deploy(subject, subject.slot(), "v2.0.0")
    assert [each["VariantName"] for each in config_of(subject)["ProductionVariants"]] == ["main", "b"]


def test_beside_other_variants_it_is_the_releases_own_that_is_asked(subject):
    client = subject.aws.client("sagemaker")
    container = {"Image": f"{subject.aws.image}:next", "Environment": {"TAGBOAT_RELEASE": "f" * 32}}
    client.create_model(ModelName="churn-next", ExecutionRoleArn=subject.aws.role, PrimaryContainer=container)
    subject.written |= {"weight": 1, "variants": [{"name": "next", "weight": 99, "model-name": "churn-next"}]}
    slot = subject.slot()
    deployer = subject.deployer()
    release, bundle = subject.release(slot, "v1.0.0")
    list(deployer.apply(deployer.plan(release, bundle)))
    assert {deployer.call(slot, READY).headers["x-tagboat-release"] for _ in range(5)} == {release.id}
    assert deployer.observe(slot).release_id == release.id
    assert subject.served(slot) == "f" * 32, "clients meet the others, too"


# Scaling


def test_scaling_comes_goes_and_comes_back_with_the_release_that_asks_for_it(subject):
    slot = subject.slot()
    plain = deploy(subject, slot, "v1.0.0")
    subject.written["scaling"] = {"min": 2, "max": 6, "target": 50}
    assert changes(subject, "v2.0.0")[f"ScalableTarget endpoint/{name_of(subject)}/variant/main"] is Action.CREATE
    deploy(subject, slot, "v2.0.0")
    (target,), (policy,) = scaled(subject)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 50
    assert config_of(subject)["ProductionVariants"][0]["InitialInstanceCount"] == 2
    subject.written["scaling"] = {"min": 2, "max": 8, "target": 50}
    assert "COST: main: 2 to 6 × ml.m5.large → 2 to 8 × ml.m5.large" in changes(subject, "v3.0.0")
    assert changes(subject, "v3.0.0")[f"ScalableTarget endpoint/{name_of(subject)}/variant/main"] is Action.UPDATE
    deploy(subject, slot, "v3.0.0")
    assert scaled(subject)[0][0]["MaxCapacity"] == 8
    registered = [call for call in subject.aws.sagemaker.calls if call.operation == "RegisterScalableTarget"]
    assert len(registered) == 2
    del subject.written["scaling"]
    assert changes(subject, "v4.0.0")[f"ScalingPolicy endpoint/{name_of(subject)}/variant/main"] is Action.DELETE
    deploy(subject, slot, "v4.0.0")
    assert scaled(subject) == ([], [])
    deployer = subject.deployer()
    verified = deployer.observe(slot).verified
    list(deployer.rollback(slot, next(each for each in verified if each.release.version == "v3.0.0")))
    assert scaled(subject)[0][0]["MaxCapacity"] == 8
    list(deployer.rollback(slot, next(each for each in verified if each.release_id == plain.id)))
    assert scaled(subject) == ([], [])


def test_the_number_of_instances_that_the_load_asked_for_outlives_a_release(subject_with):
    subject = subject_with(scaling={"min": 1, "max": 6})
    deploy(subject, subject.slot(), "v1.0.0")
    client = subject.aws.client("sagemaker")
    client.update_endpoint_weights_and_capacities(
        EndpointName=name_of(subject), DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 4}]
    )
    deploy(subject, subject.slot(), "v2.0.0")
    (variant,) = client.describe_endpoint(EndpointName=name_of(subject))["ProductionVariants"]
    assert variant["DesiredInstanceCount"] == 4


def test_another_type_of_instances_is_no_hindrance_to_what_scales(subject_with):
    subject = subject_with(scaling={"min": 1, "max": 6})
    deploy(subject, subject.slot(), "v1.0.0")
    subject.written["instance-type"] = "ml.c5.large"
    release = deploy(subject, subject.slot(), "v2.0.0")
    assert subject.served(subject.slot()) == release.id
    assert len(scaled(subject)[0]) == len(scaled(subject)[1]) == 1


def test_what_somebody_else_scales_is_left_alone_where_no_scaling_is_asked_for(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    theirs = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{name_of(subject)}/variant/main",
              "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}  # fmt: skip
    client = subject.aws.client("application-autoscaling")
    client.register_scalable_target(**theirs, MinCapacity=1, MaxCapacity=3)
    deploy(subject, subject.slot(), "v2.0.0")
    assert scaled(subject)[0][0]["MaxCapacity"] == 3
    assert "application-autoscaling:DeregisterScalableTarget" not in subject.aws.sagemaker.actions


# Alarms


def test_alarms_look_at_the_newest_release_and_guard_its_update(subject_with):
    subject = subject_with(deployment={"strategy": "canary", **WATCH})
    deploy(subject, subject.slot(), "v1.0.0")
    deploy(subject, subject.slot(), "v2.0.0")
    found = alarms_of(subject)
    assert set(found) == {"errors", "latency", "model-failures"}
    config = config_of(subject)["EndpointConfigName"]
    for what in ("errors", "latency"):
        assert {"Name": "EndpointConfigName", "Value": config} in found[what]["Dimensions"]
    assert found["latency"]["ExtendedStatistic"] == "p99"
    seen = subject.aws.client("sagemaker").describe_endpoint(EndpointName=name_of(subject))
    told = seen["LastDeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert {each["AlarmName"] for each in told} == {each["AlarmName"] for each in found.values()}
    (made,) = filters_of(subject)
    assert made["logGroupName"] == f"/aws/sagemaker/Endpoints/{name_of(subject)}"


def test_an_alarm_that_rings_brings_the_old_release_back_and_fails_the_new_one(subject_with):
    subject = subject_with(deployment={"strategy": "canary", **WATCH})
    old = deploy(subject, subject.slot(), "v1.0.0")
    deployer = subject.deployer()
    steps = deployer.apply(deployer.plan(*subject.release(subject.slot(), "v2.0.0")))
    with pytest.raises(ReleaseFailedError, match="by itself"):
        for step in steps:
            if step.name == "create":
                subject.aws.client("cloudwatch").set_alarm_state(
                    AlarmName=alarms_of(subject)["latency"]["AlarmName"], StateValue="ALARM", StateReason="slow"
                )
    assert subject.served(subject.slot()) == old.id


def test_a_release_without_alarms_leaves_none_behind(subject_with):
    subject = subject_with(deployment=WATCH)
    deploy(subject, subject.slot(), "v1.0.0")
    del subject.written["deployment"]
    deploy(subject, subject.slot(), "v2.0.0")
    assert alarms_of(subject) == {}
    assert filters_of(subject) == []


def test_removing_a_slot_removes_what_stands_beside_it_and_nothing_else(subject_with):
    subject = subject_with(deployment=WATCH, scaling={})
    theirs = {"AlarmName": "theirs", "MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60,
              "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}  # fmt: skip
    subject.aws.client("cloudwatch").put_metric_alarm(**theirs)
    deploy(subject, subject.slot(), "v1.0.0")
    list(subject.deployer().remove(subject.slot()))
    left = subject.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [each["AlarmName"] for each in left] == ["theirs"]
    assert scaled(subject) == ([], [])
    assert filters_of(subject) == []


def test_a_run_that_was_killed_between_is_finished_by_the_next(subject_with):
    subject = subject_with(deployment=WATCH, scaling={})
    for _ in range(12):
        deployer = subject.deployer()
        plan = deployer.plan(*subject.release(subject.slot(), "v1.0.0"))
        steps = deployer.apply(plan)
        if plan.unchanged:
            break
        subject.aws.sagemaker.cut("*", after_write=True)
        next(steps, None)
        steps.close()
    release = deploy(subject, subject.slot(), "v1.0.0")
    assert subject.served(subject.slot()) == release.id
    assert len(alarms_of(subject)) == 3
    assert len(scaled(subject)[1]) == 1
