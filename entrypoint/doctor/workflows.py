"""The workflows that run Tagboat: do tags reach them, may they do their work, and no more than that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from entrypoint.configuration import registration_for
from entrypoint.configuration.promotion_settings import Promotion
from entrypoint.configuration.report_settings import Report
from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import WORKFLOWS, Patient
from entrypoint.doctor.patterns import matches
from entrypoint.doctor.workflowfiles import Job, Workflow
from entrypoint.promotion.graph import rules_of
from entrypoint.publication import RELEASE, REPOSITORY

EXAMPLES = ("churn@v1.0.0", "churn#prod#1", "models/nlp=bert@v1.0.0", "models/nlp=bert#prod#1")
"""Tags that a workflow should take even where the registry has none like them yet."""

WRITES_TAGS = re.compile(
    r"\b(?:gto|tagboat)\s+(?:register|assign|unassign|deregister|deprecate)\b|\bgit\s+push\b.*(?:--tags|--follow-tags|refs/tags)"
)
DEPLOYING = frozenset({"create", "push", "schedule"})
"""Triggers by which a workflow deploys with nobody asking."""

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """All workflows of the working tree."""
    for workflow in patient.workflows:
        if workflow.problem:
            yield Unchecked(check="workflows", reason=f"{workflow.path}: {workflow.problem}")
    ours = [workflow for workflow in patient.workflows if workflow.is_ours]
    if not ours:
        message = "no workflow runs Tagboat, so a tag that is pushed deploys nothing on GitHub"
        yield _finding(Severity.WARNING, WORKFLOWS, message, "Write them: tagboat init (or deploy from elsewhere).")
        return
    yield from _reached_by_tags(patient, ours)
    yield from _scheduled(ours)
    for workflow in ours:
        yield from _permissions(patient, workflow)
        yield from _pinned(workflow)
        if workflow.cancels and not _only_reports(workflow):
            yield _finding(
                Severity.WARNING,
                workflow.path,
                "a newer run cancels one that is at work, in the middle of a rollout",
                "Set concurrency.cancel-in-progress: false.",
            )
        if "pull_request_target" in workflow.triggers:
            yield _finding(
                Severity.ERROR,
                workflow.path,
                "pull_request_target gives a stranger's pull request this workflow's secrets",
                "Take it out; deploy from tags.",
            )
    yield from _silent_tags(patient.workflows)


def _reached_by_tags(patient: Patient, ours: Sequence[Workflow]) -> Iterator[Finding]:
    """Is there, for each registry tag, a workflow that GitHub starts?"""
    listening = [workflow for workflow in ours if {"push", "create"} & workflow.triggers.keys()]
    if not listening:
        message = "no workflow that runs Tagboat starts when a tag is pushed"
        yield _finding(Severity.ERROR, ours[0].path, message, 'Add on: {push: {tags: ["**"]}}.')
        return
    real = [event.tag.name for event in patient.registry.events[-500:]]
    for names, severity in ((real, Severity.ERROR), (EXAMPLES, Severity.WARNING)):
        missed = [name for name in names if not any(_takes(workflow, name) for workflow in listening)]
        if missed:
            slash = " A * stops at a slash." if any("/" in name for name in missed) else ""
            yield _finding(
                severity,
                listening[0].path,
                f"a push of the tag {missed[0]} starts no workflow that runs Tagboat.{slash}",
                'Write the pattern as "**", quoted: on: {push: {tags: ["**"]}}.',
            )
            return


def _takes(workflow: Workflow, tag: str) -> bool:
    """Whether GitHub starts the workflow for a push of this tag (branch filters alone leave all tags out)."""
    if "create" in workflow.triggers:
        return True
    filters = workflow.triggers["push"]
    if not isinstance(filters, dict):
        return True
    if "tags" in filters:
        return matches(tag, _patterns(filters["tags"]))
    if "tags-ignore" in filters:
        return not matches(tag, _patterns(filters["tags-ignore"]))
    return not {"branches", "branches-ignore"} & filters.keys()


def _patterns(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [text for text in value or () if isinstance(text, str)]


def _scheduled(ours: Sequence[Workflow]) -> Iterator[Finding]:
    if not any(
        "schedule" in workflow.triggers and any(step.reconciles for step in workflow.steps()) for workflow in ours
    ):
        yield _finding(
            Severity.WARNING,
            WORKFLOWS,
            "nothing reconciles on a schedule, and GitHub sends no event for tags that a workflow pushes with its own "
            "token, nor for more than three tags pushed at once",
            "Add the scheduled workflow that tagboat init writes.",
        )


def _only_reports(workflow: Workflow) -> bool:
    """Whether all that it does is to report on pull requests: no slot is touched, and no tag is written."""
    return bool(workflow.triggers) and workflow.triggers.keys() <= {"pull_request", "workflow_run"}


def _permissions(patient: Patient, workflow: Workflow) -> Iterator[Finding]:
    reports = _only_reports(workflow)
    assigns = not reports and any(
        registration_for(patient.configuration, name).assign for name in ("", *patient.configuration.artifacts)
    )
    promotes = not reports and _promotes(patient.configuration.promotion)
    for job in workflow.jobs:
        if not any(step.is_ours for step in job.steps):
            continue
        granted = workflow.permissions if job.permissions is None else job.permissions
        where = f"{workflow.path}: jobs.{job.name}"
        if not reports:  # what cannot be asked for want of an identity is rendered
            yield from _identity(patient, granted, where, job)
        if granted is None:
            message = "it says no permissions, so the token may do whatever the repository's default allows"
            yield _finding(Severity.WARNING, where, message, "Add permissions: {contents: read}.")
        elif granted == "write-all":
            message = "the token may write everything"
            yield _finding(Severity.WARNING, where, message, "Write permissions: {contents: read}.")
        elif isinstance(granted, dict):
            yield from _contents(granted.get("contents", "none"), where, job, assigns=assigns, promotes=promotes)
            if DEPLOYING & set(workflow.triggers) and any(step.shows for step in job.steps):
                yield from _pages(patient.configuration.report, granted, where)
            if reports and granted.get("pull-requests") != "write":
                message = "the token may not comment on pull requests, and a report is a comment"
                yield _finding(Severity.WARNING, where, message, "Add pull-requests: write to its permissions.")


def _pages(report: Report, granted: dict[str, Any], where: str) -> Iterator[Finding]:
    """Whether the job may write what GitHub's pages are to show of it."""
    wanted = {"deployments": report.deployments, "checks": report.checks, "pull-requests": report.failure_comments}
    missing = [f"{name}: write" for name, on in wanted.items() if on and granted.get(name) != "write"]
    if missing:
        message = (
            "the token may not write all that GitHub's pages are to show of a run, so each one ends with a warning"
        )
        mend = f"Add {', '.join(missing)} to its permissions, or turn it off (report: in tagboat.yaml)."
        yield _finding(Severity.NOTE, where, message, mend)


