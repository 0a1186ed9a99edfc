"""The proof that a release is what is served: the answer names it, and says what the smoke requests expect."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from deployers.base import Health, Observation, Request, Response
from deployers.errors import ConfigurationError, ReleaseFailedError, UnreachableError
from entrypoint.configuration.serving_settings import Approximate, Expect, Smoke

RELEASE_HEADER = "x-tagboat-release"
"""The header by which the server names its release in every answer."""

Call = Callable[[Request], Response]
"""Sends a request to the release under test, and raises `UnreachableError` where nothing answers."""


class VerificationError(ReleaseFailedError):
    """The release runs, but is not what it should be."""


def verify(call: Call, release_id: str, smoke: Sequence[Smoke], read_input: Callable[[str], bytes]) -> None:
    """Ask for readiness, then every smoke request; each answer must come from the release.

    ``read_input`` gives the content of an ``input-file``. Raises `VerificationError` with every request that failed,
    not only the first, since a person mends them together.
    """
    readiness = Smoke(path="/health/ready")
    failures = list(filter(None, [_ask(call, release_id, _request(readiness, read_input), readiness)]))
    if not failures:
        for number, one in enumerate(smoke, start=1):
            request = _request(one, read_input)
            if reason := _ask(call, release_id, request, one):
                failures.append(f"smoke request {number} ({request.method} {request.path}): {reason}")
    if failures:
        raise VerificationError("; ".join(failures))


def check_requests(
    refusal: Callable[[Request], str | None], smoke: Sequence[Smoke], read_input: Callable[[str], bytes]
) -> None:
    """Refuse smoke requests that the target could never hand to a server, before anything else is done.

    Raises `ConfigurationError` with all of them.
    """
    refused = []
    for number, one in enumerate(smoke, start=1):
        request = _request(one, read_input)
        if reason := refusal(request):
            refused.append(f"smoke request {number} ({request.method} {request.path}): {reason}")
    if refused:
        raise ConfigurationError(
            "; ".join(refused), where="smoke", hint="Change it in tagboat.yaml, for this target's stage if not for all."
        )


def await_release(
    observe: Callable[[], Observation],
    release_id: str,
    *,
    timeout: float,
    pause: Callable[[float], None] = time.sleep,
) -> Observation:
    """Look at the slot until it serves the release; ``timeout`` in seconds.

    Raises `VerificationError` with what is served instead.
    """
    deadline = time.monotonic() + timeout
    delay = 0.05
    while True:
        observed = observe()
        if observed.release_id == release_id and observed.health is Health.READY:
            return observed
        if time.monotonic() >= deadline:
            served = f"release {observed.release_id}" if observed.release_id else "nothing of ours"
            reasons = "".join(f"; {reason}" for reason in observed.reasons)
            raise VerificationError(
                f"{timeout:g} s after the switch the slot serves {served} ({observed.health.value}), "
                f"not release {release_id}{reasons}",
                where=str(observed.slot),
            )
        pause(delay)
        delay = min(delay * 2, 1.0)


def _request(smoke: Smoke, read_input: Callable[[str], bytes]) -> Request:
    if smoke.input_file is not None:
        body = read_input(smoke.input_file)
    elif smoke.input is not UNSET:
        body = msgspec.json.encode(smoke.input)
    else:
        body = b""
    return Request(
        method="GET" if smoke.path is not None and not body else "POST",
        path=smoke.path or f"/methods/{smoke.method}",
        body=body,
        headers={"content-type": smoke.content_type} if body else {},
        timeout=smoke.timeout,
    )


def _ask(call: Call, release_id: str, request: Request, smoke: Smoke) -> str | None:
    """What is wrong with the answer, or None."""
    expect = smoke.expect
    try:
        response = call(request)
    except UnreachableError as error:
        return f"no answer: {error.message}"
    if response.status != expect.status:
        return f"status {response.status} instead of {expect.status}: {_excerpt(response.body)}"
    served = response.headers.get(RELEASE_HEADER)
    if served != release_id:
        return f"answered by release {served or 'unknown'} instead of {release_id}"
    return _mismatch(response.body, expect, of_a_method=smoke.path is None)


def _mismatch(body: bytes, expect: Expect, *, of_a_method: bool) -> str | None:
    """What a method answers is what the model returned; the rest of the envelope names the release, and changes."""
    if expect.equal is UNSET and expect.approximate is UNSET and expect.schema is UNSET:
        return None
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return f"the answer is no JSON: {_excerpt(body)}"
    if of_a_method and isinstance(answer, dict) and "predictions" in answer:
        answer = answer["predictions"]
    if expect.equal is not UNSET and not _same(answer, expect.equal):
        return f"answered {_excerpt(body)} instead of {_excerpt(msgspec.json.encode(expect.equal))}"
    if isinstance(expect.approximate, Approximate) and not near(answer, expect.approximate.value, expect.approximate):
        wanted = msgspec.json.encode(expect.approximate.value)
        return f"answered {_excerpt(body)}, which is not near {_excerpt(wanted)}"
    return None if expect.schema is UNSET else _against_schema(answer, expect.schema)


def _against_schema(answer: Any, schema: Any) -> str | None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(msgspec.to_builtins(schema))
    error = jsonschema.exceptions.best_match(validator.iter_errors(answer))
    return None if error is None else f"the answer at {error.json_path}: {error.message[:300]}"


def _same(answer: Any, expected: Any) -> bool:
    """Equality as JSON knows it: 1 and 1.0 are one number, true is none."""
    if isinstance(answer, bool) or isinstance(expected, bool):
        return answer is expected
    return _alike(answer, expected, _same, lambda one, other: one == other)


def near(answer: Any, expected: Any, within: Approximate) -> bool:
    """The same shape, and every number within the tolerances (numpy.isclose)."""
    if isinstance(answer, bool) or isinstance(expected, bool):
        return answer is expected

    def close(one: Any, other: Any) -> bool:
        if not isinstance(one, int | float) or not isinstance(other, int | float):
            return bool(one == other)
        return math.isfinite(one) and abs(one - other) <= within.atol + within.rtol * abs(other)

    return _alike(answer, expected, lambda one, other: near(one, other, within), close)


def _alike(answer: Any, expected: Any, inner: Callable[[Any, Any], bool], leaf: Callable[[Any, Any], bool]) -> bool:
    if isinstance(answer, dict) and isinstance(expected, dict):
        return answer.keys() == expected.keys() and all(inner(answer[key], expected[key]) for key in expected)
    if isinstance(answer, list) and isinstance(expected, list | tuple):
        return len(answer) == len(expected) and all(map(inner, answer, expected))
    return leaf(answer, expected)


def _excerpt(body: bytes, length: int = 300) -> str:
    text = body.decode(errors="replace")
    return text if len(text) <= length else f"{text[:length]}… ({len(body)} bytes)"
