"""Events as GitHub delivers them to a runner: the fields that matter, and enough of the others to be lifelike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ZERO = "0" * 40
COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"
TAG_OBJECT = "89e6c98d92887913cadf06b2adb97f26cde4849b"

REPOSITORY = {
    "id": 728461,
    "node_id": "R_kgDOACscrQ",
    "name": "models",
    "full_name": "octo-org/models",
    "private": True,
    "owner": {"login": "octo-org", "id": 4711, "type": "Organization", "site_admin": False},
    "html_url": "https://github.com/octo-org/models",
    "fork": False,
    "url": "https://api.github.com/repos/octo-org/models",
    "default_branch": "main",
    "visibility": "private",
    "topics": ["mlops"],
}
SENDER = {"login": "octocat", "id": 583231, "type": "User", "site_admin": False}


def push(ref: str, *, before: str = ZERO, after: str = TAG_OBJECT, forced: bool = False) -> dict[str, Any]:
    deleted = after == ZERO
    commit = {
        "id": COMMIT,
        "tree_id": "b1b30e7b8d7d1d0f1a7bd7d2e1c9b4c9a3d0a2f1",
        "distinct": True,
        "message": "Train on June's data",
        "timestamp": "2025-06-30T10:11:12+02:00",
        "author": {"name": "Mona", "email": "mona@example.com"},
        "added": [],
        "removed": [],
        "modified": ["dvc.lock", "metrics.json"],
    }
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": REPOSITORY,
        "pusher": {"name": "octocat", "email": "octocat@example.com"},
        "sender": SENDER,
        "created": before == ZERO,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None if deleted else "refs/heads/main",
        "compare": "https://github.com/octo-org/models/compare/churn%23prod%233",
        "commits": [],
        "head_commit": None if deleted else commit,
    }


def create(ref: str, ref_type: str = "tag") -> dict[str, Any]:
    return {
        "ref": ref,
        "ref_type": ref_type,
        "master_branch": "main",
        "description": None,
        "pusher_type": "user",
        "repository": REPOSITORY,
        "sender": SENDER,
    }


def delete(ref: str, ref_type: str = "tag") -> dict[str, Any]:
    return {"ref": ref, "ref_type": ref_type, "pusher_type": "user", "repository": REPOSITORY, "sender": SENDER}


def workflow_dispatch(inputs: dict[str, Any] | None = None, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "inputs": inputs,
        "ref": ref,
        "workflow": ".github/workflows/tagboat.yml",
        "repository": REPOSITORY,
        "sender": SENDER,
    }


def repository_dispatch(client_payload: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "action": "tagboat",
        "branch": "main",
        "client_payload": client_payload,
        "repository": REPOSITORY,
        "sender": SENDER,
    }


def schedule() -> dict[str, Any]:
    return {"schedule": "*/30 * * * *", "repository": REPOSITORY, "workflow": ".github/workflows/reconcile.yml"}


def pull_request(
    *,
    head: str = COMMIT,
    base: str = TAG_OBJECT,
    number: int = 7,
    source: str = "octo-org/models",
    action: str = "opened",
) -> dict[str, Any]:
    """A pull request of ``head`` into main; from a fork where ``source`` is another repository."""
    return {
        "action": action,
        "number": number,
        "pull_request": {
            "number": number,
            "state": "open",
            "title": "@team ${{ secrets.X }}",
            "head": {"ref": "churn#prod#3", "sha": head, "repo": {**REPOSITORY, "full_name": source}},
            "base": {"ref": "main", "sha": base, "repo": REPOSITORY},
            "merge_commit_sha": None,
        },
        "repository": REPOSITORY,
        "sender": SENDER,
    }


def workflow_run(
    *, head: str = COMMIT, source: str = "mallory/models", event: str = "pull_request", conclusion: str = "success"
) -> dict[str, Any]:
    """A workflow's run has ended."""
    run = {
        "id": 4710,
        "name": "Tagboat, report",
        "event": event,
        "status": "completed",
        "conclusion": conclusion,
        "head_sha": head,
        "head_branch": "change",
        "head_repository": {**REPOSITORY, "full_name": source, "fork": True},
        "pull_requests": [],  # GitHub lists none for a fork's
    }
    return {"action": "completed", "workflow_run": run, "repository": REPOSITORY, "sender": SENDER}


def event(folder: Path, name: str, payload: Any) -> dict[str, str]:
    """The variables that the runner sets for an event; its payload is written to ``folder``."""
    path = folder / "event.json"
    path.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}