def _identity(patient: Patient, granted: Any, where: str, job: Job) -> Iterator[Finding]:
    """Whether the job may say who it is to a cloud, where something in it relies on that."""
    if granted == "write-all" or (isinstance(granted, dict) and granted.get("id-token") == "write"):
        return
    logins = {name: target.written.get("login") for name, target in patient.configuration.targets.items()}
    relying = [
        f"targets.{name}" for name, login in logins.items() if isinstance(login, dict) and "web-identity" in login
    ]
    relying += [step.uses.partition("@")[0] for step in job.steps if "role-to-assume" in step.inputs
                and "aws-access-key-id" not in step.inputs]  # fmt: skip
    if relying:
        message = f"{', '.join(relying)} logs in by the job's identity, which the job may not have made out"
        yield _finding(Severity.ERROR, where, message, "Add id-token: write to its permissions.")


def _promotes(promotion: Promotion) -> bool:
    """Whether a run may write a promotion's tag without being asked for one."""
    return any(rule.automatic for stage in promotion for rule in rules_of(promotion, stage))


def _contents(contents: Any, where: str, job: Job, *, assigns: bool, promotes: bool) -> Iterator[Finding]:
    if contents not in {"read", "write"}:
        message = "the token may not read the repository, so neither tags nor models can be fetched"
        yield _finding(Severity.ERROR, where, message, "Add contents: read to its permissions.")
    elif assigns and contents != "write" and not all(step.reconciles for step in job.steps if step.is_ours):
        message = "registration.assign pushes a tag, and the token may not write"
        yield _finding(
            Severity.ERROR, where, message, "Give contents: write, or a token of your own as the input token."
        )
    elif promotes and contents != "write":
        message = "automatic promotions push a tag, also when it reconciles, and the token may not write"
        yield _finding(
            Severity.ERROR, where, message, "Give contents: write, or a token of your own as the input token."
        )


def _pinned(workflow: Workflow) -> Iterator[Finding]:
    for ref in {step.ref for step in workflow.steps() if step.ref}:
        if not COMMIT.fullmatch(ref) and not re.fullmatch(r"v[0-9][0-9.]*", ref):
            yield _finding(
                Severity.WARNING,
                workflow.path,
                f"the Action follows {ref!r}, which moves",
                f"Pin it to a release ({REPOSITORY}@{RELEASE}), or better to the release's commit.",
            )


def _silent_tags(workflows: Sequence[Workflow]) -> Iterator[Finding]:
    """Tags that a workflow pushes with its own token start no workflow."""
    for workflow in workflows:
        for job in workflow.jobs:
            own_token = any(step.inputs.keys() & {"token", "ssh-key"} for step in job.steps if "checkout" in step.uses)
            if not own_token and any(WRITES_TAGS.search(step.run) for step in job.steps):
                yield _finding(
                    Severity.WARNING,
                    f"{workflow.path}: jobs.{job.name}",
                    "it pushes registry tags with GITHUB_TOKEN, and GitHub starts no workflow for those",
                    "Deploy in the same job, or check out with the token of a GitHub App; the scheduled reconcile "
                    "catches up in any case.",
                )


def _finding(severity: Severity, where: str, message: str, mend: str) -> Finding:
    return Finding(severity=severity, check="workflows", where=where, message=message, mend=mend)
