"""``tagboat promote`` and what is held, as a person meets them: stages that go to no target need no target here."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context
from tests.repositories import START, GitRepository, environment

CONFIGURATION = """\
stages: {dev: {}, staging: {}, prod: {}}
promotion:
  staging: {from: dev, gates: [accuracy >= 0.9], automatic: true}
  prod: {from: staging, gates: [accuracy >= 0.95]}
"""


@dataclass
class Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """churn v1.0.0 (accuracy 0.93) is in dev; a remote that is a bare repository beside it."""
    folder = tmp_path_factory.mktemp("prepared")
    git = GitRepository.make(folder / "work")
    git.commit({
        "tagboat.yaml": CONFIGURATION, "metrics.json": '{"accuracy": 0.93}', "model.txt": "x",
        "dvc.yaml": "artifacts: {churn: {path: model.txt}}\nmetrics: [metrics.json]\n",
    })  # fmt: skip
    git.register("churn", "v1.0.0")
    git.assign("churn", "dev")
    GitRepository.make(folder / "origin.git", bare=True)
    git.git("remote", "add", "origin", "../origin.git")
    git.git("push", "--quiet", "origin", "main", "--tags")
    return git


@pytest.fixture
def clone(prepared: GitRepository, tmp_path: Path) -> GitRepository:
    shutil.copytree(prepared.path.parent, tmp_path / "world")
    return GitRepository(tmp_path / "world" / "work", prepared.time, dict(prepared.counters))


@pytest.fixture
def tagboat(clone: GitRepository, tmp_path: Path) -> Callable[..., Answer]:
    variables = environment(XDG_STATE_HOME=str(tmp_path / "state"), XDG_CACHE_HOME=str(tmp_path / "cache"))

    def call(*arguments: str) -> Answer:
        stdout, stderr = io.StringIO(), io.StringIO()
        context = Context(clone.path, variables, clock=lambda: START + 1000.0, stdout=stdout, stderr=stderr)
        return Answer(run(context, arguments), stdout.getvalue(), stderr.getvalue())

    return call


def pushed(clone: GitRepository) -> list[str]:
    return clone.git("ls-remote", "--tags", "--refs", "origin").split("refs/tags/")[1:]


def test_promote_tries_every_rule_in_the_order_in_which_a_version_goes(tagboat, clone):
    answer = tagboat("promote", "--json")
    assert answer.code == 0, answer.stderr
    first, second = answer.document["promotions"]
    assert (first["to"], first["status"], first["tag"], first["created"]) == (
        "staging",
        "promoted",
        "churn#staging#2",
        True,
    )
    assert first["gates"][0]["outcome"] == "pass"
    assert first["gates"][1]["figures"] == {"accuracy": 0.93}
    assert (second["to"], second["status"]) == ("prod", "blocked")
    assert any("churn#staging#2" in line for line in pushed(clone))
    assert answer.document["event"]["event"] == "promotion"


def test_what_was_asked_for_by_name_and_not_made_ends_with_3(tagboat):
    assert tagboat("promote", "churn", "--to", "staging").code == 0
    refused = tagboat("promote", "churn", "--to", "prod")
    assert refused.code == 3
    assert "accuracy >= 0.95" in refused.stdout
    assert "fail" in refused.stdout
    assert "accuracy = 0.93" in refused.stdout
    assert tagboat("promote", "churn", "--from", "dev").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote", "chrun"), "Did you mean 'churn'?"),
        (("promote", "churn", "--to", "qa"), "dev → staging, staging → prod"),
        (("promote", "churn", "--from", "dev", "--to", "prod"), "no rule promotes that"),
    ],
)
def test_a_promotion_that_nobody_has_a_rule_for_is_an_error(tagboat, arguments, says):
    answer = tagboat(*arguments, "--json")
    assert answer.code == 2
    assert says in json.dumps(answer.document, ensure_ascii=False)


def test_without_rules_the_error_shows_how_to_write_one(tagboat, clone):
    (clone.path / "tagboat.yaml").write_text("stages: {dev: {}}\n")
    answer = tagboat("promote")
    assert answer.code == 2
    assert "there are no rules to promote by" in answer.stderr


def test_a_dry_run_shows_the_gates_and_writes_nothing(tagboat, clone):
    before = pushed(clone)
    answer = tagboat("promote", "churn", "--to", "staging", "--dry-run", "--json")
    assert answer.code == 0
    assert answer.document["promotions"][0]["status"] == "ready"
    assert pushed(clone) == before
    assert len(clone.git("tag", "--list").split()) == len(before)


def test_deploy_goes_on_with_what_is_automatic_unless_it_is_told_not_to(tagboat):
    plain = tagboat("deploy", "churn#dev", "--no-promote", "--json")
    assert plain.document["promotions"] == []
    answer = tagboat("deploy", "churn#dev", "--json")
    assert [(one["to"], one["status"]) for one in answer.document["promotions"]] == [("staging", "promoted")]


def test_reconcile_goes_on_with_what_is_automatic_and_a_plan_with_nothing(tagboat):
    assert tagboat("plan", "churn#dev", "--json").document["promotions"] == []
    assert tagboat("reconcile", "--dry-run", "--json").document["promotions"] == []
    assert tagboat("reconcile", "--no-promote", "--json").document["promotions"] == []
    answer = tagboat("reconcile", "--json")
    assert [(one["to"], one["status"]) for one in answer.document["promotions"]] == [("staging", "promoted")]


def test_a_hold_is_seen_in_show_and_lifted_by_release_hold(tagboat, clone):
    tagboat("promote")
    clone.git("tag", "-a", "-m", "out", "churn#staging!#3", "churn@v1.0.0^{commit}", time=START + 2000)
    clone.git("push", "--quiet", "origin", "refs/tags/churn#staging!#3")
    shown = tagboat("show", "--json").document["holds"]
    assert [(hold["artifact"], hold["version"], hold["stage"], hold["taken_out_by"]) for hold in shown] == [
        ("churn", "v1.0.0", "staging", "churn#staging!#3")
    ]
    told = tagboat("show").stderr
    assert "churn is not promoted into staging: v1.0.0 was in staging" in told
    assert "tagboat release-hold churn#staging" in told
    assert tagboat("promote", "churn", "--to", "staging").code == 3
    lifted = tagboat("release-hold", "churn#staging", "--json")
    assert lifted.code == 0, lifted.stderr
    assert "tagboat/lifted/churn+staging+v1.0.0/1" in lifted.document["note"]
    assert tagboat("show", "--json").document["holds"] == []
    assert tagboat("promote", "churn", "--to", "staging").code == 0
    assert "tagboat/lifted/churn+staging+v1.0.0/1" in "".join(pushed(clone))


def test_a_wrong_tagboat_yaml_hides_holds_with_a_warning_and_nothing_else(tagboat, clone):
    (clone.path / "tagboat.yaml").write_text("promotion: {prod: {from: prod}}\n")
    answer = tagboat("show", "--json")
    assert answer.code == 0
    assert answer.document["artifacts"][0]["name"] == "churn"
    assert "held is not shown" in answer.stderr
