"""GitHub's own examples of events (npm `@octokit/webhooks-examples`): none of them surprises us."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from entrypoint.errors import UsageError
from entrypoint.github import changes
from entrypoint.github.events import Act, Nothing, decide
from entrypoint.request import Command
from tests.fakes.github import needed
from tests.github import payloads

ZERO = "0" * 40


@pytest.fixture(scope="session")
def examples() -> dict[str, list[dict[str, Any]]]:
    listed = json.loads(needed("@octokit/webhooks-examples", "api.github.com/index.json"))
    return {each["name"]: each["examples"] for each in listed}


def of(examples: dict[str, list[dict[str, Any]]], event: str) -> list[dict[str, Any]]:
    found = copy.deepcopy(examples[event])
    assert found
    return found


def test_every_event_that_github_knows_ends_in_a_decision_or_names_what_is_missing(
    examples: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    assert len(examples) > 40
    for event in examples:
        for payload in of(examples, event):
            environment = payloads.event(tmp_path, event, payload)
            if event.endswith("_dispatch"):
                with pytest.raises(UsageError, match="no tag was named"):
                    decide(environment)
                continue
            asked = decide(environment)
            assert asked.why
            # Of all of them only pull requests and runs that ended ask for something: no tag in them is a registry's.
            assert isinstance(asked, Nothing) or asked.command is Command.REPORT


@pytest.mark.parametrize("event", ["push", "create", "delete"])
def test_a_tag_of_ours_in_githubs_own_payload_is_acted_on(
    examples: dict[str, list[dict[str, Any]]], tmp_path: Path, event: str
) -> None:
    acted = 0
    for payload in of(examples, event):
        if payload["ref"] not in {"simple-tag", "refs/tags/simple-tag"}:
            assert isinstance(decide(payloads.event(tmp_path, event, payload)), Nothing)
            continue
        assert isinstance(decide(payloads.event(tmp_path, event, payload)), Nothing)
        payload["ref"] = payload["ref"].replace("simple-tag", "churn#prod#3")
        asked = decide(payloads.event(tmp_path, event, payload))
        assert isinstance(asked, Act)
        gone = event == "delete" or (event == "push" and payload["deleted"])
        assert (asked.ref, asked.tag_is_gone) == ("refs/tags/churn#prod#3", gone)
        acted += 1
    assert acted >= 4


def test_a_pushed_tags_own_payload_says_what_was_there_before(
    examples: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    created = next(
        each for each in of(examples, "push") if each["ref"].startswith("refs/tags/") and not each["deleted"]
    )
    created |= {"ref": "refs/tags/churn@v1.0.0", "before": payloads.COMMIT, "after": payloads.TAG_OBJECT,
                "created": False, "forced": True}  # fmt: skip
    assert "was moved" in decide(payloads.event(tmp_path, "push", created)).why
    created |= {"after": ZERO, "deleted": False}
    asked = decide(payloads.event(tmp_path, "push", created))
    assert isinstance(asked, Act)
    assert asked.tag_is_gone


def test_every_pull_request_of_githubs_is_read_and_closed_ones_get_no_report(
    examples: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    for payload in of(examples, "pull_request"):
        asked = changes.asked(payloads.event(tmp_path, "pull_request", payload))
        if payload["action"] == "closed":
            assert isinstance(asked, Nothing)
            continue
        assert isinstance(asked, changes.PullRequest)
        pull = payload["pull_request"]
        assert (asked.number, asked.head, asked.base_branch) == (
            payload["number"], pull["head"]["sha"], pull["base"]["ref"])  # fmt: skip
        assert asked.trusted is (pull["head"]["repo"]["full_name"] == pull["base"]["repo"]["full_name"])


def test_a_run_that_ended_is_read_and_only_a_pull_requests_good_one_counts(
    examples: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    for payload in of(examples, "workflow_run"):
        run = payload["workflow_run"]
        run["event"] = "push"
        assert isinstance(changes.asked(payloads.event(tmp_path, "workflow_run", payload)), Nothing)
        run |= {"event": "pull_request", "conclusion": "success"}
        asked = changes.asked(payloads.event(tmp_path, "workflow_run", payload))
        assert asked == changes.FinishedRun(head=run["head_sha"], repository=run["head_repository"]["full_name"])
