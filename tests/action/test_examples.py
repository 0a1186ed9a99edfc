"""The workflows to copy, run with act from their event to what is served, on targets that are folders.

What an example uses is stood in for by composite actions: ours runs this checkout's program with the very inputs that
GitHub would hand to the container; an artifact is a folder; what else others made does nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.base import Slot
from tests.conformance.shelf import ShelfDeployer
from tests.e2e.world import BIN
from tests.fakes.github import Description, GitHub
from tests.fakes.github.fixtures import description
from tests.fakes.github.store import ALL
from tests.github import payloads
from tests.repositories import GitRepository, environment
from tests.shelves import shelves

__all__ = ["description", "shelves"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "workflows"
MODEL = "NUMBER = {number}\ndef predict(data):\n    return data\n"

CONFIGURATION = """\
targets:
  shelf: {{deployer: shelf, folder: {shelf}}}
stages:
  dev: {{targets: [shelf]}}
  prod: {{targets: [shelf]}}
artifacts:
  churn: {{path: model/predictor.py, requirements: [packaging==24.2]}}
  fraud: {{path: model/predictor.py, requirements: [packaging==24.2]}}
promotion:
  prod:
    - {{from: dev, artifacts: [fraud], automatic: true, gates: [{{gate: freeze, time-zone: UTC, windows: [{{last: 2000-01-01}}]}}]}}
    - {{from: dev}}
"""

THEIRS = """\
runs:
  using: composite
  steps: [{shell: bash, run: "true"}]
"""

UPLOAD = """\
inputs: {name: {}, path: {}, if-no-files-found: {}, retention-days: {}}
runs:
  using: composite
  steps:
    - {shell: bash, env: {NAME: "${{ inputs.name }}", FROM: "${{ inputs.path }}"},
       run: 'mkdir -p "$ARTIFACTS/$NAME" && cp -r "$FROM" "$ARTIFACTS/$NAME/"'}
"""

DOWNLOAD = """\
inputs: {name: {}, path: {}, run-id: {}, github-token: {}}
runs:
  using: composite
  steps:
    - {shell: bash, env: {NAME: "${{ inputs.name }}", TO: "${{ inputs.path }}"},
       run: 'mkdir -p "$TO" && cp -r "$ARTIFACTS/$NAME/." "$TO/"'}
"""

OURS = """\
import json, os, sys
for name, value in json.loads(os.environ.pop("INPUTS")).items():
    if name != "cache-dir":  # the example's would be empty in each run
        os.environ["INPUT_" + name.upper()] = value
os.environ.update(json.loads(os.environ.get("AT_GITHUB", "{}")))
os.execv(sys.executable, [sys.executable, "-P", "-m", "entrypoint", "action"])
"""


class Hub:
    """A repository, its remote, and a runner that starts a workflow for an event."""

    def __init__(self, folder: Path, site: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.site = site
        self.origin = GitRepository.make(folder / "origin.git", bare=True)
        self.git = GitRepository.make(folder / "work")
        self.git.git("remote", "add", "origin", str(self.origin.path))
        shelf = folder / "shelf"
        shelf.mkdir()
        self.shelf = ShelfDeployer.__new__(ShelfDeployer)
        self.shelf.shelf = shelf
        files = {f".github/workflows/{path.name}": _with_stand_ins(path.read_text()) for path in EXAMPLES.glob("*.yml")}
        self.git.commit({
            "tagboat.yaml": CONFIGURATION.format(shelf=shelf), ".ours/action.yml": _ours(),
            ".theirs/action.yml": THEIRS, ".upload/action.yml": UPLOAD, ".download/action.yml": DOWNLOAD, **files,
        })  # fmt: skip
        self.versions = 0

    def register(self, artifact: str) -> None:
        self.versions += 1
        self.git.commit({"model/predictor.py": MODEL.format(number=self.versions)})
        self.git.register(artifact, f"v{self.versions}.0.0")

    def assign(self, artifact: str, stage: str) -> str:
        tag = self.git.assign(artifact, stage)
        self.git.git("push", "--quiet", "origin", "main", "--tags")
        return tag

    def tags(self) -> set[str]:
        return set(self.origin.git("tag", "--list").split())

    def served(self, artifact: str, stage: str) -> str | None:
        live = self.shelf.get(Slot(artifact=artifact, stage=stage, target="shelf")).live
        return live.version if live else None

    def tagboat(self, *arguments: str) -> Any:
        """What a command answers, on the checkout as it is."""
        around = environment(
            XDG_CACHE_HOME=str(self.cache), XDG_STATE_HOME=str(self.folder / "state"),
            PYTHONPATH=f"{ROOT}{os.pathsep}{self.site}",
        )  # fmt: skip
        command = [sys.executable, "-P", "-m", "entrypoint", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.git.path, env=around, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return json.loads(done.stdout)

    def run(
        self, workflow: str, event: str, payload: Mapping[str, Any], *options: str, github: GitHub | None = None
    ) -> str:
        """What act prints; fails where the workflow does. ``github``: asked with what the workflow's token may."""
        repository = {"full_name": "octo-org/models", "name": "models", "default_branch": "main",
                      "owner": {"login": "octo-org"}}  # fmt: skip
        file = self.folder / "event.json"
        file.write_text(json.dumps({"repository": repository, "sender": {"login": "octocat"}, **payload}))
        settings = self.folder / "settings" / "act"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "actrc").touch()
        command = [BIN / "act", event, "--eventpath", file, "-P", "ubuntu-latest=-self-hosted", "-W",
                   self.git.path / ".github" / "workflows" / workflow, *options]  # fmt: skip
        more = {}
        if github is not None:
            token = github.holder("github-actions[bot]", "Bot", **_permissions(workflow))
            command += ["--secret", f"GITHUB_TOKEN={token}"]
            more["AT_GITHUB"] = json.dumps(github.environment)
        around = environment(
            **more,
            XDG_CACHE_HOME=str(self.cache), XDG_STATE_HOME=str(self.folder / "state"),
            ARTIFACTS=str(self.folder / "artifacts"), XDG_CONFIG_HOME=str(settings.parent), PYTHONPATH=f"{ROOT}{os.pathsep}{self.site}",
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
        )  # fmt: skip
        done = subprocess.run(command, cwd=self.git.path, env=around, text=True, capture_output=True, check=False,
                              timeout=120)  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout


