"""The audit: every tag's author, time, gates and run; what targets remember; and tables that carry no formulas."""

from __future__ import annotations

import csv
import io
import json

import pytest

from deployers.base import FailedRelease, Health, Hold, Observation, Release, Slot, TagRecord, VerifiedRelease
from entrypoint.audit import Entry, entries, of_tags, of_targets
from entrypoint.cli import run
from entrypoint.commands.audit import cell, moment_of, write_csv
from entrypoint.commands.context import Context
from entrypoint.configuration.report_settings import Environment
from entrypoint.errors import TagboatError
from entrypoint.github.client import GitHub as Client
from entrypoint.github.deployments import Account, open_deployment
from entrypoint.registry.state import read
from entrypoint.registry.trailers import trailers, with_trailers
from entrypoint.request import Command, Request
from entrypoint.survey import SlotStatus
from entrypoint.workspace import Workspace
from tests.fakes.github import GitHub
from tests.fakes.github.fixtures import client, connected, description, github
from tests.registry.conftest import Tagboat, opened
from tests.repositories import START, GitRepository, environment

__all__ = ["client", "connected", "description", "github"]

RUN = "https://github.com/octo-org/models/actions/runs/4711"
SLOT = Slot(artifact="churn", stage="prod", target="eu")


@pytest.fixture
def churn(clone: GitRepository) -> GitRepository:
    clone.register("churn", "v1.0.0")
    clone.assign("churn", "dev")
    message = with_trailers("Promote", [("Run", RUN), ("Gate", "soak: pass (26 h)"), ("Gate", "f1 >= 0.9: pass")])
    clone.tag("churn#prod#2", message=message)
    clone.register("fraud", "v3.0.0")
    return clone


def test_who_put_what_where_by_which_gates_from_which_run(tagboat: Tagboat, churn: GitRepository) -> None:
    document = tagboat("audit", "--json").document
    assert [(one["event"], one["artifact"], one["stage"]) for one in document["entries"]] == [
        ("registration", "fraud", None),
        ("assignment", "churn", "prod"),
        ("assignment", "churn", "dev"),
        ("registration", "churn", None),
    ]
    assert document["entries"][1] == {
        "timestamp": "2023-11-14T22:13:24Z", "event": "assignment", "artifact": "churn", "version": "v1.0.0",
        "stage": "prod", "target": None, "by": "Tagger", "email": "tagger@example.com", "tag": "churn#prod#2",
        "signed": False, "commit": churn.head, "gates": ["soak: pass (26 h)", "f1 >= 0.9: pass"], "run": RUN,
        "detail": "Promote", "source": "tag",
    }  # fmt: skip


def test_a_tag_that_a_run_writes_by_itself_names_the_run(churn: GitRepository) -> None:
    churn.commit({"tagboat.yaml": "targets: {}\n"})
    workspace = Workspace.open(Request(command=Command.ROLLBACK, directory=churn.path, environment=environment(),
                                       run_url=RUN, clock=lambda: float(churn.time + 60)))  # fmt: skip
    written = workspace.assign(workspace.read_registry(), "churn", "v1.0.0", "qa")
    workspace.unassign(written.registry, "churn", "qa")
    found = [(one.event, one.run, one.detail) for one in entries(of_tags(read(opened(churn))), stage="qa")]
    assert found == [
        ("unassignment", RUN, "Unassigning stage 'qa' to artifact 'churn'"),
        ("assignment", RUN, "Assigning stage qa to artifact churn version v1.0.0"),
    ]


def test_an_artifact_a_stage_and_a_time_narrow_it_down(tagboat: Tagboat, churn: GitRepository) -> None:
    def found(*arguments: str) -> list[str]:
        return [one["tag"] for one in tagboat("audit", "--json", *arguments).document["entries"]]

    assert found("fraud") == ["fraud@v3.0.0"]
    assert found("--stage", "prod") == ["churn#prod#2"]
    assert found("churn", "--since", "2023-11-14T22:13:23Z") == ["churn#prod#2", "churn#dev#1"]
    assert tagboat("audit", "nothing").code == 2
    assert tagboat("audit", "--since", "yesterday").code == 2


def test_a_person_gets_a_table_and_a_program_lines(tagboat: Tagboat, churn: GitRepository) -> None:
    shown = tagboat("audit").stdout
    assert "soak: pass (26 h)" in shown
    assert "4711" in shown
    rows = list(csv.DictReader(io.StringIO(tagboat("audit", "--format", "csv").stdout)))
    assert [row["tag"] for row in rows] == ["fraud@v3.0.0", "churn#prod#2", "churn#dev#1", "churn@v1.0.0"]
    assert rows[1]["gates"] == "soak: pass (26 h); f1 >= 0.9: pass"
    assert list(rows[0]) == list(tagboat("audit", "--format", "json").document["entries"][0])


