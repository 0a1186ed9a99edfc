"""What `tagboat init` writes works, is safe to copy, and never goes over what is there."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context
from entrypoint.configuration import load, parse
from entrypoint.scaffolding import DEPLOY_WORKFLOW, RECONCILE_WORKFLOW, Answers, render, write
from tests.configuration.kinds_of_target import KINDS

TOOLS = Path(sys.executable).parent


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    return tmp_path


def tagboat(directory: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)}
    context = Context(directory=directory, environment=environment, stdout=out, stderr=err)
    return run(context, list(arguments)), out.getvalue(), err.getvalue()


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and ".git/" not in str(file)
    }


def test_it_writes_a_configuration_that_the_loader_accepts(repository):
    code, out, _ = tagboat(repository, "init", "--json")
    document = json.loads(out)
    assert code == 0
    assert [file["status"] for file in document["files"]] == ["written"] * 3
    configuration = load(repository)
    assert list(configuration.targets) == ["local"]
    assert list(configuration.stages) == ["dev", "prod"]
    assert (repository / "tagboat.yaml").read_text().startswith("# yaml-language-server: $schema=https://")


def test_names_and_stages_of_the_registry_are_taken_over(repository):
    git = ["git", "-C", repository, "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    for tag in ("models/nlp=bert@v1.0.0", "models/nlp=bert#staging#1", "v1.0.0", "$(id)"):
        subprocess.run([*git, "tag", "-a", tag, "-m", "tag"], check=True)
    assert tagboat(repository, "init", "--json")[0] == 0
    assert list(load(repository).stages) == ["staging"]
    assert "models/nlp:bert" in (repository / "tagboat.yaml").read_text()


def test_options_name_target_stages_and_keys(repository):
    options = ("--target", "mine", "--stage", "on", "--stage", "prod", "--set", "port=9000", "--no-workflows")
    assert tagboat(repository, "init", "--yes", *options)[0] == 0
    configuration = load(repository)
    assert configuration.targets["mine"].written == {"port": 9000}
    assert list(configuration.stages) == ["on", "prod"]
    assert sorted(tree(repository)) == ["tagboat.yaml"]


def test_a_second_run_changes_nothing(repository):
    tagboat(repository, "init", "--json")
    before = tree(repository)
    code, out, _ = tagboat(repository, "init", "--json")
    assert code == 0
    assert {file["status"] for file in json.loads(out)["files"]} == {"unchanged"}
    assert tree(repository) == before


@pytest.mark.parametrize("path", ["tagboat.yaml", DEPLOY_WORKFLOW, RECONCILE_WORKFLOW])
def test_what_is_there_is_overwritten_only_when_forced(repository, path):
    file = repository / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    code, _, err = tagboat(repository, "init", "--json")
    assert code == 2
    assert path in err
    assert tree(repository) == {path: b"mine"}
    assert tagboat(repository, "init", "--json", "--force")[0] == 0
    assert file.read_text() != "mine"


def test_a_link_that_leads_out_of_the_repository_is_not_followed(repository, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (repository / ".github").symlink_to(outside)
    code, _, err = tagboat(repository, "init", "--json")
    assert code == 3
    assert "link" in err
    assert list(outside.iterdir()) == []


def test_outside_a_repository_it_says_so(tmp_path):
    code, _, err = tagboat(tmp_path, "init", "--json")
    assert code in {1, 2}
    assert "error:" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--deployer", "lokal"), "Did you mean 'local'?"),
        (("--set", "prot=1"), "Did you mean 'port'?"),
        (("--set", "port"), "not KEY=VALUE"),
        (("--set", "port=high"), "port"),
        (("--target", "No Such"), "does not have the form"),
        (("--stage", "a b"), "does not have the form"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(repository, options, said):
    code, _, err = tagboat(repository, "init", "--yes", *options)
    assert code == 2
    assert said in err
    assert tree(repository) == {}


def answers(deployer: str) -> Answers:
    settings = {} if deployer == "local" else {"server": "https://${env:CLUSTER}/", "token": "${env:CLUSTER_TOKEN}"}
    return Answers(
        deployer=deployer, target="here", stages=["dev", "no"], artifacts=["models/nlp:bert", "on"], settings=settings
    )


@pytest.mark.parametrize("deployer", ["local", "cluster"])
def test_the_workflows_pass_actionlint_and_zizmor(repository, deployer):
    write(repository, render(answers(deployer), KINDS), force=False)
    workflows = [repository / DEPLOY_WORKFLOW, repository / RECONCILE_WORKFLOW]
    subprocess.run([TOOLS / "actionlint", "-no-color", *workflows], check=True, cwd=repository)
    subprocess.run([TOOLS / "zizmor", "--offline", "--no-progress", *workflows], check=True, cwd=repository)


@pytest.mark.parametrize("deployer", ["local", "cluster"])
def test_what_is_written_is_read_back_as_it_was_meant(deployer):
    configuration = parse(render(answers(deployer), KINDS)["tagboat.yaml"].encode(), kinds=KINDS)
    assert configuration.targets["here"].written == answers(deployer).settings
    assert list(configuration.stages) == ["dev", "no"]


def test_the_comments_of_the_configuration_are_settings_that_work():
    text = render(answers("local"), KINDS)["tagboat.yaml"]
    uncommented = re.sub(r"^( *)#(?! \S)(?!.*: …$)", r"\1", text, flags=re.MULTILINE)
    configuration = parse(uncommented.encode(), kinds=KINDS)
    assert configuration.targets["here"].prune
    assert configuration.artifacts["on"].requirements == "requirements.txt"
    assert configuration.smoke[0].expect.status == 200
    assert configuration.policies.require_branch == "main"
    assert configuration.registration.assign == "dev"
    assert configuration.indexes
    assert configuration.stages["dev"].server.drain == 30
    assert configuration.dvc.remotes["storage"].region == "eu-central-1"


def test_secrets_reach_the_step_by_the_names_that_the_configuration_uses():
    files = render(answers("cluster"), KINDS)
    for path in (DEPLOY_WORKFLOW, RECONCILE_WORKFLOW):
        assert "CLUSTER_TOKEN: ${{ secrets.CLUSTER_TOKEN }}" in files[path]


def test_a_cluster_needs_an_image_and_nothing_else(repository):
    command = [sys.executable, "-P", "-m", "entrypoint", "init", "--no-workflows", "--deployer", "kubernetes"]
    refused = subprocess.run(command, cwd=repository, capture_output=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert b"--set image=" in refused.stderr
    command += ["--set", "image=ghcr.io/acme/models"]
    subprocess.run(command, cwd=repository, capture_output=True, timeout=60, check=True)
    (target,) = load(repository).targets.values()
    assert target.settings.pushed.repository == "ghcr.io/acme/models"


def test_at_a_terminal_it_asks_for_target_and_stages(repository):
    """A real terminal: the questions appear, the answers count."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-P", "-m", "entrypoint", "init", "--no-workflows"]
    process = subprocess.Popen(command, cwd=repository, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(follower)
    os.write(leader, b"\nmine\nstaging, prod\n")
    _, err = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0, err
    assert b"Where to (kubernetes, local, sagemaker) [local]" in err
    assert b"Your name for the target [here]" in err
    assert list(load(repository).targets) == ["mine"]
    assert list(load(repository).stages) == ["staging", "prod"]
