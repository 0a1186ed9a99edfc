"""InvokeEndpoint as the way to a server of ours: which request becomes which invocation, and what its answer says.

SageMaker hands on ``POST /invocations`` alone, and of headers the content type, Accept and
``X-Amzn-SageMaker-Custom-Attributes``. So a method, and the question whether the server is ready, travel in the
attributes, and the release comes back in them (docs/serving/sagemaker.md).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec.structs import replace

from deployers.base import Request, Response
from deployers.errors import UnreachableError
from deployers.sagemaker.refusals import AnswerError, NotFoundError
from deployers.sagemaker.wire import Amazon

READY_PATH = "/health/ready"
READY = Request(method="GET", path=READY_PATH, headers={})

ASK_READY = "tagboat-ask=ready"
"""The attribute by which the server tells how it fares, and asks the model nothing."""

RELEASE = re.compile(r"(?:\A|[,;\s])tagboat-release=([0-9a-f]{32})(?:\Z|[,;\s])", re.ASCII)

METHOD_NAME = re.compile(r"[A-Za-z0-9_]{1,100}", re.ASCII)


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go: an endpoint, and of it the variant or the inference component that is meant."""

    endpoint: str
    variant: str | None = None
    component: str | None = None

    def arguments(self) -> dict[str, Any]:
        """The members of InvokeEndpoint that say so."""
        named = {
            "EndpointName": self.endpoint, "TargetVariant": self.variant, "InferenceComponentName": self.component
        }  # fmt: skip
        return {member: value for member, value in named.items() if value is not None}


def call(amazon: Amazon, entrance: Entrance, request: Request, clock: Callable[[], float] = time.monotonic) -> Response:
    """Send a request to what serves; the release that answered is in ``x-tagboat-release``, as everywhere.

    Raises `UnreachableError` when nothing answers, which is so for every path that SageMaker does not hand on.
    """
    answer = invoke(amazon, entrance, request, attributes_for(request), clock)
    if answer.status == 200:
        return answer
    # A refusal of the server's comes back as an error of SageMaker's, without any header of the server's.
    named = invoke(amazon, entrance, READY, ASK_READY, clock).headers
    return replace(answer, headers={name: value for name, value in named.items() if name == "x-tagboat-release"})


def invoke(
    amazon: Amazon,
    entrance: Entrance,
    request: Request,
    attributes: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Response:
    """Send a request's body to any container; ``attributes``: custom attributes that go along."""
    began = clock()
    headers = {name.lower(): value for name, value in request.headers.items()}
    arguments: dict[str, Any] = {
        **entrance.arguments(),
        "Body": request.body or b"[]",
        "ContentType": headers.get("content-type", "application/json"),
        "Accept": headers.get("accept", "*/*"),
    }
    if attributes:
        arguments["CustomAttributes"] = attributes
    try:
        answer = amazon.call(amazon.runtime.invoke_endpoint, **arguments)
        body = answer["Body"].read()
    except AnswerError as error:
        if not error.status:
            raise UnreachableError(f"the container does not answer: {error.message}", where=error.where) from error
        return Response(status=error.status, headers={}, body=error.body.encode(), seconds=clock() - began)
    except NotFoundError as error:
        raise UnreachableError("no endpoint of ours is there", where=f"Endpoint {entrance.endpoint}") from error
    return Response(status=200, headers=_headers(answer), body=body, seconds=clock() - began)


def attributes_for(request: Request) -> str:
    """The custom attributes that make an invocation of a request. Raises `UnreachableError` where none does."""
    parts = urlsplit(request.path)
    if request.path == READY_PATH:
        return ASK_READY
    method = None
    if parts.path.startswith("/methods/"):
        method = parts.path.removeprefix("/methods/")
    elif parts.path == "/invocations":
        method = next(iter(parse_qs(parts.query).get("method", [])), None)
    else:
        raise UnreachableError(
            f"SageMaker hands nothing on to {parts.path}",
            where=f"{request.method} {request.path}",
            hint=f"Ask a method, or /invocations; {READY_PATH} is asked at every deployment.",
        )
    if method is not None and not METHOD_NAME.fullmatch(method):
        raise UnreachableError(f"{method[:100]!r} is no method's name", where=request.path)
    return f"method={method}" if method is not None else ""


def _headers(answer: Mapping[str, object]) -> dict[str, str]:
    attributes = str(answer.get("CustomAttributes") or "")
    found = RELEASE.search(attributes)
    said = {"content-type": str(answer.get("ContentType") or ""), "x-amzn-sagemaker-custom-attributes": attributes}
    return {**said, "x-tagboat-release": found[1]} if found else said
