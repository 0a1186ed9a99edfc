"""Versions whose commit lacks the workflow: GitHub runs the workflow that is at the tagged commit, or none."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import WORKFLOWS, Patient
from entrypoint.doctor.workflowfiles import read_workflow

MOST = 200
"""Commits that are looked at, the newest first; each costs a git call."""
SHOWN = 5


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """Every registered version, where the checkout has a workflow that its commit could lack."""
    if not any(workflow.is_ours for workflow in patient.workflows):
        return
    known: dict[str, bool] = {}
    commits: dict[str, bool] = {}
    lacking = []
    for event in reversed(patient.registry.events):
        if event.commit not in commits and len(commits) < MOST:
            commits[event.commit] = _has_workflow(patient, event.commit, known)
    for artifact in patient.registry.artifacts.values():
        if not artifact.deprecated:
            lacking += [
                f"{artifact.name}@{state.version}" for state in artifact.versions if not commits.get(state.commit, True)
            ]
    if lacking:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        yield Finding(
            severity=Severity.WARNING,
            check="versions",
            where=", ".join(lacking[:SHOWN]) + more,
            message="the commit has no workflow that runs Tagboat, so GitHub starts none when a tag is put on it",
            mend="Assign it all the same: the scheduled reconcile deploys it, or `tagboat deploy REF` does at once.",
        )


def _has_workflow(patient: Patient, commit: str, known: dict[str, bool]) -> bool:
    for entry in patient.repository.list_tree(commit, WORKFLOWS):
        if entry.is_file and entry.path.endswith((".yml", ".yaml")):
            if entry.object_id not in known:
                content = patient.repository.read(commit, entry.path) or b""
                known[entry.object_id] = read_workflow(entry.path, content).is_ours
            if known[entry.object_id]:
                return True
    return False
