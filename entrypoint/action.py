"""The face that GitHub Actions sees: inputs and event in; outputs, summary, annotations and exit code out.

Read `run` from top to bottom. Everything between is the same as on the command line; nothing here decides what is
deployed.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from deployers.errors import TagboatError
from entrypoint.configuration.report_settings import Report
from entrypoint.errors import UsageError
from entrypoint.github.events import TAGS, Act, Nothing, decide
from entrypoint.github.inputs import Inputs, Task, read_inputs
from entrypoint.github.log import ActionLog
from entrypoint.github.ownership import give_back
from entrypoint.github.runner import Runner
from entrypoint.github.witness import OnGitHub
from entrypoint.interruption import one_interrupt
from entrypoint.registry.git import find_root
from entrypoint.report.annotations import remarks
from entrypoint.report.outputs import outputs
from entrypoint.report.summary import summary
from entrypoint.report.verdict import Failure, Trigger, Verdict
from entrypoint.report.witness import Unwatched, Witness
from entrypoint.request import Command, Handle, Request

if TYPE_CHECKING:
    from entrypoint.pull_requests.asking import Reporting

INTERRUPTED: Final = 130
"""The exit code of a run that was cancelled, as shells have it."""

CONTAINER_CACHE: Final = Path("/var/cache/tagboat")
"""Where the container keeps what it downloads for the step: model code's own user reaches it, unlike root's home."""

PRIVATE: Final = re.compile(
    r"INPUT_|GITHUB_(OUTPUT|ENV|PATH|STATE|STEP_SUMMARY|TOKEN)$|ACTIONS_(RUNTIME|CACHE|RESULTS)_"
)
"""Variables of the runner's protocol: the run itself has no use for them, and its children still less."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The step that this process is: its variables, its log, its clock, and the pipeline it hands its request to."""

    environment: Mapping[str, str]
    log: TextIO
    clock: Callable[[], float] = time.time
    handle: Handle | None = None
    report: Callable[[Reporting], Verdict] | None = None


def run(
    environment: Mapping[str, str],
    *,
    log: TextIO | None = None,
    clock: Callable[[], float] = time.time,
    handle: Handle | None = None,
    report_on: Callable[[Reporting], Verdict] | None = None,
) -> int:
    """Run the step and return its exit code. ``handle``: the pipeline, and ``report_on``: reports; or a test's own."""
    step = Surroundings(environment=environment, log=log or sys.stdout, clock=clock, handle=handle, report=report_on)
    runner = Runner(environment, step.log)
    runner.mask(environment.get("INPUT_TOKEN", ""))
    started = clock()
    inputs: Inputs | None = None
    with one_interrupt() as deafen:
        try:
            with runner.fenced():
                inputs = read_inputs(environment, _workspace(environment))
                verdict = _act(step, runner, inputs)
        except TagboatError as error:
            verdict = Verdict(failure=Failure.of(error))
        except KeyboardInterrupt as error:
            hint = "Run it again: it goes on from here."
            message = f"the run was cancelled: {error}" if str(error) else "the run was cancelled"
            verdict = Verdict(failure=Failure(message=message, hint=hint, exit_code=INTERRUPTED))
        except Exception as error:  # noqa: BLE001 - the step must still end with outputs and a summary
            runner.say(traceback.format_exc())
            verdict = Verdict(failure=_defect(error))
        deafen()
        try:
            report(verdict, runner, environment, inputs)
        except TagboatError as error:
            runner.say(f"error: {error}")
            return error.exit_code
        finally:
            _tidy(environment, started)
    return verdict.exit_code


def report(verdict: Verdict, runner: Runner, environment: Mapping[str, str], inputs: Inputs | None = None) -> None:
    """Show the verdict in every way that a step can."""
    for line in _lines(verdict):
        runner.say(line)
    for name, value in outputs(verdict).items():
        runner.output(name, value)
    for remark in remarks(verdict, _config_path(inputs, environment)):
        runner.annotate(remark)
    runner.summary(summary(verdict, run_url=run_url(environment)))


