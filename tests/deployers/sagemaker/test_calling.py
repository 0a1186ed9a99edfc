"""A request becomes an invocation where SageMaker hands it on, and its answer tells who gave it."""

import pytest

from deployers.base import Request, Revision
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import UnreachableError
from deployers.sagemaker import names
from tests.fakes.sagemaker import Script


@pytest.fixture
def subject(subject_with):
    return subject_with()


@pytest.mark.parametrize(
    ("request_", "attributes"),
    [
        (Request(method="GET", path="/health/ready", headers={}), "tagboat-ask=ready"),
        (Request(path="/methods/predict_proba", body=b"[[1]]"), "method=predict_proba"),
        (Request(path="/invocations?method=decide", body=b"[[1]]"), "method=decide"),
        (Request(path="/invocations", body=b"1,2\n", headers={"Content-Type": "text/csv", "Accept": "text/csv"}), None),
    ],
)
def test_every_request_reaches_the_server_as_an_invocation(aws, subject, request_, attributes):
    release = deploy(subject, subject.slot(), "v1.0.0")
    answer = subject.deployer().call(subject.slot(), request_)
    assert (answer.status, answer.headers["x-tagboat-release"]) == (200, release.id)
    _, headers, body = aws.sagemaker.containers.asked[-1]
    assert headers.get("x-amzn-sagemaker-custom-attributes") == attributes
    assert headers["content-type"] == request_.headers.get("Content-Type", "application/json")
    assert body == (request_.body or b"[]")


def test_a_refusal_of_the_server_keeps_its_status_and_words_and_is_still_known_to_be_ours(aws, subject):
    release = deploy(subject, subject.slot(), "v1.0.0")
    answers = iter([422, 200])
    ask = aws.sagemaker.containers.answer

    def refusing(container, headers, body):
        answer = ask(container, headers, body)
        return answer._replace(status=next(answers), body=b'{"error":{"message":"expected a number"}}')

    aws.sagemaker.containers.answer = refusing
    answer = subject.deployer().call(subject.slot(), Request(path="/methods/predict", body=b"[[null]]"))
    assert answer.status == 422
    assert b"expected a number" in answer.body
    assert answer.headers["x-tagboat-release"] == release.id


@pytest.mark.parametrize("path", ["/metrics", "/methods/a;b", "/invocations?method=a%0Ab"])
def test_what_sagemaker_hands_on_to_nobody_is_not_sent(aws, subject, path):
    deploy(subject, subject.slot(), "v1.0.0")
    before = len(aws.sagemaker.containers.asked)
    with pytest.raises(UnreachableError):
        subject.deployer().call(subject.slot(), Request(path=path))
    assert len(aws.sagemaker.containers.asked) == before


def test_there_is_never_a_candidate_since_sagemaker_shifts_the_traffic_itself(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    with pytest.raises(UnreachableError, match="no candidate"):
        subject.deployer().call(subject.slot(), Request(), Revision.CANDIDATE)


def test_a_container_that_takes_too_long_is_no_answer(aws, subject):
    deploy(subject, subject.slot(), "v1.0.0")
    aws.sagemaker.containers.scripts["models"] = Script(late=True)
    with pytest.raises(UnreachableError, match="timed out"):
        subject.deployer().call(subject.slot(), Request())


def test_an_endpoint_renamed_in_the_settings_takes_over_and_the_old_one_goes_then(aws, subject):
    old = deploy(subject, subject.slot(), "v1.0.0")
    subject.written["endpoint-name"] = "churn"
    deployer = subject.deployer()
    release, bundle = subject.release(subject.slot(), "v2.0.0")
    plan = deployer.plan(release, bundle)
    assert "Endpoint churn" in [change.object for change in plan.changes]
    for step in deployer.apply(plan):
        if step.name == "endpoint":
            assert subject.served(subject.slot()) == old.id
    deployer.mark_verified(subject.slot(), release)
    assert [name for kind, name in aws.sagemaker.state.objects if kind == "endpoint"] == ["churn"]
    assert subject.deployer().observe(subject.slot()).release_id == release.id
    list(subject.deployer().rollback(subject.slot(), deployer.observe(subject.slot()).verified[1]))
    assert [name for kind, name in aws.sagemaker.state.objects if kind == "endpoint"] == [
        names.slot_name(subject.slot())
    ]
    assert_live(subject, subject.slot(), old)


def test_a_slot_that_was_only_held_is_removed_and_nothing_is_asked_of_an_endpoint(subject):
    from deployers.base import Hold

    deployer = subject.deployer()
    deployer.hold(subject.slot(), Hold(reason="not yet", by="somebody", at=1.0))
    list(deployer.remove(subject.slot()))
    assert list(deployer.slots()) == []
