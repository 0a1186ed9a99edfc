"""What each event asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.errors import UnsafeContentError, UsageError
from entrypoint.github.events import PAYLOAD_LIMIT, Act, Nothing, decide
from entrypoint.request import Command
from tests.github import payloads


@pytest.mark.parametrize(
    "tag", ["churn#prod#3", "churn@v1.4.0", "nlp/bert@v2.0.0-rc.1", "models=m#dev!#2", "a@deprecated"]
)
def test_a_pushed_registry_tag_is_deployed(tmp_path: Path, tag: str) -> None:
    asked = decide(payloads.event(tmp_path, "push", payloads.push(f"refs/tags/{tag}")))
    assert isinstance(asked, Act)
    assert (asked.command, asked.ref, asked.tag_is_gone) == (Command.DEPLOY, f"refs/tags/{tag}", False)


def test_a_moved_tag_is_handed_on_and_called_moved(tmp_path: Path) -> None:
    moved = payloads.push("refs/tags/churn#prod#3", before=payloads.COMMIT, forced=True)
    asked = decide(payloads.event(tmp_path, "push", moved))
    assert isinstance(asked, Act)
    assert asked.ref == "refs/tags/churn#prod#3"
    assert "was moved" in asked.why


@pytest.mark.parametrize("tag", ["v1.0.0", "release-7", "churn#", "nightly", "m@v1.0", "m@1.0.0"])
def test_any_other_tag_ends_green_and_says_why(tmp_path: Path, tag: str) -> None:
    asked = decide(payloads.event(tmp_path, "push", payloads.push(f"refs/tags/{tag}")))
    assert isinstance(asked, Nothing)
    assert f"{tag} is not a registry tag" in asked.why


def test_a_push_to_a_branch_is_no_event(tmp_path: Path) -> None:
    asked = decide(payloads.event(tmp_path, "push", payloads.push("refs/heads/main")))
    assert isinstance(asked, Nothing)


def test_a_name_that_gto_reserves_is_no_event(tmp_path: Path) -> None:
    assert isinstance(decide(payloads.event(tmp_path, "push", payloads.push("refs/tags/churn@created"))), Nothing)


def test_a_created_tag_is_deployed_and_a_created_branch_is_not(tmp_path: Path) -> None:
    tag = decide(payloads.event(tmp_path, "create", payloads.create("churn#prod#3")))
    assert isinstance(tag, Act)
    assert tag.ref == "refs/tags/churn#prod#3"
    assert isinstance(decide(payloads.event(tmp_path, "create", payloads.create("churn#prod#3", "branch"))), Nothing)


def test_a_deleted_tag_comes_in_by_the_delete_event_as_well(tmp_path: Path) -> None:
    asked = decide(payloads.event(tmp_path, "delete", payloads.delete("churn#prod#3")))
    assert isinstance(asked, Act)
    assert asked.tag_is_gone
    assert isinstance(decide(payloads.event(tmp_path, "delete", payloads.delete("churn#prod#3", "branch"))), Nothing)


def test_a_person_names_a_tag_by_the_workflows_input(tmp_path: Path) -> None:
    asked = decide(payloads.event(tmp_path, "workflow_dispatch", payloads.workflow_dispatch({"ref": "churn#prod"})))
    assert isinstance(asked, Act)
    assert (asked.command, asked.ref) == (Command.DEPLOY, "churn#prod")


def test_a_workflow_started_on_a_tag_is_about_that_tag(tmp_path: Path) -> None:
    on_tag = payloads.workflow_dispatch(None, ref="refs/tags/churn#prod#3")
    asked = decide(payloads.event(tmp_path, "workflow_dispatch", on_tag))
    assert isinstance(asked, Act)
    assert asked.ref == "refs/tags/churn#prod#3"


@pytest.mark.parametrize("inputs", [None, {}, {"ref": ""}, {"ref": 7}, {"other": "churn#prod"}])
def test_a_person_who_names_nothing_is_told_how(tmp_path: Path, inputs: dict[str, object] | None) -> None:
    with pytest.raises(UsageError, match="no tag was named") as caught:
        decide(payloads.event(tmp_path, "workflow_dispatch", payloads.workflow_dispatch(inputs)))
    assert "command: reconcile" in (caught.value.hint or "")


def test_the_api_names_a_tag_in_its_client_payload(tmp_path: Path) -> None:
    sent = payloads.repository_dispatch({"ref": "churn#prod#3"})
    asked = decide(payloads.event(tmp_path, "repository_dispatch", sent))
    assert isinstance(asked, Act)
    assert asked.ref == "churn#prod#3"
    with pytest.raises(UsageError):
        decide(payloads.event(tmp_path, "repository_dispatch", payloads.repository_dispatch(None)))


def test_a_schedule_reconciles(tmp_path: Path) -> None:
    asked = decide(payloads.event(tmp_path, "schedule", payloads.schedule()))
    assert isinstance(asked, Act)
    assert (asked.command, asked.ref) == (Command.RECONCILE, None)


def comment(body: str, association: str = "MEMBER", action: str = "created") -> dict[str, object]:
    return {"action": action, "issue": {"number": 7}, "comment": {
        "id": 1, "body": body, "author_association": association, "user": {"login": "ann", "type": "User"}}}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "artifact", "stage"),
    [
        ("/promote", None, None),
        ("  /promote churn\r\nThanks!", "churn", None),
        ("/promote models/nlp:bert prod", "models/nlp:bert", "prod"),
        ("/promote churn to prod", "churn", "prod"),
        ("/promote to prod", None, "prod"),
    ],
)
def test_a_comment_asks_for_a_promotion(tmp_path: Path, body: str, artifact: str | None, stage: str | None) -> None:
    asked = decide(payloads.event(tmp_path, "issue_comment", comment(body)))
    assert isinstance(asked, Act)
    assert (asked.command, asked.artifact, asked.stage) == (Command.PROMOTE, artifact, stage)


@pytest.mark.parametrize(
    "payload",
    [
        comment("/promote churn prod", "NONE"),
        comment("/promote churn prod", "CONTRIBUTOR"),
        comment("/promote churn prod", action="edited"),
        comment("I would not /promote this"),
        comment("> /promote churn prod"),
        comment("/promoted"),
        comment(""),
    ],
)
def test_other_comments_and_other_peoples_ask_for_nothing(tmp_path: Path, payload: dict[str, object]) -> None:
    assert isinstance(decide(payloads.event(tmp_path, "issue_comment", payload)), Nothing)


@pytest.mark.parametrize(
    "body", ["/promote $(id)", "/promote churn --help", "/promote churn prod now", "/promote ../x"]
)
def test_a_comment_that_names_no_artifact_or_stage_says_how_to_write_it(tmp_path: Path, body: str) -> None:
    with pytest.raises(UsageError) as caught:
        decide(payloads.event(tmp_path, "issue_comment", comment(body)))
    assert "/promote churn prod" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "workflow_run"])
def test_P1_a_pull_request_gets_a_report_and_names_no_tag(tmp_path: Path, name: str) -> None:
    asked = decide(payloads.event(tmp_path, name, payloads.pull_request()))
    assert isinstance(asked, Act)
    assert (asked.command, asked.ref) == (Command.REPORT, None)


@pytest.mark.parametrize("name", ["pull_request_review", "issue_comment", "release"])
def test_other_events_end_green(tmp_path: Path, name: str) -> None:
    assert isinstance(decide(payloads.event(tmp_path, name, payloads.pull_request())), Nothing)


def test_no_event_at_all_points_at_the_command_line() -> None:
    with pytest.raises(UsageError) as caught:
        decide({})
    assert "tagboat deploy" in (caught.value.hint or "")


class TestHostilePayloads:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"not json",
            b"[]",
            b"null",
            b'"push"',
            b"{}",
            b'{"ref": 7}',
            b'{"ref": null, "after": ""}',
            b'{"ref": {"ref": "refs/tags/m@v1.0.0"}}',
            b'{"ref": "refs/tags/m@v1.0.0", "deleted": "no"}',
            b'{"ref": "refs/tags/\xff\xfe"}',
            b"[" * 100_000,
        ],
    )
    def test_what_is_not_a_payload_is_a_clear_error(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(UsageError, match="not what GitHub sends"):
            decide(payloads.event(tmp_path, "push", content))

    def test_too_large_is_a_clear_error(self, tmp_path: Path) -> None:
        event = payloads.event(tmp_path, "push", b"{}")
        with Path(event["GITHUB_EVENT_PATH"]).open("wb") as file:
            file.truncate(PAYLOAD_LIMIT + 1)
        with pytest.raises(UsageError, match="bytes"):
            decide(event)

    @pytest.mark.parametrize("path", ["", "/nonexistent/event.json", ".", "a\0b"])
    def test_no_file_is_a_clear_error(self, path: str) -> None:
        with pytest.raises(UsageError):
            decide({"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": path})

    def test_a_huge_name_is_not_repeated_in_full(self, tmp_path: Path) -> None:
        asked = decide(payloads.event(tmp_path, "push", payloads.push("refs/heads/" + "x" * 100_000)))
        assert len(asked.why) < 500


def test_a_dangerous_tag_is_refused_and_its_deletion_is_not(tmp_path: Path) -> None:
    ref = "refs/tags/../../etc=m@v1.0.0"
    with pytest.raises(UnsafeContentError):
        decide(payloads.event(tmp_path, "push", payloads.push(ref)))
    gone = payloads.push(ref, before=payloads.TAG_OBJECT, after=payloads.ZERO)
    assert isinstance(decide(payloads.event(tmp_path, "push", gone)), Nothing)