def prepare_container(environment: MutableMapping[str, str]) -> None:
    """Undo what the runner's machine leaks into the image: its PATH is handed over, and means nothing here."""
    if in_container(environment):
        environment["PATH"] = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


def own_cache(environment: Mapping[str, str]) -> Path | None:
    """The container's own cache; None outside of it, where the user's is meant."""
    return CONTAINER_CACHE if in_container(environment) and os.geteuid() == 0 else None


def in_container(environment: Mapping[str, str]) -> bool:
    """Whether this is the container Action; its image says so, since GITHUB_ACTIONS is set outside of it as well."""
    return environment.get("TAGBOAT_CONTAINER") == "action"


def run_url(environment: Mapping[str, str]) -> str | None:
    """The address of this workflow run, where there is one."""
    server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    number = environment.get("GITHUB_RUN_ID", "")
    url = f"{server}/{repository}/actions/runs/{number}"
    return url if re.fullmatch(r"https?://[\w.:-]+/[\w.-]+/[\w.-]+/actions/runs/[0-9]+", url) else None


def _act(step: Surroundings, runner: Runner, inputs: Inputs) -> Verdict:
    """Decide what is asked for, and have the pipeline do it."""
    asked = _asked(step.environment, inputs)
    runner.say(asked.why)
    if isinstance(asked, Nothing):
        return Verdict(note=f"Nothing to do: {asked.why}.")
    _check_repository(inputs, _workspace(step.environment))
    request = _request(step, runner, inputs, asked)
    if asked.command is Command.REPORT:
        return _report(step, runner, inputs, request)
    try:
        return (step.handle or _pipeline())(request)
    except TagboatError as error:
        return Verdict(failure=Failure.of(error), trigger=Trigger(tag=(asked.ref or "").removeprefix(TAGS) or None))


def _request(step: Surroundings, runner: Runner, inputs: Inputs, asked: Act) -> Request:
    return Request(
        command=asked.command,
        directory=inputs.working_directory,
        environment={name: value for name, value in step.environment.items() if not PRIVATE.match(name)},
        ref=asked.ref,
        tag_is_gone=asked.tag_is_gone,
        artifact=inputs.artifact or asked.artifact,
        stage=inputs.stage or asked.stage,
        version=asked.version,
        asked_by=asked.asked_by,
        config=inputs.config,
        config_ref=inputs.config_ref,
        dry_run=inputs.dry_run or asked.command is Command.PLAN,
        retry=inputs.retry,
        tag=not inputs.no_tag,
        token=inputs.token,
        cache=inputs.cache_dir or own_cache(step.environment),
        in_action=in_container(step.environment),
        actor=step.environment.get("GITHUB_ACTOR") or None,
        run_url=run_url(step.environment),
        clock=step.clock,
        progress=ActionLog(runner),
        stories=True,
        witness=_witness(step.environment, inputs),
    )


def _report(step: Surroundings, runner: Runner, inputs: Inputs, request: Request) -> Verdict:
    """Report on a pull request: nothing is deployed, whatever the inputs say."""
    from entrypoint.github import changes
    from entrypoint.pull_requests.asking import Reporting

    change = changes.asked(step.environment)
    if isinstance(change, Nothing):
        return Verdict(note=f"Nothing to do: {change.why}.")
    asked = Reporting(request=request, asked=change, file=inputs.report_file, summary=runner.summary)
    return (step.report or _reports())(asked)


