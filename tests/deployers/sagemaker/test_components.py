"""Several artifacts on one endpoint: each slot a component, the endpoint made before the first and gone with the last."""

import contextlib

import pytest
from botocore.exceptions import ClientError

from deployers.base import Action, Health
from deployers.conformance.subject import deploy
from deployers.errors import CapabilityError, RefusedError, ReleaseFailedError
from deployers.sagemaker import names
from deployers.sagemaker.calling import READY
from tests.deployers.sagemaker.subjects import AwsSubject
from tests.fakes.sagemaker import Script

SHARED = {"endpoint": "all-models", "memory": 2048, "cpus": 1}


class ComponentSubject(AwsSubject):
    """Whose releases are asked, past the deployer, as clients of a component do."""

    def served(self, slot):
        client = self.aws.client("sagemaker-runtime")
        try:
            answer = client.invoke_endpoint(
                EndpointName="all-models", InferenceComponentName=names.slot_name(slot), Body=b"[]"
            )
        except ClientError:
            return None
        return answer["CustomAttributes"].removeprefix("tagboat-release=")

    def crash(self, slot):
        """Somebody deletes the component."""
        client = self.aws.client("sagemaker")
        client.delete_inference_component(InferenceComponentName=names.slot_name(slot))
        with contextlib.suppress(ClientError):
            while True:
                client.describe_inference_component(InferenceComponentName=names.slot_name(slot))
        return True


@pytest.fixture
def subject(aws, tmp_path):
    aws.sagemaker.containers.scripts["broken"] = Script(kind="crash", log="ValueError: no such column\n")
    return ComponentSubject(tmp_path, aws, {"components": SHARED})


def served(subject, slot):
    return subject.served(slot)


def components_of(subject):
    found = subject.aws.client("sagemaker").list_inference_components()["InferenceComponents"]
    return {each["InferenceComponentName"] for each in found}


def kinds_of(subject):
    return {kind for kind, _ in subject.aws.sagemaker.state.objects}


def test_artifacts_share_an_endpoint_and_each_answers_for_itself(subject):
    churn, fraud = subject.slot("churn"), subject.slot("fraud")
    one, other = deploy(subject, churn, "v1.0.0"), deploy(subject, fraud, "v3.0.0")
    assert served(subject, churn) == one.id
    assert served(subject, fraud) == other.id
    assert len(subject.aws.client("sagemaker").list_endpoints()["Endpoints"]) == 1
    assert components_of(subject) == {names.slot_name(churn), names.slot_name(fraud)}
    seen = subject.deployer().observe(churn)
    assert (seen.health, seen.release_id, seen.proved_by) == (Health.READY, one.id, "server")
    assert seen.url.endswith("/endpoints/all-models/invocations")
    assert subject.deployer().call(fraud, READY).headers["x-tagboat-release"] == other.id


def test_a_new_version_takes_over_in_place_and_an_old_one_comes_back(subject):
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    new = deploy(subject, slot, "v2.0.0")
    assert served(subject, slot) == new.id
    deployer = subject.deployer()
    list(deployer.rollback(slot, next(each for each in deployer.observe(slot).verified if each.release_id == old.id)))
    assert served(subject, slot) == old.id
    assert "DeleteInferenceComponent" not in {call.operation for call in subject.aws.sagemaker.calls}


def test_a_release_that_does_not_come_up_leaves_the_old_one_serving(subject):
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="by itself"):
        list(deployer.apply(deployer.plan(*subject.broken(slot, "v2.0.0"))))
    assert served(subject, slot) == old.id


def test_a_component_that_never_came_up_is_explained_by_its_containers_own_words(subject):
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="Failed"):
        list(deployer.apply(deployer.plan(*subject.broken(subject.slot(), "v1.0.0"))))
    told = "\n".join(subject.deployer().diagnose(subject.slot()))
    assert "ValueError: no such column" in told
    assert "What to do: " in told
    release = deploy(subject, subject.slot(), "v2.0.0")
    assert served(subject, subject.slot()) == release.id


