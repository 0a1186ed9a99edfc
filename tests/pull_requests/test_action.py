"""Reports as the Action makes them: the runner's files and the API in, one comment out; forks in two halves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from entrypoint.action import run
from entrypoint.github.comments import first_line
from entrypoint.pull_requests import document
from tests.fakes.github import ACTIONS, GitHub, when
from tests.fakes.runner import FakeRunner
from tests.github import payloads
from tests.pull_requests.projects import Project
from tests.repositories import environment

FORK = "mallory/models"
MARKER = first_line("report tagboat.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project.make(tmp_path_factory.mktemp("project") / "clone")
    text = (made.git.path / "tagboat.yaml").read_text().replace("report: {", "report: {plan: false, ")
    made.base = made.git.commit({"tagboat.yaml": text})
    return made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def fake(tmp_path: Path, github: GitHub, project: Project) -> FakeRunner:
    """A step after actions/checkout, of the whole history, with the fake GitHub behind it."""
    origin = github.store.git.folder
    project.git.git("push", "-q", "--mirror", str(origin))
    runner = FakeRunner(tmp_path)
    shutil.rmtree(runner.workspace)
    subprocess.run(
        ["git", "clone", "-q", "--no-tags", f"file://{origin}", str(runner.workspace)], env=environment(), check=True
    )
    return runner


@pytest.fixture
def step(fake: FakeRunner, github: GitHub, tmp_path: Path, cache: Path) -> Callable[..., int]:
    def run_step(event: str, payload: Any, *, token: str | None = None, **inputs: str) -> int:
        given = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
        variables = {
            **environment(XDG_STATE_HOME=str(cache / "state"), XDG_CACHE_HOME=str(cache), KUBECONFIG="/nowhere"),
            **fake.environment,
            **github.environment,
            **payloads.event(tmp_path, event, payload),
            "INPUT_TOKEN": github.token if token is None else token,
        }
        return run(variables | given, log=fake.log)

    return run_step


def bodies(github: GitHub) -> list[str]:
    return [each["body"] for each in github.store.comments_on(7)]


def test_a_pull_request_gets_one_comment_which_is_changed_in_place(
    step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project
) -> None:
    github.store.open_pull(7, head=project.head)
    payload = payloads.pull_request(head=project.head, base=project.base)
    assert step("pull_request", payload) == 0, fake.log.getvalue()
    (body,) = bodies(github)
    assert body.startswith(f"{MARKER}\n### What this changes")
    assert "| <code>accuracy</code> | 0.86 | 0.88 | ↑ &#43;0.02 ✅ |" in body
    assert "#### Plan" in body
    assert "#### Metrics" in fake.summary_file.read_text()
    assert fake.outputs()["status"] == "unchanged"
    project.git.git("checkout", "-q", "--detach", project.head)
    newer = project.git.commit({"metrics.json": '{"accuracy": 0.5}'})
    project.git.git("push", "-q", str(github.store.git.folder), f"{newer}:refs/pull/7/head")
    project.git.git("checkout", "-q", "main")
    assert step("pull_request", payloads.pull_request(head=newer, base=project.base, action="synchronize")) == 0
    (body,) = bodies(github)
    assert "| <code>accuracy</code> | 0.86 | 0.5 | ↓ &#45;0.36 ❌ |" in body


def test_a_shallow_checkout_fetches_the_two_commits_itself(
    step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project
) -> None:
    origin = github.store.git.folder
    github.store.git("config", "uploadpack.allowAnySHA1InWant", "true")  # as GitHub has it
    shutil.rmtree(fake.workspace)
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{origin}", str(fake.workspace)], env=environment(), check=True
    )
    github.store.open_pull(7, head=project.head)
    assert step("pull_request", payloads.pull_request(head=project.head, base=project.versions[3])) == 0
    assert "| <code>accuracy</code> | 0.86 | 0.88 |" in bodies(github)[0]


def test_a_pull_request_that_touches_no_model_gets_no_comment_but_an_old_one_is_brought_up_to_date(
    step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project
) -> None:
    base = project.versions[3]
    project.git.git("checkout", "-q", "--detach", base)
    words = project.git.commit({"docs/words.md": "Words", "src/code.py": "pass"})
    project.git.git("checkout", "-q", "main")
    project.git.git("push", "-q", str(github.store.git.folder), f"{words}:refs/heads/words")
    subprocess.run(["git", "fetch", "-q", "origin"], cwd=fake.workspace, env=environment(), check=True)
    github.store.open_pull(7, head=words)
    assert step("pull_request", payloads.pull_request(head=words, base=base)) == 0, fake.log.getvalue()
    assert bodies(github) == []
    assert "no comment" in fake.log.getvalue()
    github.store.comment(7, f"{MARKER}\nof an earlier commit", ACTIONS)
    assert step("pull_request", payloads.pull_request(head=words, base=base)) == 0
    (body,) = bodies(github)
    assert "No metric, parameter, data, model or requirement changes." in body


def test_a_lost_answer_makes_no_second_comment(step: Callable[..., int], github: GitHub, project: Project) -> None:
    github.store.open_pull(7, head=project.head)
    github.fail(when("POST", "/comments"), status=502, after_write=True)
    assert step("pull_request", payloads.pull_request(head=project.head, base=project.base)) == 0
    assert len(bodies(github)) == 1


class TestForks:
    @pytest.fixture
    def left(self, step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project) -> Path:
        """What the first half leaves; it runs without secrets, and with a token that only reads."""
        github.store.open_pull(7, head=project.head, head_repository=FORK)
        payload = payloads.pull_request(head=project.head, base=project.base, source=FORK)
        assert step("pull_request", payload, token="", report_file="report.json") == 0, fake.log.getvalue()
        return fake.workspace / "report.json"

    def test_P1_the_first_half_asks_neither_github_nor_any_target_and_leaves_a_file(
        self, left: Path, github: GitHub, fake: FakeRunner
    ) -> None:
        found = document.read(left)
        assert found.number == 7
        assert {one.how for one in found.planned} == {"rendered"}
        assert github.requests == []
        assert "no right to comment" in fake.log.getvalue()
        assert "#### Metrics" in fake.summary_file.read_text()

    def test_P1_the_second_half_asks_the_targets_itself_and_comments(
        self, left: Path, step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project
    ) -> None:
        hostile = msgspec.structs.replace(
            document.read(left), planned=[msgspec.structs.replace(document.read(left).planned[0], note="trust me")]
        )
        document.write(left, hostile)
        github.store.git("update-ref", "-d", "refs/heads/change")  # nothing of the head is here, as for a fork
        shutil.rmtree(fake.workspace / ".git")
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=fake.workspace, env=environment(), check=True)
        subprocess.run(
            ["git", "remote", "add", "origin", f"file://{github.store.git.folder}"],
            cwd=fake.workspace,
            env=environment(),
            check=True,
        )
        assert step("workflow_run", payloads.workflow_run(head=project.head), report_file="report.json") == 0, (
            fake.log.getvalue()
        )
        (body,) = bodies(github)
        assert "trust me" not in body
        assert "The settings were compared with what is live" in body
        assert "| <code>accuracy</code> | 0.86 | 0.88 |" in body
        inside = subprocess.run(
            ["git", "cat-file", "-e", project.head],
            cwd=fake.workspace,
            env=environment(),
            check=False,
            capture_output=True,
        )
        assert inside.returncode != 0, "the head's objects were fetched"

    @pytest.mark.parametrize(
        ("changed", "run", "code", "said"),
        [
            ({"head": "e" * 40}, {}, 3, "another commit than the run"),
            ({"number": 8}, {}, 3, "no pull request of the repository that left the report"),
            ({"number": 999}, {}, 1, "404"),
            ({}, {"source": "other/models"}, 3, "no pull request of the repository"),
        ],
    )  # fmt: skip
    def test_P1_a_report_that_names_another_pull_request_or_commit_is_refused(
        self, left: Path, step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project,
        changed: dict[str, Any], run: dict[str, str], code: int, said: str,
    ) -> None:  # fmt: skip
        github.store.open_pull(8, head=project.versions[0])
        document.write(left, msgspec.structs.replace(document.read(left), **changed))
        payload = payloads.workflow_run(**{"head": project.head, "source": FORK, **run})
        assert step("workflow_run", payload, report_file="report.json") == code
        assert said in fake.log.getvalue()
        assert github.count("POST") == 0

    def test_a_pull_request_that_has_moved_on_is_left_to_its_newer_run(
        self, left: Path, step: Callable[..., int], github: GitHub, project: Project
    ) -> None:
        github.store.pulls[7]["head"]["sha"] = project.versions[0]
        assert step("workflow_run", payloads.workflow_run(head=project.head), report_file="report.json") == 0
        assert bodies(github) == []

    def test_P1_a_file_that_is_no_report_is_refused(
        self, left: Path, step: Callable[..., int], github: GitHub, project: Project
    ) -> None:
        left.write_bytes(b'{"number": 7}')
        assert step("workflow_run", payloads.workflow_run(head=project.head), report_file="report.json") == 3
        assert step("workflow_run", payloads.workflow_run(head=project.head), report_file="../../etc/passwd") == 3
        assert step("workflow_run", payloads.workflow_run(head=project.head)) == 2
        assert github.requests == []


def test_P1_pull_request_target_with_the_head_checked_out_is_refused(
    step: Callable[..., int], github: GitHub, fake: FakeRunner, project: Project
) -> None:
    payload = payloads.pull_request(head=project.head, base=project.base, source=FORK)
    assert step("pull_request_target", payload) == 3
    assert "a stranger's commit is checked out" in fake.log.getvalue()
    elsewhere = payloads.pull_request(head="d" * 40, base=project.base, source=FORK)
    assert step("pull_request_target", elsewhere) == 0
    assert github.requests == []
