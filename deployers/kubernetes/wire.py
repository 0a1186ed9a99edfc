"""One request to the API server: who we are, what is tried again, and what its refusals mean.

Reads and whatever is the same done twice are tried again when the server is busy, fails or breaks off.
"""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import urllib3

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = Any
Document = dict[str, JSON]

FIELD_MANAGER = "tagboat"

ATTEMPTS = 6
TIMEOUT = 60.0

BUSY = {429, 500, 502, 503, 504}


class ConflictError(TagboatError):
    """409: the object is there already, has changed meanwhile, or another field manager owns a field.

    ``contested``: in the last case each field, as ``.spec.replicas``, and its manager.
    """

    contested: frozenset[tuple[str, str]] = frozenset()


class GoneError(TagboatError):
    """410: the history that was to be watched is no longer kept."""


class NotFoundError(TagboatError):
    """404."""


class Wire:
    """Requests by one client. ``where``: the target, for errors; ``sleep`` is handed in, so that tests do not wait."""

    def __init__(self, client: ApiClient, *, where: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.client = client
        self.where = where
        self.sleep = sleep

    def object(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: JSON = None,
        *,
        content_type: str = "application/json",
        again: bool = False,
    ) -> Document:
        """Send a request and take the object that answers it. ``again``: doing it twice is doing it once.

        Raises `NotFoundError`, `ConflictError`, `GoneError`, `RefusedError`, `ConfigurationError`, `UnreachableError`.
        """
        encoded = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": content_type, "accept": "application/json"}
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS or not again
            try:
                answer = self.send(method, path, query, body=encoded, headers=headers)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if last:
                    raise UnreachableError(
                        f"the API server does not answer: {cause_of(error)}",
                        where=self.where,
                        hint="Check the target's address and the network, then run the same command again.",
                    ) from error
                self.sleep(_pause(attempt, None))
                continue
            if answer.status < 300:
                found: Document = json.loads(answer.data)
                return found
            if answer.status in BUSY and not last:
                self.sleep(_pause(attempt, answer.headers.get("retry-after")))
                continue
            self.refuse(answer.status, answer.data, method, path)
        raise AssertionError("every attempt returns or raises")

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One request, with the client's own credentials, which it renews where they expire."""
        sent = {"user-agent": FIELD_MANAGER, **(headers or {})}
        self.client.update_params_for_auth(sent, [], ["BearerToken"], path, method, None)
        url = self.client.configuration.host + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        answer: urllib3.BaseHTTPResponse = self.client.rest_client.pool_manager.request(
            method,
            url,
            body=body,
            headers=sent,
            timeout=urllib3.Timeout(connect=min(timeout, 15.0), read=timeout),
            retries=False,
            redirect=False,
            preload_content=not stream,
        )
        return answer

    def refuse(self, code: int, content: bytes, method: str, path: str) -> NoReturn:
        """Raise what an answer other than success means."""
        status = status_of(content) or {}
        message = str(status.get("message") or content[:300].decode(errors="replace"))
        where = f"{self.where}: {'/'.join(path.split('/')[-2:])}"
        if code == 404:
            if message.startswith("namespaces "):
                raise ConfigurationError(
                    message, where=self.where, hint="Create the namespace first: Tagboat makes and removes none."
                )
            raise NotFoundError(message, where=where)
        if code == 401:
            raise ConfigurationError(
                "the API server does not know us", where=self.where, hint="Check the target's `auth` and credentials."
            )
        if code == 403:
            raise RefusedError(message, where=where, hint="docs/kubernetes.md lists the rights that are needed.")
        if code == 409:
            conflict = ConflictError(message, where=where, hint=_conflict_hint(status))
            conflict.contested = _contested(status)
            raise conflict
        if code == 410:
            raise GoneError(message, where=where)
        if code in BUSY:
            raise UnreachableError(f"{message} (status {code})", where=where, hint="Run the same command again.")
        raise RefusedError(f"{method} was refused: {message}", where=where)


def status_of(content: bytes) -> Document | None:
    """The API server's own words, where an answer is its own."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("kind") == "Status" else None


def _contested(status: Document) -> frozenset[tuple[str, str]]:
    """Each field of a conflict and its manager, which the API server names in a sentence only."""
    causes: Sequence[Document] = (status.get("details") or {}).get("causes") or ()
    found = set()
    for cause in causes:
        if cause.get("reason") == "FieldManagerConflict":
            manager = re.match(r'conflict with "([^"]*)"', str(cause.get("message")))
            found.add((str(cause.get("field")), manager[1] if manager else ""))
    return frozenset(found)


def _conflict_hint(status: Document) -> str | None:
    causes: Sequence[Document] = (status.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "FieldManagerConflict" for cause in causes):
        return "Let that manager give the field up, or set `force-conflicts: true` on the target to take it over."
    return "Somebody else changes it; run the same command again."


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: what the server asks for, up to a minute, else ever more."""
    if retry_after is not None and retry_after.isdecimal():
        return float(min(60, int(retry_after)))
    return float(min(8.0, 0.25 * 2**attempt))


def cause_of(error: BaseException) -> str:
    """What broke, in a line."""
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split())[:300] or type(error).__name__


def lines_of(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The lines of a streamed answer as they come, without empty ones."""
    waiting = b""
    for chunk in answer.stream(amt=None, decode_content=True):
        *whole, waiting = (waiting + chunk).split(b"\n")
        yield from (line for line in whole if line)
