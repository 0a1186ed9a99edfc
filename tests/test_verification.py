"""The proof of a release: who answered, and what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from deployers.base import Health, Observation, Request, Response, Slot
from deployers.errors import ConfigurationError, UnreachableError
from entrypoint.configuration.serving_settings import Approximate, Expect, Smoke
from entrypoint.verification import VerificationError, await_release, check_requests, verify

RELEASE = "0123456789abcdef0123456789abcdef"
SLOT = Slot("iris", "dev", "here")


def server(answer: Any = None, *, status: int = 200, release: str | None = RELEASE, ready: int = 200):
    """A server that gives one answer to everything but readiness, and keeps what it was asked."""
    asked: list[Request] = []

    def call(request: Request) -> Response:
        asked.append(request)
        headers = {} if release is None else {"x-tagboat-release": release}
        if request.path == "/health/ready":
            return Response(status=ready, headers=headers, body=b"{}", seconds=0.0)
        return Response(status=status, headers=headers, body=json.dumps(answer).encode(), seconds=0.0)

    call.asked = asked
    return call


def no_file(path: str) -> bytes:
    raise AssertionError(path)


def check(call, *smoke: Smoke) -> None:
    verify(call, RELEASE, smoke, no_file)


def test_a_release_that_answers_as_expected_passes():
    check(server(["setosa"]), Smoke(input={"data": [[1]]}, expect=Expect(equal=["setosa"])))


def test_readiness_is_asked_of_a_model_without_smoke_requests():
    call = server()
    check(call)
    assert [request.path for request in call.asked] == ["/health/ready"]


def test_what_a_method_answers_is_compared_without_its_envelope():
    call = server({"predictions": ["setosa"], "release": RELEASE})
    check(call, Smoke(input=0, expect=Expect(equal=["setosa"])))
    check(call, Smoke(path="/predict", input=0, expect=Expect(equal={"predictions": ["setosa"], "release": RELEASE})))
    with pytest.raises(VerificationError, match="instead of"):
        check(call, Smoke(input=0, expect=Expect(equal={"predictions": ["setosa"], "release": RELEASE})))


def test_an_answer_of_another_release_is_no_proof():
    with pytest.raises(VerificationError, match="answered by release other"):
        check(server(release="other"))


def test_an_answer_that_names_no_release_is_no_proof():
    with pytest.raises(VerificationError, match="answered by release unknown"):
        check(server(release=None))


def test_a_server_that_is_not_ready_is_asked_nothing_else():
    call = server(ready=503)
    with pytest.raises(VerificationError, match="status 503 instead of 200"):
        check(call, Smoke(input={}))
    assert len(call.asked) == 1


def test_every_failing_request_is_named():
    one, two = Smoke(input=1, expect=Expect(equal=1)), Smoke(method="predict_proba", input=2, expect=Expect(equal=2))
    with pytest.raises(
        VerificationError, match=r"(?s)smoke request 1 \(POST /methods/predict\).*2 \(POST /methods/predict_proba\)"
    ):
        check(server(["no"]), one, two)


def test_no_answer_is_a_failed_release_and_not_an_unreachable_target():
    def call(request: Request) -> Response:
        raise UnreachableError("connection refused")

    with pytest.raises(VerificationError, match="no answer: connection refused"):
        check(call)


def test_a_path_without_input_is_a_get():
    call = server({})
    check(call, Smoke(path="/openapi.json"))
    assert (call.asked[1].method, call.asked[1].path, call.asked[1].body) == ("GET", "/openapi.json", b"")


def test_an_input_file_is_sent_as_it_is():
    call = server([1])
    verify(call, RELEASE, [Smoke(input_file="rows.csv", content_type="text/csv")], {"rows.csv": b"1,2\n"}.__getitem__)
    assert call.asked[1].body == b"1,2\n"
    assert call.asked[1].headers == {"content-type": "text/csv"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [([1], [1.0]), ({"a": [True, None]}, {"a": [True, None]}), ("x", "x"), ([], []), (None, None)],
)
def test_equal_means_equal_as_json(answer, expected):
    check(server(answer), Smoke(input=0, expect=Expect(equal=expected)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [([1], [True]), ([0], [False]), ([1, 2], [1]), ({"a": 1}, {"a": 1, "b": None}), ("1", 1), (None, 0), ([[]], [])],
)
def test_what_is_not_equal_as_json_fails(answer, expected):
    with pytest.raises(VerificationError, match="instead of"):
        check(server(answer), Smoke(input=0, expect=Expect(equal=expected)))


def test_approximate_numbers_pass_within_the_tolerance_and_fail_outside():
    expect = Expect(approximate=Approximate(value={"p": [0.5, 100]}, rtol=0.01, atol=0))
    check(server({"p": [0.504, 99.1]}), Smoke(input=0, expect=expect))
    with pytest.raises(VerificationError, match="not near"):
        check(server({"p": [0.506, 100]}), Smoke(input=0, expect=expect))


@pytest.mark.parametrize("answer", [{"p": [0.5]}, {"p": ["0.5", 100]}, {"p": [None, 100]}, {"p": [True, 100]}, [0.5]])
def test_approximate_still_means_the_same_shape_and_types(answer):
    expect = Expect(approximate=Approximate(value={"p": [0.5, 100]}, rtol=1, atol=1))
    with pytest.raises(VerificationError, match="not near"):
        check(server(answer), Smoke(input=0, expect=expect))


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(0, 1e-3))
def test_a_number_is_always_near_itself(number, tolerance):
    expect = Expect(approximate=Approximate(value=[number], rtol=tolerance, atol=0))
    check(server([number]), Smoke(input=0, expect=expect))


def test_a_schema_says_where_the_answer_departs_from_it():
    schema = {"type": "array", "items": {"enum": ["setosa", "virginica"]}}
    check(server(["setosa"]), Smoke(input=0, expect=Expect(schema=schema)))
    with pytest.raises(VerificationError, match=r"at \$\[1\]"):
        check(server(["setosa", "rose"]), Smoke(input=0, expect=Expect(schema=schema)))


def test_an_expected_refusal_is_a_pass():
    check(server({"error": {}}, status=422), Smoke(input="x", expect=Expect(status=422)))


def test_an_answer_that_is_no_json_is_shown_in_part():
    def call(request: Request) -> Response:
        return Response(status=200, headers={"x-tagboat-release": RELEASE}, body=b"<html>" * 100, seconds=0.0)

    with pytest.raises(VerificationError, match=r"no JSON: <html>.*600 bytes"):
        check(call, Smoke(input=0, expect=Expect(equal=1)))


def test_waiting_ends_when_the_release_is_served():
    seen = iter(
        [
            Observation(slot=SLOT),
            Observation(slot=SLOT, release_id=RELEASE, health=Health.STARTING),
            Observation(slot=SLOT, release_id=RELEASE, health=Health.READY),
        ]
    )
    observed = await_release(lambda: next(seen), RELEASE, timeout=60, pause=lambda _: None)
    assert observed.health is Health.READY


def test_waiting_in_vain_says_what_is_served_instead():
    other = Observation(slot=SLOT, release_id="f" * 32, health=Health.READY, reasons=("old one still there",))
    with pytest.raises(VerificationError, match=rf"serves release {'f' * 32} \(ready\).*old one still there"):
        await_release(lambda: other, RELEASE, timeout=0, pause=lambda _: None)


def test_unset_stays_apart_from_null():
    assert Expect().equal is UNSET
    with pytest.raises(VerificationError):
        check(server([1]), Smoke(input=0, expect=Expect(equal=None)))


def test_requests_that_a_target_could_never_hand_on_are_refused_all_at_once_before_anything_is_asked():
    smoke = [Smoke(input=0), Smoke(path="/v2/models"), Smoke(path="/other", input="x" * 90)]

    def refusal(request: Request) -> str | None:
        return None if request.path == "/methods/predict" else f"no way to {request.path}, {len(request.body)} bytes"

    with pytest.raises(ConfigurationError) as refused:
        check_requests(refusal, smoke, no_file)
    assert "smoke request 2 (GET /v2/models): no way to /v2/models, 0 bytes" in refused.value.message
    assert "smoke request 3 (POST /other): no way to /other, 92 bytes" in refused.value.message
    check_requests(refusal, smoke[:1], no_file)