def _with_stand_ins(text: str) -> str:
    text, count = re.subn(r"uses: tagboat/tagboat@\S+", "uses: ./.ours", text)
    assert count
    text = re.sub(r"uses: actions/(upload|download)-artifact@\S+", r"uses: ./.\1", text)
    return re.sub(r"uses: (?!actions/checkout@|\./)[\w/-]+@\S+", "uses: ./.theirs", text)


def _permissions(workflow: str) -> dict[str, str | None]:
    """What the token of a workflow's job may: what stands there, and nothing else."""
    (job,) = yaml.safe_load((EXAMPLES / workflow).read_text())["jobs"].values()
    given = {name.replace("-", "_"): level for name, level in job["permissions"].items()}
    return {name: given.get(name) for name in ALL if name != "metadata"}


def _ours() -> str:
    """action.yml, but for how it runs."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = {"id": "run", "shell": f"{sys.executable} -P {{0}}", "env": {"INPUTS": "${{ toJSON(inputs) }}"}, "run": OURS}
    outputs = {
        name: {**one, "value": f"${{{{ steps.run.outputs.{name} }}}}"} for name, one in action["outputs"].items()
    }
    return yaml.safe_dump({**action, "outputs": outputs, "runs": {"using": "composite", "steps": [step]}})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def hub(tmp_path: Path, shelves: Path, cache: Path) -> Hub:
    return Hub(tmp_path, shelves, cache)


def push(tag: str) -> dict[str, Any]:
    return {"ref": f"refs/tags/{tag}", "before": "0" * 40, "after": "1" * 40, "created": True, "deleted": False}


def comment(body: str, association: str = "MEMBER") -> dict[str, Any]:
    return {"action": "created", "issue": {"number": 7, "pull_request": {"url": "https://api.github.com/pulls/7"}},
            "comment": {"body": body, "author_association": association, "user": {"login": "ann", "type": "User"}}}  # fmt: skip


@pytest.mark.slow
def test_the_examples_take_a_model_from_its_tag_to_prod_and_back(hub: Hub, description: Description) -> None:
    hub.register("churn")
    out = hub.run("deploy.yml", "push", push(hub.assign("churn", "dev")))
    assert "status: live" in out
    assert hub.served("churn", "dev") == "v1.0.0"

    before = hub.tags()
    hub.run("promote.yml", "issue_comment", comment("/promote churn prod", "NONE"))
    assert hub.tags() == before, "a stranger starts nothing"
    with GitHub(hub.folder, description, git=hub.origin.path) as github:
        github.store.roles["ann"] = "write"
        body = "/promote churn@v1.0.0 to prod\r\nLooks good."
        out = hub.run("promote.yml", "issue_comment", comment(body), github=github)
    assert hub.tags() - before == {"churn#prod#2"}
    assert hub.served("churn", "prod") == "v1.0.0"
    (deployment,) = github.store.deployments
    assert github.store.states(deployment)[-1] == "success"
    assert "could not" not in out, "the permissions that the example gives its job are enough"
    assert github.violations == []

    hub.git.git("fetch", "--quiet", "--tags", "origin")
    hub.git.counters["churn"] = 2
    hub.git.time += 1_000_000_000  # the tag that promoted is dated now
    hub.register("churn")
    hub.run("deploy.yml", "push", push(hub.assign("churn", "prod")))
    assert hub.served("churn", "prod") == "v2.0.0"
    hub.run("rollback.yml", "workflow_dispatch", {"inputs": {"slot": "churn#prod"}}, "--input", "slot=churn#prod")
    assert hub.served("churn", "prod") == "v1.0.0"


@pytest.mark.slow
def test_the_schedule_brings_what_no_event_brought_and_promotes_what_has_passed(hub: Hub) -> None:
    hub.register("fraud")
    hub.assign("fraud", "dev")
    hub.run("reconcile-and-promote.yml", "schedule", {"schedule": "17,47 * * * *"}, "--secret", "SLACK_URL=x")
    assert (hub.served("fraud", "dev"), hub.served("fraud", "prod")) == ("v1.0.0", "v1.0.0")
    assert "fraud#prod#2" in hub.tags()


@pytest.mark.slow
@pytest.mark.parametrize("workflow", ["deploy-kubernetes.yml", "deploy-sagemaker.yml"])
def test_a_workflow_for_a_cloud_deploys_a_pushed_tag_and_reconciles(hub: Hub, workflow: str) -> None:
    """Its targets are the shelf's all the same: what is tried is the workflow."""
    hub.register("churn")
    assert "status: live" in hub.run(workflow, "push", push(hub.assign("churn", "dev")))
    assert hub.served("churn", "dev") == "v1.0.0"


