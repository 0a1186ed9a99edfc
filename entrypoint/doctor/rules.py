"""Who may tag: GitHub's rulesets for tags, which only its API tells, and only to a token.

https://docs.github.com/rest/repos/rules. Whoever can push a tag can put a model into a stage, and bring a workflow
along with the commit.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import Patient
from entrypoint.errors import UnreachableError
from entrypoint.registry.repository import Repository

TIMEOUT = 15
LIMIT = 5_000_000
SLUG = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
GITHUB = re.compile(r"(?:https://(?:[^/@]*@)?|ssh://git@|git@)github\.com[/:](?P<slug>[^/]+/[^/]+?)(?:\.git)?/?")
NEEDED = {
    "creation": "anybody who may push can create",
    "update": "a tag can be moved",
    "deletion": "a tag can be deleted",
}


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """Whether tags are protected."""
    slug = slug_of(patient.repository, patient.environment)
    if slug is None:
        yield Unchecked(
            check="tag-rules", reason="the remote is not on GitHub", mend="Protect tags by your host's means."
        )
        return
    token = patient.environment.get("GITHUB_TOKEN") or patient.environment.get("GH_TOKEN")
    if not token:
        yield Unchecked(
            check="tag-rules",
            reason="GitHub tells its rules for tags, environments and approvals only with a token",
            mend="GH_TOKEN=$(gh auth token) tagboat doctor",
        )
        return
    base = patient.environment.get("GITHUB_API_URL") or "https://api.github.com"
    address = f"{base}/repos/{slug}/rulesets"
    listed = patient.ask(f"{address}?targets=tag&includes_parents=true&per_page=100", token)
    active = [rule for rule in _mappings(listed) if rule.get("target") == "tag" and rule.get("enforcement") == "active"]
    mend = f"Repository settings, Rules, New tag ruleset: restrict creations, updates and deletions (https://github.com/{slug}/settings/rules)."
    if not active:
        yield Finding(
            severity=Severity.WARNING,
            check="tag-rules",
            where=slug,
            message="no ruleset protects tags: anybody who may push can deploy by a tag, and bring a workflow along",
            mend=mend,
        )
        return
    kinds: set[str] = set()
    for ruleset in active:
        if isinstance(number := ruleset.get("id"), int):
            detail = patient.ask(f"{address}/{number}", token)
            kinds |= {
                str(rule.get("type")) for rule in _mappings(detail.get("rules") if isinstance(detail, dict) else None)
            }
    for kind, danger in NEEDED.items():
        if kind not in kinds:
            message = f"the rulesets for tags restrict no {kind}: {danger}"
            yield Finding(severity=Severity.WARNING, check="tag-rules", where=slug, message=message, mend=mend)


def ask_github(address: str, token: str) -> Any:
    """The JSON answer of GitHub's API; redirects are not followed, so that the token goes nowhere else."""
    if not address.startswith("https://"):
        raise UnreachableError("the API's address is not https", where="GITHUB_API_URL")
    request = urllib.request.Request(  # noqa: S310 - https alone, checked above
        address,
        headers={
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            "user-agent": "tagboat",
        },
    )
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return json.loads(response.read(LIMIT))
    except urllib.error.HTTPError as error:
        with error:
            reason = f"GitHub answered {error.code} to the question for its rules"
        raise UnreachableError(reason, hint="The token needs to read the repository's metadata.") from None
    except (OSError, ValueError) as error:
        raise UnreachableError(f"GitHub did not answer: {type(error).__name__}") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """None: the redirect itself is the answer."""


def slug_of(repository: Repository, environment: Mapping[str, str]) -> str | None:
    """``owner/name`` on GitHub, or None."""
    named = environment.get("GITHUB_REPOSITORY", "")
    if SLUG.fullmatch(named):
        return named
    match = GITHUB.fullmatch(repository.remote_url or "")
    return match["slug"] if match and SLUG.fullmatch(match["slug"]) else None


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
