"""What SageMaker hands on to a container at all: how large a request may be, how long it may take, and where it ends.

A request that breaks these limits fails in ways that say little (``ValidationError: Request … has oversize body``), and
one for another path can't even be sent. So they are looked at before the call, and before anything is deployed.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html (6,291,456 bytes,
60 seconds), https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html (4 MB, 60 seconds),
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html (1 GB, an hour).
"""

from __future__ import annotations

import enum

import msgspec

from deployers.base import Request


class EndpointKind(enum.StrEnum):
    """How an endpoint runs its containers."""

    REAL_TIME = "real-time"
    SERVERLESS = "serverless"
    ASYNCHRONOUS = "asynchronous"


class Limits(msgspec.Struct, frozen=True):
    """``bytes``: of a request's body; ``seconds``: until it must be answered."""

    bytes: int
    seconds: float


LIMITS = {
    EndpointKind.REAL_TIME: Limits(6_291_456, 60.0),
    EndpointKind.SERVERLESS: Limits(4 * 1024 * 1024, 60.0),
    EndpointKind.ASYNCHRONOUS: Limits(1_000_000_000, 3600.0),
}

READY = "/health/ready"
"""Asked of every target before its smoke requests; here it is the endpoint's own state that answers."""

INVOCATIONS = "/invocations"
METHODS = "/methods/"


def refusal(request: Request, kind: EndpointKind, *, ours: bool = True) -> str | None:
    """Why a request can't be sent to an endpoint of this kind, or None; ``ours``: the container is our server."""
    if request.path == READY and request.method == "GET":
        return None
    path, _, query = request.path.partition("?")
    if not (path == INVOCATIONS or (ours and path.startswith(METHODS))) or (query and not _is_method(query, ours=ours)):
        also = " (and `method:`, which reaches it too)" if ours else ""
        return f"SageMaker hands requests on to {INVOCATIONS} alone{also}, never to {request.path}"
    if request.method != "POST":
        return f"SageMaker sends POST alone, never {request.method}"
    limits = LIMITS[kind]
    size = len(request.body)
    if size > limits.bytes:
        other = "an asynchronous endpoint takes 1 GB"
        if kind is EndpointKind.SERVERLESS:
            other = f"a real-time endpoint takes {LIMITS[EndpointKind.REAL_TIME].bytes:,}, " + other
        hint = f"; send fewer rows or a smaller format such as application/x-npy ({other})"
        return f"its body has {size:,} bytes, and {kind.value} endpoints take {limits.bytes:,}{hint}"
    if request.timeout > limits.seconds:
        return (
            f"its timeout is {request.timeout:g} s, and {kind.value} endpoints end a request after {limits.seconds:g} s"
        )
    return None


def _is_method(query: str, *, ours: bool) -> bool:
    """Whether a query is one that our server takes by its custom attributes too."""
    return ours and query.startswith("method=") and "&" not in query