def _asked(environment: Mapping[str, str], inputs: Inputs) -> Act | Nothing:
    """The inputs come first, then the event. A pull request gets a report, whatever the inputs say."""
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event.startswith("pull_request") or event == "workflow_run":
        return decide(environment)
    if inputs.command in {Task.RECONCILE, Task.PROMOTE}:
        return Act(command=Command(inputs.command.value), why=f"{inputs.command.value} was asked for")
    if inputs.command in {Task.ROLLBACK, Task.REMOVE, Task.RELEASE_HOLD} and inputs.ref is None:
        hint = "Name the slot as ARTIFACT#STAGE, for instance `ref: churn#prod`."
        raise UsageError(f"command '{inputs.command}' needs a ref", where="input 'ref'", hint=hint)
    task = Command.DEPLOY if inputs.command is Task.AUTO else Command(inputs.command.value)
    if inputs.ref is not None:
        return Act(command=task, ref=inputs.ref, why=f"{task} of {inputs.ref} was asked for")
    asked = decide(environment)
    if isinstance(asked, Act) and inputs.command is Task.PLAN:
        return Act(command=Command.PLAN, ref=asked.ref, tag_is_gone=asked.tag_is_gone, why=asked.why)
    return asked


def _witness(environment: Mapping[str, str], inputs: Inputs) -> Callable[[Report], Witness]:
    """Who shows the run on GitHub's pages: nobody without a token, or outside of a repository there."""
    token, config = inputs.token, _config_path(inputs, environment)
    if token is None or not environment.get("GITHUB_REPOSITORY"):
        return lambda _: Unwatched()
    url = run_url(environment)
    return lambda settings: OnGitHub.of_step(settings, environment, token, config=config or "", run_url=url)


def _pipeline() -> Handle:
    from entrypoint.run import run as handle

    return handle


def _reports() -> Callable[[Reporting], Verdict]:
    from entrypoint.pull_requests.running import run as report_on

    return report_on


def _workspace(environment: Mapping[str, str]) -> Path:
    path = environment.get("GITHUB_WORKSPACE")
    if not path or not Path(path).is_dir():
        raise UsageError(
            "the workspace is missing",
            where="GITHUB_WORKSPACE",
            hint="Run actions/checkout before Tagboat; outside of GitHub Actions use `tagboat deploy REF`.",
        )
    return Path(path)


def _check_repository(inputs: Inputs, workspace: Path) -> None:
    """The repository that Git would take must be the checkout, not one that the workspace happens to lie in."""
    root = find_root(inputs.working_directory)
    if not root.is_relative_to(workspace.resolve()):
        raise UsageError(
            "there is no repository in the workspace",
            where="input 'working-directory'",
            hint="Run actions/checkout before Tagboat; where it has a `path:`, give that as working-directory.",
        )


def _config_path(inputs: Inputs | None, environment: Mapping[str, str]) -> str | None:
    """The configuration's path from the repository's root, for annotations."""
    if inputs is None:
        return None
    folder = inputs.working_directory.relative_to(Path(environment["GITHUB_WORKSPACE"]).resolve())
    return (folder / inputs.config).as_posix()


def _defect(error: Exception) -> Failure:
    return Failure(
        message=f"Tagboat itself failed: {type(error).__name__}: {error}",
        hint="This is a defect of Tagboat's; the log has the trace. Running it again is safe.",
    )


def _lines(verdict: Verdict) -> Iterator[str]:
    if verdict.note:
        yield verdict.note
    for slot in verdict.slots:
        url = f" at {slot.url}" if slot.url else ""
        reason = f": {slot.reason}" if slot.reason else ""
        yield f"{slot}: {slot.version or 'nothing'}: {slot.status}{url}{reason}"
    for promotion in verdict.promotions:
        tag = f" by {promotion.tag}" if promotion.tag else ""
        reason = f": {promotion.reason}" if promotion.reason else ""
        yield f"promotion of {promotion}: {promotion.status}{tag}{reason}"
    for preflight in verdict.preflights:
        fared = "passed" if preflight.passed else f"failed: {preflight.failure}"
        yield f"preflight of {preflight.artifact} {preflight.version}: {fared}"
    yield f"status: {verdict.status}"


def _tidy(environment: Mapping[str, str], started: float) -> None:
    with contextlib.suppress(TagboatError, OSError):
        give_back(_workspace(environment), started)
