"""What goes wrong between us and AWS costs no release, and nothing is done twice."""

import msgspec
import pytest

from deployers.base import Action, TagRecord
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import ConfigurationError, RefusedError, UnreachableError
from deployers.sagemaker import names
from deployers.sagemaker.documents import plain
from deployers.sagemaker.records import Records, Reference

WRITES = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")


@pytest.fixture
def subject(subject_with):
    return subject_with()


@pytest.mark.parametrize("fault", ["throttled", "500 after the write", "cut after the write", "503"])
def test_a_write_that_fails_for_a_moment_is_done_once(aws, subject, fault):
    for operation in (*WRITES, "s3:PutObject"):
        if fault == "throttled":
            aws.sagemaker.throttle(operation, times=2)
        elif fault == "cut after the write":
            aws.sagemaker.cut(operation, after_write=True)
        else:
            aws.sagemaker.fail(operation, status=503 if fault == "503" else 500, after_write=fault != "503")
    assert_live(subject, subject.slot(), deploy(subject, subject.slot(), "v1.0.0"))
    kinds = sorted(kind for kind, _ in aws.sagemaker.state.objects)
    assert kinds == ["endpoint", "endpoint-config", "model"]


@pytest.mark.parametrize("after_write", [True, False])
def test_an_update_whose_answer_is_lost_is_no_second_update(aws, subject, after_write):
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.fail("UpdateEndpoint", after_write=after_write)
    release = deploy(subject, subject.slot(), "v2.0.0")
    assert_live(subject, subject.slot(), release)


def test_what_was_just_made_may_be_seen_late(aws, subject):
    for kind in ("model", "endpoint-config", "endpoint"):
        aws.sagemaker.unseen(kind, 3)
    assert_live(subject, subject.slot(), deploy(subject, subject.slot(), "v1.0.0"))


def test_an_object_of_the_same_name_and_other_content_is_not_taken_over(aws, subject):
    release, bundle = subject.release(subject.slot(), "v1.0.0")
    deployer = subject.deployer()
    plan = deployer.plan(release, bundle)
    name = plan.changes[1].object.removeprefix("Model ")
    aws.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=aws.role, PrimaryContainer={"Image": f"{aws.image}:theirs"}
    )
    with pytest.raises(RefusedError, match="it is not ours"):
        list(deployer.apply(plan))


def test_what_iam_does_not_allow_is_named(aws, subject):
    aws.sagemaker.deny("sagemaker:CreateModel")
    with pytest.raises(ConfigurationError, match="sagemaker:CreateModel"):
        deploy(subject, subject.slot(), "v1.0.0")


def test_an_aws_that_is_gone_is_told_apart_from_a_refusal(aws, subject):
    aws.sagemaker.fail("s3:GetObject", status=503, times=50)
    with pytest.raises(UnreachableError) as failure:
        subject.deployer().observe(subject.slot())
    assert failure.value.exit_code == 4


def test_an_endpoint_brought_elsewhere_by_hand_is_noticed_and_brought_back(aws, subject):
    old = deploy(subject, subject.slot(), "v1.0.0")
    new = deploy(subject, subject.slot(), "v2.0.0")
    record = Records(subject.deployer().bucket, subject.slot())
    stored = record.release(old.id)
    endpoint = names.slot_name(subject.slot())
    aws.client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=stored.made.config)
    aws.sagemaker.advance(9)
    seen = subject.deployer().observe(subject.slot())
    assert seen.release_id == old.id
    assert seen.unfinished
    assert any("by somebody else" in reason for reason in seen.reasons)
    deployer = subject.deployer()
    plan = deployer.plan(*subject.release(subject.slot(), "v2.0.0"))
    assert [change.object for change in plan.changes if change.action is Action.UPDATE] == [f"Endpoint {endpoint}"]
    list(deployer.apply(plan))
    assert_live(subject, subject.slot(), new)


def test_a_container_that_names_another_release_is_not_ours(aws, subject):
    from tests.fakes.sagemaker import Script

    aws.sagemaker.containers.scripts["models"] = Script(release="f" * 32)
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(*subject.release(subject.slot(), "v1.0.0"))))
    seen = deployer.observe(subject.slot())
    assert seen.release_id is None
    assert f"release {'f' * 32} answers, which is none of this slot's" in seen.reasons


def test_of_the_verified_releases_the_last_ones_are_kept_and_older_objects_swept(aws, subject_with):
    subject = subject_with(keep=2)
    for number in range(1, 5):
        deploy(subject, subject.slot(), f"v{number}.0.0")
    seen = subject.deployer().observe(subject.slot())
    assert [each.release.version for each in seen.verified] == ["v4.0.0", "v3.0.0"]
    kinds = sorted(kind for kind, _ in aws.sagemaker.state.objects)
    assert kinds == ["endpoint", "endpoint-config", "endpoint-config", "model", "model"]
    stored = [key for key in subject.kept() if "/releases/" in key]
    assert len(stored) == 2


def test_a_config_in_use_is_never_swept(aws, subject_with):
    """The record has been lost of what serves, by whatever means: the config stays with the endpoint."""
    subject = subject_with()
    deploy(subject, subject.slot(), "v1.0.0")
    records = Records(subject.deployer().bucket, subject.slot())
    records.update(lambda before: msgspec.structs.replace(before, live=None, config=None, verified=()))
    used = [name for kind, name in aws.sagemaker.state.objects if kind == "endpoint-config"]
    release, bundle = subject.broken(subject.slot(), "v2.0.0")
    deployer = subject.deployer()
    with pytest.raises(Exception, match="ping health check"):
        list(deployer.apply(deployer.plan(release, bundle)))
    deployer.mark_verified(subject.slot(), release)  # sweeps
    assert set(used) <= {name for kind, name in aws.sagemaker.state.objects if kind == "endpoint-config"}
    assert subject.served(subject.slot()) is not None


def test_two_that_write_the_record_at_once_lose_nothing(subject):
    """Compare and swap: whoever comes second reads again, and changes what he finds then."""
    deploy(subject, subject.slot(), "v1.0.0")
    one, other = (Records(subject.deployer().bucket, subject.slot()) for _ in range(2))
    tag = TagRecord(name="model#prod#9", object_id="9" * 40, time=9)
    done = []

    def late(before):
        if not done:
            done.append(other.update(lambda found: msgspec.structs.replace(found, tag=tag)))
        return msgspec.structs.replace(before, inventory=(*before.inventory, Reference("model", "x")))

    one.update(late)
    found = one.read()
    assert found.tag == tag
    assert Reference("model", "x") in found.inventory


def test_nothing_of_the_connection_reaches_a_template(subject):
    shown = plain(subject.settings())
    assert not {"region", "profile", "endpoint_url", "login"} & set(shown)
    assert "endpoint_url" not in str(shown)


def test_a_bucket_that_is_not_there_is_named_and_not_taken_for_an_empty_one(subject):
    subject.written["bucket"] = "nowhere-to-be-found"
    with pytest.raises(ConfigurationError, match="nowhere-to-be-found: The specified bucket does not exist"):
        subject.deployer().observe(subject.slot())
    with pytest.raises(ConfigurationError, match="bucket does not exist"), subject.deployer().lease(subject.slot()):
        pass
