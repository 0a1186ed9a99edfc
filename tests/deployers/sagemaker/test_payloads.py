"""A request that SageMaker would not hand on is refused before it is sent, with what to do instead."""

import pytest

from deployers.base import Request, Slot
from deployers.errors import UnreachableError
from deployers.sagemaker.payloads import LIMITS, EndpointKind, refusal

KINDS = list(EndpointKind)


def request(size=0, path="/invocations", **more):
    return Request(path=path, body=bytes(size), **more)


@pytest.mark.parametrize("kind", [EndpointKind.REAL_TIME, EndpointKind.SERVERLESS])
def test_a_body_may_have_exactly_so_many_bytes(kind):
    limit = LIMITS[kind].bytes
    assert refusal(request(limit), kind) is None
    said = refusal(request(limit + 1), kind)
    assert said is not None
    assert f"{limit + 1:,} bytes" in said
    assert "asynchronous" in said


def test_whoever_asks_what_could_not_be_asked_is_told_before_anything_is_sent(aws, subject_with):
    deployer = subject_with(serverless={}).deployer()
    with pytest.raises(UnreachableError, match="5,000,000 bytes, and serverless endpoints take 4,194,304"):
        deployer.call(Slot("churn", "prod", "cloud"), request(5_000_000))
    assert aws.sagemaker.calls == []


def test_what_is_too_large_for_a_serverless_endpoint_may_do_for_another():
    large = request(5_000_000)
    assert "a real-time endpoint takes 6,291,456" in (refusal(large, EndpointKind.SERVERLESS) or "")
    assert refusal(large, EndpointKind.REAL_TIME) is None


def test_an_answer_has_a_minute_but_an_hour_where_it_is_fetched_later():
    patient = request(timeout=90.0)
    assert "60 s" in (refusal(patient, EndpointKind.REAL_TIME) or "")
    assert "60 s" in (refusal(patient, EndpointKind.SERVERLESS) or "")
    assert refusal(patient, EndpointKind.ASYNCHRONOUS) is None
    assert "3600 s" in (refusal(request(timeout=3601.0), EndpointKind.ASYNCHRONOUS) or "")


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_ends_at_invocations_can_be_asked(kind):
    assert refusal(request(path="/methods/predict"), kind) is None
    assert refusal(request(path="/invocations?method=predict_proba"), kind) is None
    assert refusal(request(path="/health/ready", method="GET"), kind) is None
    for path in ("/v2/models/iris/infer", "/invocations?other=1", "/ping"):
        assert "/invocations alone" in (refusal(request(path=path), kind) or "")
    assert "POST alone" in (refusal(request(method="GET"), kind) or "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_that_is_not_our_server_has_no_methods(kind):
    for path in ("/methods/predict", "/invocations?method=predict"):
        assert refusal(request(path=path), kind, ours=False) is not None
    assert refusal(request(), kind, ours=False) is None
