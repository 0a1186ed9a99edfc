"""InvokeEndpointAsync as the way to a server: the request goes into the bucket, and its answer is waited for there.

An answer has no headers and no status: an object at the place that was promised is a success, one at the place for
failures is the container's refusal. Both, and the request, are removed when they were read, since they are ours.
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-invoke-endpoint.html
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from deployers.base import Request, Response
from deployers.errors import TagboatError, UnreachableError
from deployers.sagemaker.bucket import Bucket
from deployers.sagemaker.refusals import NotFoundError
from deployers.sagemaker.wire import Amazon

REQUESTS = "requests/"
"""Where requests of ours lie below the target's prefix while they are answered."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two looks for the answer."""

SHORTEST, LONGEST = 1, 3600
"""Seconds that SageMaker lets a container take for an asynchronous answer."""


def call(
    bucket: Bucket,
    endpoint: str,
    request: Request,
    attributes: str = "",
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Response:
    """Ask an asynchronous endpoint and wait for its answer, for the request's timeout.

    ``attributes``: custom attributes that go along. Raises `UnreachableError` where no answer comes in time.
    """
    began = clock()
    headers = {name.lower(): value for name, value in request.headers.items()}
    arguments: dict[str, Any] = {
        "EndpointName": endpoint,
        "ContentType": headers.get("content-type", "application/json"),
        "Accept": headers.get("accept", "*/*"),
        "InvocationTimeoutSeconds": round(min(max(request.timeout, SHORTEST), LONGEST)),
    }
    if attributes:
        arguments["CustomAttributes"] = attributes
    with _laid_down(bucket, request.body or b"[]") as place:
        try:
            promised = bucket.amazon.call(bucket.amazon.runtime.invoke_endpoint_async, InputLocation=place, **arguments)
        except NotFoundError as error:
            raise UnreachableError("no endpoint of ours is there", where=f"Endpoint {endpoint}") from error
        places = [(200, promised["OutputLocation"]), (500, promised.get("FailureLocation"))]
        pause = FIRST_PAUSE
        while True:
            for status, found in places:
                body = _taken(bucket.amazon, found) if found else None
                if body is not None:
                    return Response(status=status, headers={}, body=body, seconds=clock() - began)
            if clock() - began > request.timeout:
                raise UnreachableError(
                    f"no answer came within {request.timeout:g} s",
                    where=f"Endpoint {endpoint}",
                    hint="Where the container refuses requests, only `asynchronous.failures` shows its answers; "
                    "its log says more.",
                )
            sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)


@contextlib.contextmanager
def _laid_down(bucket: Bucket, body: bytes) -> Iterator[str]:
    """Put a request where SageMaker reads it, and take it away in the end."""
    key = f"{REQUESTS}{uuid.uuid4().hex}"
    bucket.overwrite(key, body)
    try:
        yield bucket.address(key)
    finally:
        with contextlib.suppress(TagboatError):
            bucket.delete(key)


def _taken(amazon: Amazon, address: str) -> bytes | None:
    """What lies at an address of S3, taken away; None where nothing does."""
    where = urlsplit(address)
    place: dict[str, Any] = {"Bucket": where.netloc, "Key": where.path.lstrip("/")}
    try:
        body: bytes = amazon.call(amazon.s3.get_object, **place)["Body"].read()
    except NotFoundError:
        return None
    amazon.call(amazon.s3.delete_object, **place)
    return body
