"""One HTTP request to a server of ours, over the slot's port or over a private socket."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from deployers.base import Request, Response
from deployers.errors import UnreachableError
from deployers.local.sockets import HOST, connected

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; a model that answers more to one smoke request would fill the runner's memory."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What answers on a slot's port. ``problem``: why there is no release to name, or why it is not ready."""

    release_id: str | None = None
    ready: bool = False
    problem: str | None = None


def call_port(port: int, request: Request) -> Response:
    """Send a request to the slot's port, as any client would. Raises `UnreachableError`."""
    return _send(
        lambda stack: stack.enter_context(socket.create_connection((HOST, port), timeout=request.timeout)),
        request,
        f"http://{HOST}:{port}{request.path}",
    )


def call_private(path: Path, request: Request) -> Response:
    """Send a request to a server that is not live yet. Raises `UnreachableError`."""
    return _send(
        lambda stack: stack.enter_context(connected(path, request.timeout)),
        request,
        f"{path.parent.name}{request.path}",
    )


def probe(port: int, *, timeout: float = 5.0) -> Probe:
    """Ask whatever listens on the port who it is."""
    try:
        response = call_port(port, Request(method="GET", path="/health/ready", headers={}, timeout=timeout))
    except UnreachableError as error:
        return Probe(problem=error.message)
    release_id = response.headers.get("x-tagboat-release")
    if release_id is None:
        return Probe(problem=f"port {port} is served by something that is no server of ours")
    if response.status == http.client.OK:
        return Probe(release_id=release_id, ready=True)
    return Probe(release_id=release_id, problem=f"the server says that it is not ready (status {response.status})")


def _send(connect: Callable[[ExitStack], socket.socket], request: Request, where: str) -> Response:
    began = time.monotonic()
    with ExitStack() as stack:
        connection = http.client.HTTPConnection(HOST, timeout=request.timeout)
        stack.callback(connection.close)
        try:
            connection.sock = connect(stack)
            # One connection a call: an open one would keep the server from draining.
            connection.request(
                request.method,
                request.path,
                body=request.body or None,
                headers={**request.headers, "connection": "close"},
            )
            answer = connection.getresponse()
            body = _read(answer, connection.sock, began + request.timeout)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"no answer: {reason}", where=where, hint="`tagboat status` says how the slot fares."
            ) from error
        return Response(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=body,
            seconds=time.monotonic() - began,
        )


def _read(answer: http.client.HTTPResponse, sock: socket.socket | None, deadline: float) -> bytes:
    """The whole body, within the time and size that one answer may have."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(1 << 20):
        size += len(part)
        parts.append(part)
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if size > LARGEST_ANSWER:
            raise http.client.HTTPException(f"the answer is larger than {LARGEST_ANSWER} bytes")
        if sock is not None:
            sock.settimeout(left)
    return b"".join(parts)