def test_what_is_live_already_is_not_touched(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    plan = subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert plan.unchanged


def test_a_plan_tells_of_the_endpoint_beneath_and_what_it_costs_once(subject):
    plan = subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    told = {change.object.partition(" ")[0].rstrip(":"): change.action for change in plan.changes}
    assert told == dict.fromkeys(("COST", "EndpointConfig", "Endpoint", "Model", "InferenceComponent"), Action.CREATE)
    deploy(subject, subject.slot(), "v1.0.0")
    second = subject.deployer().plan(*subject.release(subject.slot("other"), "v1.0.0"))
    assert [change.object.partition(" ")[0] for change in second.changes] == ["Model", "InferenceComponent"]


def test_the_endpoint_beneath_follows_the_targets_settings(subject):
    release = deploy(subject, subject.slot(), "v1.0.0")
    subject.written |= {"instance-count": 2, "components": {**SHARED, "instances": 5}}
    deploy(subject, subject.slot("other"), "v1.0.0")
    client = subject.aws.client("sagemaker")
    (config,) = client.list_endpoint_configs()["EndpointConfigs"]
    (variant,) = client.describe_endpoint_config(EndpointConfigName=config["EndpointConfigName"])["ProductionVariants"]
    assert variant["ManagedInstanceScaling"] == {"Status": "ENABLED", "MinInstanceCount": 2, "MaxInstanceCount": 5}
    assert served(subject, subject.slot()) == release.id


def test_the_endpoint_goes_with_its_last_component(subject):
    churn, fraud = subject.slot("churn"), subject.slot("fraud")
    deploy(subject, churn, "v1.0.0")
    release = deploy(subject, fraud, "v1.0.0")
    list(subject.deployer().remove(churn))
    assert served(subject, fraud) == release.id
    list(subject.deployer().remove(fraud))
    assert kinds_of(subject) == set()


def test_an_endpoint_of_somebody_elses_is_left_alone(subject):
    client = subject.aws.client("sagemaker")
    client.create_endpoint_config(
        EndpointConfigName="theirs", ExecutionRoleArn=subject.aws.role,
        ProductionVariants=[{"VariantName": "main", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
    )  # fmt: skip
    client.create_endpoint(EndpointName="all-models", EndpointConfigName="theirs")
    with pytest.raises(RefusedError, match="not ours"):
        deploy(subject, subject.slot(), "v1.0.0")
    assert client.describe_endpoint(EndpointName="all-models")["EndpointConfigName"] == "theirs"


def test_a_component_that_somebody_deleted_is_noticed_and_brought_back(subject):
    release = deploy(subject, subject.slot(), "v1.0.0")
    subject.crash(subject.slot())
    seen = subject.deployer().observe(subject.slot())
    assert seen.health is Health.FAILING
    assert "deleted by somebody else" in seen.reasons[0]
    again = deploy(subject, subject.slot(), "v1.0.0")
    assert served(subject, subject.slot()) == again.id == release.id


def test_an_alarm_that_rings_brings_the_old_copies_back(subject):
    alarm = {"AlarmName": "pager", "MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60,
             "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}  # fmt: skip
    cloudwatch = subject.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(**alarm)
    subject.written["deployment"] = {"strategy": "rolling", "size": 50, "alarms": ["pager"]}
    old = deploy(subject, subject.slot(), "v1.0.0")
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="by itself"):
        for step in deployer.apply(deployer.plan(*subject.release(subject.slot(), "v2.0.0"))):
            if step.name == "create":
                cloudwatch.set_alarm_state(AlarmName="pager", StateValue="ALARM", StateReason="slow")
    assert served(subject, subject.slot()) == old.id


def test_copies_scale_by_load(subject):
    subject.written["scaling"] = {"min": 2, "max": 5}
    plan = subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    target, policy = plan.changes[-2:]
    assert target.object == f"ScalableTarget inference-component/{names.slot_name(subject.slot())}"
    assert "+ScalableDimension: sagemaker:inference-component:DesiredCopyCount" in target.diff
    assert "SageMakerInferenceComponentInvocationsPerCopy" in policy.diff


def test_the_number_of_copies_that_the_load_asked_for_outlives_a_release(subject):
    """moto knows no scaling of components (5.2): what asks for it is left out, and what it does is done by hand."""
    subject.written["scaling"] = {"min": 2, "max": 5}
    name = names.slot_name(subject.slot())
    client = subject.aws.client("sagemaker")
    for version, copies in (("v1.0.0", 2), ("v2.0.0", 4)):
        deployer = subject.deployer()
        deployer.rendering.texts.update({"scalable-target.json.j2": "", "scaling-policy.json.j2": ""})
        list(deployer.apply(deployer.plan(*subject.release(subject.slot(), version))))
        found = client.describe_inference_component(InferenceComponentName=name)["RuntimeConfig"]
        assert found["DesiredCopyCount"] == copies
        client.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 4}
        )
        list(deployer.poller.until_still(name))


def test_a_run_that_was_killed_anywhere_is_finished_by_the_next(subject):
    for _ in range(12):
        deployer = subject.deployer()
        plan = deployer.plan(*subject.release(subject.slot(), "v1.0.0"))
        if plan.unchanged:
            break
        steps = deployer.apply(plan)
        next(steps, None)
        subject.aws.sagemaker.cut("*", after_write=True)
        next(steps, None)
        steps.close()
    release = deploy(subject, subject.slot(), "v1.0.0")
    assert served(subject, subject.slot()) == release.id


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"serverless": {}}, "serverless"),
        ({"asynchronous": {}}, "asynchronous"),
        ({"variants": [{"name": "b"}]}, "variants"),
        ({"shadow": {}}, "shadow"),
        ({"data-capture": {}}, "data-capture"),
        ({"endpoint-name": "x"}, "endpoint-name"),
        ({"deployment": {"strategy": "canary"}}, "deployment.strategy"),
        ({"deployment": {"watch": {}}}, "deployment.watch"),
        ({"deployment": {"alarms": ["a"]}}, "deployment.alarms"),
    ],
)
def test_what_components_cannot_do_is_refused_at_plan_time(subject, settings, key):
    subject.written |= settings
    with pytest.raises(CapabilityError) as failure:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert failure.value.where == f"targets.cloud.{key}"
