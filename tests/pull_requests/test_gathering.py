"""What a report gathers from a repository: every figure from its commit, and nothing from the checkout."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context
from entrypoint.errors import TagboatError
from tests.pull_requests.projects import Project
from tests.repositories import environment


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("project") / "clone")


def tagboat(project: Project, cache: Path, *arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    variables = environment(XDG_CACHE_HOME=str(cache), XDG_STATE_HOME=str(cache / "state"), KUBECONFIG="/nowhere")
    code = run(Context(project.git.path, variables, stdout=stdout, stderr=stderr), arguments)
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.fixture(scope="module")
def offline(project: Project, cache: Path) -> Any:
    code, out, errors = tagboat(project, cache, "report", "main", "change", "--offline", "--json")
    assert code == 0, errors
    return json.loads(out)


def test_the_head_is_compared_with_where_it_left_main(project: Project, offline: Any) -> None:
    assert (offline["head"], offline["base"]) == (project.head, project.versions[3])
    rows = {row["name"]: (row["before"], row["after"], row["better"]) for row in offline["comparison"]["metrics"]}
    assert rows["accuracy"] == (0.86, 0.88, True)
    assert rows["train.loss"] == (0.4, 0.42, False)


def test_the_head_is_compared_with_what_each_stage_has(offline: Any) -> None:
    assert [(one["stage"], one["side"]["version"]) for one in offline["stages"]] == [
        ("dev", "v1.3.0"),
        ("prod", "v1.2.0"),
    ]
    prod = {row["name"]: row["before"] for row in offline["stages"][1]["metrics"]}
    assert prod["accuracy"] == 0.81


def test_only_the_artifact_that_changes_is_planned_in_each_of_its_targets(offline: Any) -> None:
    assert offline["artifacts"] == ["churn"]
    assert [(one["stage"], one["target"], one["version"], one["how"]) for one in offline["planned"]] == [
        ("dev", "here", "v1.3.1", "rendered"),
        ("prod", "cluster", "v1.3.1", "rendered"),
    ]
    kinds = [change["object"].split()[0] for change in offline["planned"][1]["changes"]]
    assert {"Deployment", "Service"} <= set(kinds)
    assert all(not one["note"] for one in offline["planned"])


def test_the_history_ends_in_the_change_and_the_metrics_with_a_direction_come_first(offline: Any) -> None:
    assert [one["metric"] for one in offline["history"]] == ["accuracy", "train.loss", "rows"]
    labels = [label for label, _ in offline["history"][0]["points"]]
    assert labels == ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "this"]


def test_plots_say_which_of_them_changed(offline: Any) -> None:
    assert [(one["path"], one["image"], one["changed"]) for one in offline["plots"]] == [
        ("plots/roc.png", True, True),
        ("plots/curve.csv", False, False),
    ]


def test_targets_that_nobody_can_ask_are_rendered_with_the_reason_and_the_others_planned(
    project: Project, cache: Path
) -> None:
    code, out, _ = tagboat(project, cache, "report", "main", "change", "--json")
    here, cluster = json.loads(out)["planned"]
    assert code == 0
    assert (here["how"], here["live"]) == ("compared", "")
    assert (
        "no DVC remote" in here["note"]
    )  # the model cannot be wrapped, and the report says so before anybody registers it
    assert (cluster["how"], cluster["live"]) == ("rendered", None)
    assert "kubeconfig" in cluster["note"]
    assert cluster["changes"]


def test_the_two_halves_on_the_command_line_end_in_the_same_page(project: Project, cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert tagboat(project, cache, "report", "main", "change", "--offline", "--out", str(file))[0] == 0
    shown = tagboat(project, cache, "report", "--from", str(file))[1]
    assert shown == tagboat(project, cache, "report", "main", "change", "--offline")[1]
    assert "#### Metrics" in shown
    assert tagboat(project, cache, "report", "main", "--from", str(file))[0] == TagboatError.exit_code + 1


def test_C12_tagboat_yaml_of_the_head_has_no_say(project: Project, cache: Path) -> None:
    git = project.git
    git.git("checkout", "-q", "-b", "sly", project.head)
    git.commit(
        {
            "tagboat.yaml": "report: {directions: {accuracy: lower}}\ntemplates: evil\n",
            "evil/kubernetes/service.yaml.j2": "{{ 1/0 }}",
        }
    )
    git.git("checkout", "-q", "main")
    found = json.loads(tagboat(project, cache, "report", "main", "sly", "--offline", "--json")[1])
    row = next(row for row in found["comparison"]["metrics"] if row["name"] == "accuracy")
    assert (row["direction"], row["better"]) == ("higher", True)
    assert found["planned"][1]["note"] == ""


def test_C15_no_variable_of_the_runner_is_in_a_report(project: Project, cache: Path, tmp_path: Path) -> None:
    text = (project.git.path / "tagboat.yaml").read_text()
    secretive = text.replace("acme/models}", "acme/models, signing-key: '${env:CANARY_SECRET}'}")
    assert secretive != text
    (project.git.path / "tagboat.yaml").write_text(secretive)
    try:
        for depth in ((), ("--offline",)):
            variables = environment(
                XDG_CACHE_HOME=str(cache),
                XDG_STATE_HOME=str(cache / "state"),
                CANARY_SECRET="canary-7f3a",
                KUBECONFIG="/nowhere",
            )
            stdout, stderr = io.StringIO(), io.StringIO()
            context = Context(project.git.path, variables, stdout=stdout, stderr=stderr)
            assert run(context, ["report", "main", "change", "--json", *depth]) == 0
            assert json.loads(stdout.getvalue())["planned"][1]["changes"]
            assert "canary-7f3a" not in stdout.getvalue()
    finally:
        (project.git.path / "tagboat.yaml").write_text(text)
