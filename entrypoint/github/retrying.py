"""When a request to GitHub is sent again: PyGithub's own machinery, made safe for writes that may have happened.

PyGithub 2.10 sends a POST again after a 5xx and after a connection that broke, which makes a second comment where the
first one was written; it sends no PATCH again, though that is harmless; it waits for whatever ``Retry-After`` says; and
it knows a used-up limit by 403, though GitHub documents 429, too.
https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api

Imports PyGithub: import this module only where it is needed.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Final

from github import GithubRetry, RateLimitExceededException
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util import Retry

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})


class Retrying(GithubRetry):
    """PyGithub's machinery for one request; ``longest`` seconds are waited for a limit to end, not more.

    A POST is sent again where it certainly was not carried out: it was refused for a limit, or never got through.
    `GitHub.write_once` does the rest.
    """

    def __init__(self, *, longest: float = 120.0, max_rate_limit_wait: float | None = None, **more: Any) -> None:
        more.setdefault("allowed_methods", METHODS)
        more.setdefault("status_forcelist", [429, *range(500, 600)])
        super().__init__(max_rate_limit_wait=longest if max_rate_limit_wait is None else max_rate_limit_wait, **more)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """Whether an answer is worth asking again for."""
        if method == "POST" and status_code >= 500:
            return False
        return bool(super().is_retry(method, status_code, has_retry_after))

    def increment(  # type: ignore[override]  # as PyGithub itself does
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Retry:
        """Say how to go on after an answer or an error; raises where not at all."""
        if method == "POST" and isinstance(error, ProtocolError | ReadTimeoutError):
            raise error
        try:
            return self._following(method, url, response, error, _pool, _stacktrace)
        except Exception:
            if response is not None:
                response.close()  # urllib3 2.6 leaves the connection open where this raises
            raise

    def _following(
        self,
        method: str | None,
        url: str | None,
        response: BaseHTTPResponse | None,
        error: Exception | None,
        pool: ConnectionPool | None,
        stacktrace: TracebackType | None,
    ) -> Retry:
        wait = None if response is None else self._limit(response)
        if response is not None and wait is not None:
            if self.max_rate_limit_wait is not None and wait > self.max_rate_limit_wait:
                message = f"a rate limit is used up for {wait:.0f} s more"
                raise RateLimitExceededException(response.status, {"message": message}, dict(response.headers))
            if response.status == 429 and "Retry-After" not in response.headers:
                following = Retry.increment(self, method, url, response, error, pool, stacktrace)
                following.get_backoff_time = lambda: wait  # type: ignore[method-assign]
                return following
        assert response is None or isinstance(response, HTTPResponse)  # noqa: S101 - the only kind that urllib3 hands in
        return super().increment(method, url, response, error, pool, stacktrace)

    def _limit(self, response: BaseHTTPResponse) -> float | None:
        """Seconds until the limit ends that an answer tells of in its headers; None where it tells of none."""
        if response.status not in {403, 429}:
            return None
        after, reset = response.headers.get("Retry-After", ""), response.headers.get("X-RateLimit-Reset", "")
        if after.isdigit():
            return float(after)
        if response.headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
            return max(float(reset) - time.time(), 0.0) + 1.0
        return float(self.secondary_rate_wait) if response.status == 429 else None
