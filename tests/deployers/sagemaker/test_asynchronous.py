"""An asynchronous endpoint is proved by what AWS has, and its smoke requests are asked through the bucket."""

import json

import pytest

from deployers.base import Health, Request
from tests.deployers.sagemaker.subjects import AwsSubject
from tests.fakes.sagemaker import Script

ROWS = Request(path="/methods/predict_proba", body=b'{"data": [[1]]}')


@pytest.fixture
def subject(aws, tmp_path):
    return AwsSubject(tmp_path, aws, {"asynchronous": {}})


def test_a_release_is_proved_by_configuration_and_its_answer_fetched(aws, subject):
    release, bundle = subject.release(subject.slot(), "v1.0.0")
    aws.sagemaker.answer_late(2)
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(release, bundle)))
    seen = deployer.observe(subject.slot())
    assert (seen.health, seen.release_id, seen.proved_by) == (Health.READY, release.id, "configuration")
    ready = deployer.call(subject.slot(), Request(method="GET", path="/health/ready", headers={}))
    assert (ready.status, ready.headers["x-tagboat-release"]) == (200, release.id)
    answer = deployer.call(subject.slot(), ROWS)
    assert (answer.status, answer.headers["x-tagboat-release"]) == (200, release.id)
    assert json.loads(answer.body)["predictions"] == [0]
    ((_, headers, body),) = aws.sagemaker.containers.asked
    assert body == ROWS.body
    assert headers["x-amzn-sagemaker-custom-attributes"] == "method=predict_proba", "it is our server that is asked"
    assert {key.split("/")[1] for key in subject.kept()} == {"records"}, "neither request nor answer is left lying"


def test_what_the_model_refuses_is_an_answer_that_is_none(aws, subject):
    release, bundle = subject.release(subject.slot(), "v1.0.0")
    aws.sagemaker.containers.scripts["models"] = Script(status=500)
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(release, bundle)))
    answer = deployer.call(subject.slot(), ROWS)
    assert answer.status == 500
    assert b"the model failed" in answer.body


def test_it_says_that_it_answers_later_and_takes_what_others_cannot(subject):
    deployer = subject.deployer()
    assert not deployer.capabilities.synchronous
    large = Request(path="/invocations", body=bytes(7_000_000), timeout=900.0)
    assert deployer.refusal(large) is None