def test_what_targets_remember_stands_beside_it() -> None:
    release = Release(slot=SLOT, version="v1.0.0", commit="c" * 40, bundle_digest="",
                      tag=TagRecord("churn#prod#2", "d" * 40, START))  # fmt: skip
    observed = Observation(
        slot=SLOT,
        health=Health.READY,
        verified=[VerifiedRelease(release=release, release_id=release.id, at=START + 60)],
        failed=[FailedRelease(release=release, release_id=release.id, reason="it does not start", at=START + 90)],
        held=Hold(reason="look into it", by="ann", at=START + 120),
    )
    seen = [SlotStatus(slot=SLOT, wanted=None, observed=observed), SlotStatus(slot=SLOT, wanted=None, observed=None)]
    found = [(one.event, one.target, one.by, one.tag, one.detail) for one in entries(of_targets(seen))]
    assert found == [
        ("held", "eu", "ann", None, "look into it"),
        ("failed", "eu", None, "churn#prod#2", "it does not start"),
        ("verified", "eu", None, "churn#prod#2", ""),
    ]


def test_the_targets_of_tagboat_yaml_are_asked_unless_they_are_not_to_be(
    tagboat: Tagboat, churn: GitRepository
) -> None:
    churn.commit({"tagboat.yaml": "targets: {here: {deployer: local, nonsense: 1}}\n"})
    assert tagboat("audit", "--json").code == 2
    assert tagboat("audit", "--json", "--no-targets").code == 0


@pytest.mark.parametrize(
    "hostile",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =cmd|'/c calc'!A0", "＝1", "\u200b=1", "'=1", '"=1', "|x", "%x"],
)
def test_no_cell_is_a_formula(hostile: str) -> None:
    assert cell(hostile)[0] in "'\\"
    written = io.StringIO()
    write_csv([Entry(at=0, event="assignment", artifact="churn", source="tag", by=hostile, detail=hostile)], written)
    (row,) = csv.DictReader(io.StringIO(written.getvalue()))
    assert row["by"][0] in "'\\"
    assert row["detail"] == cell(hostile)


@pytest.mark.parametrize("harmless", ["churn", "v1.0.0", "2023-11-14T22:13:24Z", "a=b", "ann@example.com", "x - y"])
def test_what_is_none_is_left_alone(harmless: str) -> None:
    assert cell(harmless) == harmless


def test_a_tag_that_lies_about_trailers_says_nothing_more_than_its_own(clone: GitRepository) -> None:
    clone.register("churn", "v1.0.0")
    clone.tag("churn#prod#1", message="Gate: signature: pass")
    clone.tag("churn#dev#2", message="Words\n\nRun: https://x\nand more words")
    for one in of_tags(read(opened(clone))):
        assert (one.gates, one.run) == ((), None)


def test_who_let_a_version_be_promoted_again_is_told_too(clone: GitRepository) -> None:
    clone.register("models:bert", "v1.0.0+build.7")
    clone.tag("tagboat/lifted/models=bert+prod+v1.0.0+build.7/1", message="Ann lets it be promoted again")
    clone.tag("tagboat/lifted/nonsense/1")
    (found,) = [one for one in of_tags(read(opened(clone))) if one.event == "lifted"]
    assert (found.artifact, found.stage, found.version, found.by) == ("models:bert", "prod", "v1.0.0+build.7", "Tagger")


@pytest.mark.parametrize("value", ["a\nGate: forged: pass", "a\r\n\r\nRun: x", "x" * 5000])
def test_no_value_of_a_trailer_becomes_another_trailer(value: str) -> None:
    read_again = trailers(with_trailers("Subject", [("Gate", value)]))
    assert list(read_again) == ["Gate"]
    assert len(read_again["Gate"]) == 1


def test_a_while_back_is_reckoned_from_now() -> None:
    assert moment_of("2h", 10_000.0) == 2_800.0
    assert moment_of("2023-11-14", 0.0) == moment_of("2023-11-14T01:00:00+01:00", 0.0) == 1_699_920_000
    for wrong in ("", "d", "2x", "²h", "99999999d", "2023-13-01"):
        with pytest.raises(TagboatError):
            moment_of(wrong, 0.0)


def test_githubs_deployments_say_which_run_it_was(churn: GitRepository, github: GitHub, client: Client) -> None:
    churn.git("push", "--quiet", str(github.store.git.folder), "HEAD:refs/heads/main")
    account = Account(artifact="churn", version="v1.0.0", stage="prod", target="eu", commit=churn.head,
                      tag="churn#prod#2", run=RUN, attempt="1")  # fmt: skip
    open_deployment(client, account, Environment())
    variables = {**github.environment, "GITHUB_TOKEN": github.token}

    def audit(*arguments: str, **more: str) -> tuple[list[dict], str]:
        stdout, stderr = io.StringIO(), io.StringIO()
        context = Context(churn.path, environment(**variables | more), stdout=stdout, stderr=stderr)
        assert run(context, ["audit", "--json", *arguments]) == 0
        return json.loads(stdout.getvalue())["entries"], stderr.getvalue()

    found, _ = audit("--stage", "prod")
    assert [(one["source"], one["event"], one["run"], one["target"], one["by"]) for one in found] == [
        ("github", "deployment", RUN, "eu", "github-actions[bot]"),
        ("tag", "assignment", RUN, None, "Tagger"),
    ]
    assert audit("--since", "2100-01-01")[0] == []
    found, told = audit(GITHUB_TOKEN="ghs_wrong")
    assert {one["source"] for one in found} == {"tag"}
    assert "the token is not accepted" in told
