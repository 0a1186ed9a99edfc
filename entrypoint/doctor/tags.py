"""Tags that are no part of the registry, or count otherwise than somebody meant; and a clone that lacks history."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import Patient


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """The registry's problems and warnings, and what the clone cannot tell."""
    registry = patient.registry
    for problem in registry.problems:
        yield Finding(
            severity=Severity.WARNING,
            check="tags",
            where=problem.tag,
            message=f"not counted: {problem.reason}",
            mend=_deletion(problem.tag),
        )
    for warning in registry.warnings:
        tag, _, doubt = warning.partition(": ")
        yield Finding(
            severity=Severity.NOTE,
            check="tags",
            where=tag,
            message=doubt,
            mend="Look at it with `tagboat history`; a newer tag settles what is meant.",
        )
    if not registry.artifacts:
        yield Finding(
            severity=Severity.NOTE,
            check="tags",
            where="the registry",
            message="no artifact is registered here",
            mend="Fetch the tags (git fetch --tags --force), or register a version: tagboat register NAME",
        )
    if patient.repository.is_shallow:
        yield Finding(
            severity=Severity.NOTE,
            check="tags",
            where="this clone",
            message="its history is cut off, as actions/checkout leaves it; policy require-branch needs all of it",
            mend="Tagboat fetches what it needs. To have it all: git fetch --unshallow --tags, or fetch-depth: 0.",
        )


def _deletion(tag: str) -> str:
    if not tag.isprintable() or tag.startswith("-"):
        return "Delete the tag here and on the remote."
    ref = shlex.quote(f"refs/tags/{tag}")
    delete = f"git tag -d -- {shlex.quote(tag)} && git push origin --delete {ref}"
    return f"Delete it here and on the remote ({delete}), then tag anew with tagboat."
