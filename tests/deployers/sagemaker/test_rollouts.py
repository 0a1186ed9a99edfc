"""Done is in service by our config; whatever else an endpoint comes to is told, with AWS's reason and what to do."""

import pytest

from deployers.base import Health
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import RefusedError, ReleaseFailedError, UnreachableError
from deployers.sagemaker import names
from tests.deployers.sagemaker.subjects import brief


def update(subject, version, **more):
    """The steps of an update, not yet taken."""
    deployer = subject.deployer(**more)
    return deployer.apply(deployer.plan(*subject.release(subject.slot(), version)))


@pytest.fixture
def subject(subject_with):
    return subject_with()


@pytest.fixture
def endpoint(subject):
    return names.slot_name(subject.slot())


def test_an_update_that_aws_quietly_takes_back_is_a_failure_with_its_reason(aws, subject, endpoint):
    old = deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.end(endpoint, "RollingBack", "Unable to provision requested ML compute capacity")
    with pytest.raises(ReleaseFailedError, match=r"went back to the config .*requested ML compute capacity") as failure:
        list(update(subject, "v2.0.0"))
    assert failure.value.hint.startswith("The old release serves.")
    list(subject.deployer().rollback(subject.slot()))
    assert_live(subject, subject.slot(), old)


def test_an_update_taken_back_before_anybody_looked_is_a_failure_all_the_same(aws, subject, endpoint):
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.delay(0)
    aws.sagemaker.end(endpoint, "RollingBack", "Alarm went off")
    with pytest.raises(ReleaseFailedError, match=r"went back to the config .*Alarm went off"):
        list(update(subject, "v2.0.0"))


@pytest.mark.parametrize("status", ["InService", "UpdateRollbackFailed"])
def test_an_update_that_is_seen_late_is_not_taken_for_one_that_failed(aws, subject, endpoint, status):
    """What is seen at first is what was before: in service, or even broken."""
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.force(endpoint, status)
    calls = aws.sagemaker.control.calls
    describe = calls["DescribeEndpoint"]
    before = describe({"EndpointName": endpoint})
    steps = update(subject, "v2.0.0")
    while next(steps).name != "endpoint":
        pass
    late = iter(range(3))
    calls["DescribeEndpoint"] = lambda given: before if next(late, None) is not None else describe(given)
    list(steps)
    assert next(late, None) is None
    assert subject.served(subject.slot()) == subject.release(subject.slot(), "v2.0.0")[0].id


@pytest.mark.parametrize(
    ("status", "told"),
    [("UpdateRollbackFailed", "instances of both serve"), ("OutOfService", "takes no requests"),
     ("Failed", "can only be deleted")],
)  # fmt: skip
def test_every_other_end_is_a_failure_from_which_the_way_back_leads(aws, subject, endpoint, status, told):
    old = deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.end(endpoint, status, "the reason that AWS gives")
    with pytest.raises(ReleaseFailedError, match=f"it is {status}: the reason that AWS gives") as failure:
        list(update(subject, "v2.0.0"))
    assert told in failure.value.hint
    seen = subject.deployer().observe(subject.slot())
    assert f"the endpoint is {status}: the reason that AWS gives" in seen.reasons
    list(subject.deployer().rollback(subject.slot()))
    assert_live(subject, subject.slot(), old)


def test_a_first_release_that_fails_is_made_anew_by_the_next_run(subject):
    release, bundle = subject.broken(subject.slot(), "v1.0.0")
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match=r"it is Failed: .*ping health check"):
        list(deployer.apply(deployer.plan(release, bundle)))
    assert any("ValueError: no such column" in line for line in deployer.diagnose(subject.slot()))
    assert deployer.observe(subject.slot()).health is Health.FAILING
    assert_live(subject, subject.slot(), deploy(subject, subject.slot(), "v2.0.0"))


def test_an_endpoint_is_updated_in_place_and_never_deleted(aws, subject):
    deploy(subject, subject.slot(), "v1.0.0")
    deploy(subject, subject.slot(), "v2.0.0")
    done = [call.operation for call in aws.sagemaker.calls if call.service == "sagemaker"]
    assert done.count("CreateEndpoint") == done.count("UpdateEndpoint") == 1
    assert "DeleteEndpoint" not in done
    (config,) = [call.given for call in aws.sagemaker.calls if call.operation == "UpdateEndpoint"]
    assert "DeploymentConfig" not in config, "AWS shifts all of the traffic at once where nothing else is asked for"


def test_progress_is_told_while_aws_is_at_work_and_a_silent_while_tells_nothing(aws, subject):
    aws.sagemaker.delay(6)
    steps = [step for step in update(subject, "v1.0.0") if step.name == "rollout"]
    assert steps[0].detail.startswith("Creating")
    assert steps[0].progress is not None
    assert steps[-1].progress is None
    assert steps[-1].detail.startswith("in service after")
    assert len(steps) < 6


def test_a_run_that_finds_the_endpoint_changing_waits_before_it_reads_the_registry(aws, subject, endpoint):
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.delay(4)
    steps = update(subject, "v2.0.0")
    while next(steps).name != "endpoint":
        pass
    steps.close()
    assert aws.sagemaker.state.peek("endpoint", endpoint).state.status == "Updating"
    with subject.deployer().lease(subject.slot()):
        assert aws.sagemaker.state.peek("endpoint", endpoint).state.status == "InService"
        assert subject.deployer().observe(subject.slot()).release.version == "v2.0.0"


def test_what_takes_longer_than_our_patience_is_left_to_aws_and_can_be_taken_up_again(aws, subject):
    aws.sagemaker.hold()
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(UnreachableError, match="it still is Creating after 7200 s") as failure:
        list(update(subject, "v1.0.0", sleep=sleep, monotonic=lambda: now[0]))
    assert "goes on from there" in failure.value.hint
    aws.sagemaker.advance(9)
    assert_live(subject, subject.slot(), deploy(subject, subject.slot(), "v1.0.0"))


def test_whoever_interrupts_the_watching_is_told_what_goes_on_without_us(aws, subject, endpoint):
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.delay(9)

    def interrupted(seconds):
        raise KeyboardInterrupt

    steps = update(subject, "v2.0.0", sleep=interrupted)
    with pytest.raises(KeyboardInterrupt, match=f"AWS goes on without us: endpoint {endpoint} is Updating towards"):
        list(steps)


def test_an_endpoint_of_that_name_that_is_not_ours_is_left_alone(aws, subject, endpoint):
    client = aws.client("sagemaker")
    variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_model(ModelName="theirs", ExecutionRoleArn=aws.role, PrimaryContainer={"Image": f"{aws.image}:1"})
    client.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName="theirs")
    deployer = subject.deployer(sleep=brief)
    with pytest.raises(RefusedError, match="it is not ours"):
        list(update(subject, "v1.0.0"))
    list(deployer.remove(subject.slot()))
    assert client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == "theirs"