@pytest.mark.slow
def test_a_plan_changes_nothing_and_a_reconcile_does_what_it_said(hub: Hub) -> None:
    hub.register("churn")
    hub.assign("churn", "dev")
    reference = {"inputs": {"ref": "churn#dev"}}
    assert "would change" in hub.run("plan.yml", "workflow_dispatch", reference, "--input", "ref=churn#dev")
    assert hub.served("churn", "dev") is None
    hub.run("reconcile.yml", "schedule", {"schedule": "17,47 * * * *"})
    assert hub.served("churn", "dev") == "v1.0.0"


@pytest.mark.slow
def test_a_forks_pull_request_leaves_its_report_for_the_workflow_that_may_comment(
    hub: Hub, description: Description
) -> None:
    hub.register("churn")
    hub.assign("churn", "dev")
    base = hub.git.head
    hub.git.git("checkout", "--quiet", "-b", "change")
    head = hub.git.commit(
        {"model/predictor.py": MODEL.format(number=2), "dvc.yaml": "metrics: [m.json]\n", "m.json": '{"f1": 0.5}'}
    )
    source = {"full_name": "mallory/models", "fork": True}
    pull = {"number": 7, "head": {"sha": head, "ref": "change", "repo": source},
            "base": {"sha": base, "ref": "main", "repo": {"full_name": "octo-org/models"}}}  # fmt: skip
    out = hub.run("report.yml", "pull_request", {"action": "opened", "number": 7, "pull_request": pull})
    assert "a fork's, is left in tagboat-report.json" in out
    assert hub.served("churn", "dev") is None, "a pull request deploys nothing"

    hub.git.git("checkout", "--quiet", "main")
    with GitHub(hub.folder, description, git=hub.origin.path) as github:
        github.store.open_pull(7, head=head, head_repository="mallory/models")
        run = payloads.workflow_run(head=head)
        hub.run("report-fork.yml", "workflow_run", {"action": "completed", "workflow_run": run["workflow_run"]},
                github=github)  # fmt: skip
        (shown,) = github.store.comments.values()
    assert "<code>f1</code>" in shown["body"]
    assert github.violations == []


@pytest.mark.slow
def test_a_pull_request_is_planned_with_its_model_wrapped_and_changes_nothing(hub: Hub) -> None:
    hub.register("churn")
    hub.assign("churn", "dev")
    assert hub.tagboat("deploy", "churn#dev")["status"] == "live"
    hub.git.git("checkout", "--quiet", "-b", "change")
    hub.git.commit(
        {"model/predictor.py": MODEL.format(number=2), "dvc.yaml": "metrics: [m.json]\n", "m.json": '{"f1": 0.5}'}
    )
    found = hub.tagboat("report", "main")
    assert found["artifacts"] == ["churn", "fraud"]
    dev, prod, *_ = found["planned"]
    assert (dev["how"], dev["live"], dev["version"], dev["note"]) == ("planned", "v1.0.0", "v1.0.1", "")
    assert [change["action"] for change in dev["changes"]] == ["update"]
    assert (prod["how"], prod["live"], [change["action"] for change in prod["changes"]]) == ("planned", "", ["create"])
    assert hub.served("churn", "dev") == "v1.0.0"
