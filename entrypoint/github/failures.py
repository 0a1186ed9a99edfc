"""What GitHub's refusals mean for a person: which permission is missing, what is not there, when to try again.

GitHubError (exit 1)        an answer that is none of the others; ``status``
├── NothingThereError       404: not there, or not to be seen with this token
NotAllowedError (exit 3)    403: the token may not; ``permission``
UnreachableError (exit 4)   5xx, no connection, a rate limit that ends too late to wait for
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from entrypoint.errors import RefusedError, TagboatError, UnreachableError, UsageError
from entrypoint.report.escaping import plain, shortened


class GitHubError(TagboatError):
    """GitHub did not do what it was asked. ``status`` is HTTP's."""

    status = 0


class NothingThereError(GitHubError):
    """There is nothing under this name, or the token may not see it: GitHub answers both with 404."""


class NotAllowedError(RefusedError):
    """The token may not. ``permission``: what a workflow writes under ``permissions:``, where GitHub tells it."""

    permission: str | None = None


def translated(what: str, error: Exception) -> TagboatError | None:
    """The error for a person, where ``error`` comes from GitHub or the way there. ``what`` completes "could not …"."""
    from github import GithubException, RateLimitExceededException
    from requests import RequestException

    where = "GitHub's API"
    if isinstance(error, RequestException):
        return UnreachableError(f"could not {what}: {_line(error)}", where=where, hint="Run it again.")
    if not isinstance(error, GithubException):
        return None
    message = said_by(error)
    if isinstance(error, RateLimitExceededException) or error.status == 429:
        hint = "Requests are limited by the hour and by the minute; run it again later."
        return UnreachableError(f"could not {what}: {message}", where=where, hint=hint)
    if error.status >= 500 or error.status == 408:
        return UnreachableError(f"could not {what}: {error.status} {message}", where=where, hint="Run it again.")
    if error.status == 401:
        return UsageError(f"could not {what}: the token is not accepted ({message})", where="input 'token'",
                          hint="A workflow's own token ends with its job; another one may have expired.")  # fmt: skip
    if error.status == 403:
        refused = NotAllowedError(f"could not {what}: {message}", where=where, hint=_hint(error.headers or {}))
        refused.permission = permission(error.headers or {})
        return refused
    kind = NothingThereError if error.status == 404 else GitHubError
    failed = kind(f"could not {what}: {error.status} {message}", where=where)
    failed.status = error.status
    return failed


def uncertain(error: Exception) -> bool:
    """Whether a write that ended so may have happened all the same."""
    from github import GithubException
    from requests import RequestException

    return isinstance(error, RequestException) or (isinstance(error, GithubException) and error.status >= 500)


def permission(headers: Mapping[str, Any]) -> str | None:
    """The permission that would do, of those that GitHub names; as a workflow writes it: ``deployments: write``."""
    listed = next((value for name, value in headers.items() if name.lower() == "x-accepted-github-permissions"), "")
    first = re.fullmatch(r"\s*([a-z_]+)=(read|write|admin)\s*", str(listed).split(";")[-1].split(",")[0])
    return f"{first[1].replace('_', '-')}: {first[2]}" if first else None


def said_by(error: Exception) -> str:
    """GitHub's own words, with its details, on one line."""
    document = getattr(error, "data", None)
    if not isinstance(document, Mapping):
        return _line(document or error)
    details = [each.get("message") or each.get("code") if isinstance(each, Mapping) else each
               for each in document.get("errors") or ()]  # fmt: skip
    return _line("; ".join(str(part) for part in (document.get("message") or "no reason given", *details) if part))


def _hint(headers: Mapping[str, Any]) -> str:
    needed = permission(headers)
    if needed is None:
        return "Look at the job's `permissions:`, and at what the repository allows workflows."
    return f"Give the job `permissions: {{{needed}}}`, or the token that right."


def _line(text: object) -> str:
    return shortened(" ".join(plain(text, lines=True).split()), 500)
