"""Reports as the Action makes them: gathered and shown in one run, or in two where the pull request is a fork's.

In the second of the two nothing of the first one is believed but its words: which pull request it is about, GitHub is
asked; what is live, the targets are; and no file of the head is read.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import msgspec

from entrypoint.errors import RefusedError, UnsafeContentError, UsageError
from entrypoint.github import comments
from entrypoint.github.changes import FinishedRun, PullRequest, Stranger
from entrypoint.github.client import GitHub, connect
from entrypoint.pull_requests import document
from entrypoint.pull_requests.asking import Reporting
from entrypoint.pull_requests.document import ChangeReport
from entrypoint.pull_requests.gathering import Asked, gather, names_of
from entrypoint.pull_requests.opening import bring, fork_point, open_workspace
from entrypoint.pull_requests.page import COMMENT, SUMMARY, Place, page
from entrypoint.pull_requests.planning import Depth, plan
from entrypoint.registry.repository import Repository
from entrypoint.report.verdict import Trigger, Verdict
from entrypoint.request import ConfigRef
from entrypoint.workspace import Workspace


def run(reporting: Reporting) -> Verdict:
    """Gather, show, hand on. Raises `TagboatError` where that cannot be."""
    match reporting.asked:
        case PullRequest():
            return _report(reporting, reporting.asked)
        case FinishedRun():
            return _show(reporting, reporting.asked)
        case Stranger():
            return _refuse(reporting, reporting.asked)


def _report(reporting: Reporting, pull: PullRequest) -> Verdict:
    workspace = _workspace(reporting)
    repository = workspace.repository
    bring(repository, (pull.base, pull.head))
    base = fork_point(repository, pull.base, pull.head)
    asked = Asked(base=base, head=pull.head, label=pull.base_branch or "base", number=pull.number,
                  offline=not pull.trusted)  # fmt: skip
    report = gather(workspace, workspace.read_registry(), asked)
    reporting.summary(page(report, _place(reporting), SUMMARY))
    if reporting.file is not None:
        document.write(reporting.file, report)
    if not pull.trusted:
        left = f"left in {reporting.file.name}" if reporting.file else "in the summary alone: no report-file is set"
        return _ended(f"The report on #{pull.number}, a fork's, is {left}; this run has no right to comment.")
    return _ended(_comment(reporting, report))


def _show(reporting: Reporting, finished: FinishedRun) -> Verdict:
    if reporting.file is None:
        raise UsageError(
            "a report is to be shown, and no file is named",
            where="input 'report-file'",
            hint="Download the first workflow's artifact, and name the file in it.",
        )
    report = document.read(reporting.file)
    if report.head != finished.head:
        raise UnsafeContentError(
            "the report is about another commit than the run that left it", where=str(reporting.file.name)
        )
    with closing(_github(reporting)) as github, github.asking(f"look at #{report.number}") as repository:
        pull = repository.get_pull(report.number)
        head, there, state = pull.head.sha, pull.head.repo.full_name if pull.head.repo else "", pull.state
    if there != finished.repository:
        raise UnsafeContentError(f"#{report.number} is no pull request of the repository that left the report",
                                 where=str(reporting.file.name))  # fmt: skip
    if state != "open" or head != finished.head:
        return _ended(f"#{report.number} has moved on since the report was made; nothing to do.")
    workspace = _workspace(reporting)
    registry = workspace.read_registry()
    names = names_of(report, registry, list(workspace.configuration.artifacts))
    planned = list(plan(workspace, registry, names, finished.head, Depth.COMPARED))
    report = msgspec.structs.replace(report, planned=planned)
    reporting.summary(page(report, _place(reporting), SUMMARY))
    return _ended(_comment(reporting, report))


def _refuse(reporting: Reporting, stranger: Stranger) -> Verdict:
    repository = Repository(reporting.request.directory, reporting.request.environment)
    if any(repository.commit(commit) is not None for commit in stranger.commits):
        raise RefusedError(
            "pull_request_target has this repository's secrets, and a stranger's commit is checked out",
            where="the workflow",
            hint="Use `pull_request`, and for forks `workflow_run` beside it: examples/workflows/report-fork.yml.",
        )
    return _ended(
        "Nothing to do: pull_request_target gets no report; use `pull_request`, and `workflow_run` for forks."
    )


def _comment(reporting: Reporting, report: ChangeReport) -> str:
    """Show the report, and say where. A pull request that touches no model gets no comment unless it has one."""
    request = reporting.request
    inside = request.directory.resolve().relative_to(Repository(request.directory, request.environment).root)
    marker = f"report {(inside / request.config).as_posix()}"
    body = page(report, _place(reporting), COMMENT)
    put = comments.replace if report.quiet else comments.put
    with closing(_github(reporting)) as github:
        url = put(github, report.number, marker, body)
    if url is None:
        return f"#{report.number} changes nothing that a model is made of or measured by: no comment."
    return f"The report on #{report.number} is at {url}"


def _github(reporting: Reporting) -> GitHub:
    request = reporting.request
    if not request.token:
        raise UsageError("a comment needs a token", where="input 'token'", hint="Give it pull-requests: write.")
    return connect(request.environment, request.token)


def _workspace(reporting: Reporting) -> Workspace:
    """tagboat.yaml of the default branch, whatever was asked for: the checkout is the pull request's."""
    return open_workspace(replace(reporting.request, config_ref=ConfigRef.DEFAULT_BRANCH))


def _place(reporting: Reporting) -> Place:
    environment = reporting.request.environment
    return Place(
        server=environment.get("GITHUB_SERVER_URL"),
        repository=environment.get("GITHUB_REPOSITORY"),
        whole=reporting.request.run_url,
    )


def _ended(note: str) -> Verdict:
    return Verdict(note=note, trigger=Trigger(), dry_run=True)
