"""A whole run tells of its end, also of one that came to no verdict, and never fails for want of a listener."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.errors import TagboatError
from entrypoint.report.verdict import Status
from entrypoint.request import Command, Request
from entrypoint.run import run
from tests.notifications.conftest import Receiver
from tests.repositories import GitRepository, environment

CONFIGURATION = """\
targets: {here: {deployer: local}}
stages: {dev: {targets: [here]}}
notifications:
  - {url: "${env:HOOK}", kind: webhook, on: [failed], allow-private: true}
"""


@pytest.fixture
def asked(tmp_path: Path, receiver: Receiver):
    repository = GitRepository.make(tmp_path / "work")
    repository.commit({"tagboat.yaml": CONFIGURATION})
    repository.register("churn", "v1.0.0")
    repository.assign("churn", "dev")

    def ask(ref: str | None, command: Command = Command.DEPLOY, hook: str = "", **more):
        folders = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        told = environment(HOOK=hook or receiver.url(), **folders) | {"GITHUB_REPOSITORY": "octo-org/models"}
        return run(Request(command=command, directory=repository.path, environment=told, ref=ref,
                           run_url="https://github.com/octo-org/models/actions/runs/1", **more))  # fmt: skip

    return ask


def test_a_failed_slot_is_told_once_with_its_run(asked, receiver):
    assert asked("churn#dev").status is Status.FAILED
    (got,) = receiver.got
    (outcome,) = got.json["outcomes"]
    assert (outcome["artifact"], outcome["stage"], outcome["target"]) == ("churn", "dev", "here")
    assert got.json["run"] == "https://github.com/octo-org/models/actions/runs/1"
    assert got.json["repository"] == "octo-org/models"


def test_a_run_that_comes_to_no_verdict_is_told_too(asked, receiver):
    with pytest.raises(TagboatError):
        asked("nothing@v1.0.0")
    (outcome,) = receiver.got[0].json["outcomes"]
    assert (outcome["outcome"], outcome["tag"]) == ("failed", "nothing@v1.0.0")


def test_a_plan_tells_nobody(asked, receiver):
    asked("churn#dev", Command.PLAN)
    asked("churn#dev", dry_run=True)
    assert receiver.got == []


def test_that_nobody_listens_is_a_warning_and_changes_no_exit_code(asked, receiver):
    without = asked("churn#dev")
    receiver.got.clear()
    deaf = asked("churn#dev", hook="ftp://127.0.0.1/s3cret-path")
    receiver.answer(410)
    gone = asked("churn#dev")
    assert deaf.exit_code == gone.exit_code == without.exit_code
    assert [warning for warning in gone.warnings if "notifications[0]: it was answered with status 410" in warning]
    assert [warning for warning in deaf.warnings if warning.startswith("nobody was told: notifications[0]")]
    assert "s3cret" not in str(deaf.to_document())
