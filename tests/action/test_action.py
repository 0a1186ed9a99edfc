"""The Action as a whole: event and inputs in; request, outputs, summary and exit code out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deployers.errors import RefusedError, TagboatError, UnreachableError
from entrypoint.action import INTERRUPTED, own_cache, prepare_container, run
from entrypoint.configuration.report_settings import Report
from entrypoint.github.ownership import give_back
from entrypoint.github.witness import OnGitHub
from entrypoint.report.verdict import SlotVerdict, Status, Trigger, Verdict
from entrypoint.report.witness import Unwatched
from entrypoint.request import Command, ConfigRef, Request
from tests.fakes.runner import FakeRunner
from tests.github import payloads

ROOT = Path(__file__).resolve().parents[2]
LIVE = Verdict(
    slots=[
        SlotVerdict(artifact="churn", stage="prod", target="eu", status=Status.LIVE, version="v1.4.0", changed=True)
    ],
    trigger=Trigger(event="assignment", tag="churn#prod#3", artifact="churn", stage="prod"),
)


class Stub:
    """Stands for the pipeline: remembers the request, answers with a verdict or raises."""

    def __init__(self, answer: Verdict | BaseException = LIVE) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Verdict:
        self.requests.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    @property
    def request(self) -> Request:
        (request,) = self.requests
        return request


@pytest.fixture
def fake(tmp_path: Path) -> FakeRunner:
    return FakeRunner(tmp_path)


@pytest.fixture
def step(fake: FakeRunner, tmp_path: Path) -> Callable[..., int]:
    def run_step(stub: Stub, event: str, payload: object, **inputs: str) -> int:
        given = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
        variables = fake.environment | payloads.event(tmp_path, event, payload) | given
        return run(variables, log=fake.log, handle=stub, report_on=lambda _: Verdict(note="reported"))

    return run_step


TAG = payloads.push("refs/tags/churn#prod#3")


def test_a_pushed_tag_becomes_one_request_and_every_face_tells_of_it(
    fake: FakeRunner, step: Callable[..., int]
) -> None:
    stub = Stub()
    assert step(stub, "push", TAG, token="ghs_secret", cache_dir=".cache") == 0
    request = stub.request
    assert (request.command, request.ref, request.dry_run) == (Command.DEPLOY, "refs/tags/churn#prod#3", False)
    assert request.directory == fake.workspace.resolve()
    assert request.config_ref is ConfigRef.DEFAULT_BRANCH
    assert request.token == "ghs_secret"
    assert request.cache == fake.workspace.resolve() / ".cache"
    assert request.run_url == "https://github.com/octo-org/models/actions/runs/4711"
    assert request.actor == "octocat"
    assert fake.outputs()["status"] == "live"
    assert "## 🚀 Live" in fake.summary_file.read_text()
    assert "churn#prod on eu: v1.4.0: live" in fake.log.getvalue()


def test_githubs_pages_are_shown_the_run_where_there_is_a_token(fake: FakeRunner, step: Callable[..., int]) -> None:
    stub = Stub()
    step(stub, "push", TAG, token="ghs_secret", config="ml/tagboat.yaml")
    assert isinstance(stub.request.witness(Report()), OnGitHub)
    assert stub.request.stories


def test_without_a_token_nobody_is_shown_anything(fake: FakeRunner, step: Callable[..., int]) -> None:
    stub = Stub()
    step(stub, "push", TAG)
    assert isinstance(stub.request.witness(Report()), Unwatched)


def test_what_the_run_does_not_need_is_not_handed_on(step: Callable[..., int]) -> None:
    stub = Stub()
    step(stub, "push", TAG, token="ghs_secret")
    assert not [name for name in stub.request.environment if name.startswith("INPUT_")]
    assert "GITHUB_ENV" not in stub.request.environment
    assert "GITHUB_REPOSITORY" in stub.request.environment


def test_any_other_tag_ends_at_once_green_and_says_why(fake: FakeRunner, step: Callable[..., int]) -> None:
    stub = Stub(AssertionError("not to be called"))
    assert step(stub, "push", payloads.push("refs/tags/v2.0.0")) == 0
    assert stub.requests == []
    assert "v2.0.0 is not a registry tag" in fake.log.getvalue()
    assert fake.outputs()["status"] == "unchanged"
    assert fake.outputs()["event"] == "none"
    assert "Nothing to do" in fake.summary_file.read_text()


def test_the_ref_input_goes_before_the_event(step: Callable[..., int]) -> None:
    stub = Stub()
    step(stub, "push", payloads.push("refs/heads/main"), ref="churn#prod")
    assert stub.request.ref == "churn#prod"


@pytest.mark.parametrize(
    ("inputs", "command", "dry"),
    [
        ({"command": "reconcile", "artifact": "churn", "stage": "prod"}, Command.RECONCILE, False),
        ({"command": "plan"}, Command.PLAN, True),
        ({"command": "rollback", "ref": "churn#prod"}, Command.ROLLBACK, False),
        ({"command": "remove", "ref": "churn#prod", "no_tag": "true"}, Command.REMOVE, False),
        ({"dry_run": "true"}, Command.DEPLOY, True),
        ({"command": "deploy"}, Command.DEPLOY, False),
    ],
)
def test_the_command_input_chooses(
    step: Callable[..., int], inputs: dict[str, str], command: Command, dry: bool
) -> None:
    stub = Stub()
    step(stub, "push", TAG, **inputs)
    assert (stub.request.command, stub.request.dry_run) == (command, dry)
    assert stub.request.artifact == inputs.get("artifact")
    assert stub.request.tag is ("no_tag" not in inputs)


@pytest.mark.parametrize("command", ["rollback", "remove", "release-hold"])
def test_a_rollback_without_a_slot_is_told_how(fake: FakeRunner, step: Callable[..., int], command: str) -> None:
    assert step(Stub(), "push", TAG, command=command) == 2
    assert "ARTIFACT#STAGE" in fake.annotations()[0].message


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("pull_request", payloads.pull_request()),
        ("pull_request_target", payloads.pull_request()),
        ("workflow_run", payloads.workflow_run()),
    ],
)
def test_P1_a_pull_request_gets_nothing_deployed_whatever_the_inputs_say(
    fake: FakeRunner, step: Callable[..., int], event: str, payload: object
) -> None:
    stub = Stub()
    assert step(stub, event, payload, ref="churn#prod", command="deploy") == 0
    assert step(stub, event, payload, command="reconcile") == 0
    assert stub.requests == []
    assert fake.log.getvalue().count("reported") == 2


@pytest.mark.parametrize(
    ("error", "code"), [(TagboatError("x"), 1), (RefusedError("x", hint="do y"), 3), (UnreachableError("x"), 4)]
)
def test_an_error_is_an_annotation_and_its_exit_code_never_a_traceback(
    fake: FakeRunner, step: Callable[..., int], error: TagboatError, code: int
) -> None:
    assert step(Stub(error), "push", TAG) == code
    assert fake.annotations()[0].message.startswith("x")
    assert fake.outputs()["status"] == "failed"
    assert "Traceback" not in fake.log.getvalue()


def test_a_defect_of_ours_still_ends_in_outputs_and_a_summary(fake: FakeRunner, step: Callable[..., int]) -> None:
    assert step(Stub(ZeroDivisionError("oh")), "push", TAG) == 1
    assert fake.outputs()["status"] == "failed"
    assert "Tagboat itself failed: ZeroDivisionError: oh" in fake.annotations()[0].message
    assert "Traceback" in fake.log.getvalue()


@pytest.mark.parametrize("workspace", ["", "/nonexistent"])
def test_a_missing_workspace_names_the_checkout(fake: FakeRunner, tmp_path: Path, workspace: str) -> None:
    environment = fake.environment | payloads.event(tmp_path, "push", TAG) | {"GITHUB_WORKSPACE": workspace}
    assert run(environment, log=fake.log, handle=Stub()) == 2
    assert "actions/checkout" in fake.annotations()[0].message


def test_a_repository_around_the_workspace_is_not_taken_for_the_checkout(
    fake: FakeRunner, step: Callable[..., int], tmp_path: Path
) -> None:
    (fake.workspace / ".git").rmdir()
    (tmp_path / ".git").mkdir()
    stub = Stub()
    assert step(stub, "push", TAG) == 2
    assert stub.requests == []
    assert "no repository in the workspace" in fake.annotations()[0].message


def test_an_error_in_the_configuration_is_shown_at_its_line(fake: FakeRunner, step: Callable[..., int]) -> None:
    (fake.workspace / "ml").mkdir()
    error = RefusedError("unknown key", where="ml/tagboat.yaml:3")
    step(Stub(error), "push", TAG, working_directory="ml")
    assert fake.annotations()[0].properties["file"] == "ml/tagboat.yaml"
    assert fake.annotations()[0].properties["line"] == "3"


def test_a_cancelled_run_says_what_goes_on_without_it(fake: FakeRunner, step: Callable[..., int]) -> None:
    def cancel(_request: Request) -> Verdict:
        raise KeyboardInterrupt("AWS goes on without us")

    assert step(cancel, "push", TAG) == INTERRUPTED  # type: ignore[arg-type]
    assert "AWS goes on without us" in fake.summary_file.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_unwinds_reports_and_ignores_the_second_signal(
    fake: FakeRunner, step: Callable[..., int], number: signal.Signals
) -> None:
    unwound = threading.Event()

    def cancel(_request: Request) -> Verdict:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            unwound.set()
        raise AssertionError

    before = signal.getsignal(number)
    assert step(cancel, "push", TAG) == INTERRUPTED  # type: ignore[arg-type]
    assert unwound.is_set()
    assert "goes on from here" in fake.summary_file.read_text()
    assert fake.outputs()["status"] == "failed"
    assert signal.getsignal(number) is before


class TestAsAProcess:
    """The entry that the image starts, as a process of its own in a hostile checkout."""

    @staticmethod
    def start(fake: FakeRunner, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-m", "entrypoint", "action"],
            cwd=fake.workspace,
            env={"PATH": os.environ["PATH"], "HOME": str(fake.workspace)} | fake.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def test_C12_nothing_of_the_checkout_is_imported(self, fake: FakeRunner, tmp_path: Path) -> None:
        for name in ("entrypoint", "click", "msgspec", "jinja2", "sitecustomize", "usercustomize", "signal"):
            (fake.workspace / f"{name}.py").write_text("raise SystemExit('hostile')")
        (fake.workspace / "entrypoint").mkdir()
        (fake.workspace / "entrypoint" / "__init__.py").write_text("raise SystemExit('hostile')")
        event = payloads.event(tmp_path, "push", payloads.push("refs/tags/v2.0.0"))
        done = self.start(fake, event | {"PYTHONPATH": str(fake.workspace), "PYTHONSTARTUP": "entrypoint.py"})
        assert (done.returncode, "hostile" in done.stdout + done.stderr) == (0, False), done.stderr
        assert fake.outputs()["status"] == "unchanged"

    def test_in_the_container_everything_goes_through_one_pipe(self, fake: FakeRunner, tmp_path: Path) -> None:
        event = payloads.event(tmp_path, "push", payloads.push("refs/tags/v2.0.0"))
        done = self.start(fake, event | {"TAGBOAT_CONTAINER": "action", "PYTHONVERBOSE": "1"})
        assert done.returncode == 0, done.stdout
        assert done.stderr == ""

    def test_help_does_not_show_it(self) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "entrypoint", "--help"], capture_output=True, text=True, check=True
        )
        assert "action" not in [
            line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.split()
        ]


def test_the_runners_path_means_nothing_inside_the_image() -> None:
    inside = {"PATH": "/home/runner/bin", "TAGBOAT_CONTAINER": "action"}
    prepare_container(inside)
    assert inside["PATH"].startswith(str(Path(sys.executable).parent))
    assert "/home/runner" not in inside["PATH"]
    outside = {"PATH": "/home/runner/bin", "GITHUB_ACTIONS": "true"}
    prepare_container(outside)
    assert outside["PATH"] == "/home/runner/bin"


@pytest.mark.skipif(os.geteuid() != 0, reason="the container runs as root")
def test_the_container_keeps_its_cache_where_model_codes_own_user_reaches_it():
    assert own_cache({"GITHUB_ACTIONS": "true"}) is None
    assert own_cache({"TAGBOAT_CONTAINER": "action"}) == Path("/var/cache/tagboat")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
class TestOwnership:
    def test_what_root_wrote_goes_back_to_the_workspaces_owner(self, tmp_path: Path) -> None:
        workspace, outside = tmp_path / "workspace", tmp_path / "outside"
        (workspace / ".cache" / "deep").mkdir(parents=True)
        outside.mkdir()
        (workspace / ".cache" / "deep" / "model").write_text("x")
        (workspace / ".cache" / "link").symlink_to(outside)
        (outside / "theirs").write_text("x")
        os.chown(workspace, 1234, 1235)
        assert give_back(workspace, since=0) == 4
        for path in (".cache", ".cache/deep", ".cache/deep/model", ".cache/link"):
            assert (os.lstat(workspace / path).st_uid, os.lstat(workspace / path).st_gid) == (1234, 1235)
        assert outside.stat().st_uid == 0
        assert (outside / "theirs").stat().st_uid == 0

    def test_what_was_there_before_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "older").write_text("x")
        os.chown(tmp_path, 1234, 1235)
        assert give_back(tmp_path, since=os.lstat(tmp_path / "older").st_ctime + 10) == 0
        assert (tmp_path / "older").stat().st_uid == 0

    def test_a_workspace_of_roots_needs_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        assert give_back(tmp_path, since=0) == 0

    def test_the_step_does_so_also_when_it_is_cancelled(self, fake: FakeRunner, step: Callable[..., int]) -> None:
        os.chown(fake.workspace, 1234, 1235)

        def write_and_cancel(request: Request) -> Verdict:
            (request.directory / "written").write_text("x")
            raise KeyboardInterrupt

        assert step(write_and_cancel, "push", TAG) == INTERRUPTED  # type: ignore[arg-type]
        assert (fake.workspace / "written").stat().st_uid == 1234


def test_only_root_gives_files_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert give_back(tmp_path, since=0, user=lambda: 1000) == 0


def test_a_child_started_while_we_tidy_up_is_not_deaf(fake: FakeRunner, tmp_path: Path) -> None:
    """After the first signal ours are ignored by handlers, not by SIG_IGN, which a child would inherit."""
    script = textwrap.dedent("""
        import signal
        for number in (signal.SIGINT, signal.SIGTERM):
            print(signal.getsignal(number) is signal.SIG_IGN)
    """)
    seen: list[str] = []

    def cancel(_request: Request) -> Verdict:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            seen.append(
                subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
            )
        raise AssertionError

    run(fake.environment | payloads.event(tmp_path, "push", TAG), log=fake.log, handle=cancel)
    assert seen == ["False\nFalse\n"]


def test_a_comment_becomes_a_request_that_says_who_asks(step: Callable[..., int]) -> None:
    stub = Stub(Verdict(note="nothing"))
    payload = {"action": "created", "issue": {"number": 7}, "comment": {
        "body": "/promote churn@v1.4.0 to prod", "author_association": "MEMBER", "user": {"login": "ann"}}}  # fmt: skip
    assert step(stub, "issue_comment", payload, token="secret") == 0
    asked = stub.request
    assert (asked.command, asked.artifact, asked.version, asked.stage) == (Command.PROMOTE, "churn", "v1.4.0", "prod")
    assert (asked.asked_by, asked.config_ref) == ("ann", ConfigRef.DEFAULT_BRANCH)


def test_promote_by_input_is_nobodys_comment(step: Callable[..., int]) -> None:
    stub = Stub(Verdict(note="nothing"))
    assert step(stub, "schedule", {"schedule": "0 * * * *"}, command="promote", artifact="churn", stage="prod") == 0
    asked = stub.request
    assert (asked.command, asked.artifact, asked.stage, asked.asked_by) == (Command.PROMOTE, "churn", "prod", None)
