"""What is wrong with a repository that is, or is to be, a registry; each finding with its mend.

`examine` runs every check; one that cannot be done is named with the reason, and stops no other. Everything is read
from Git and from the files; only the tag rules are asked of GitHub, and only with a token.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployers.errors import TagboatError
from entrypoint.doctor import machine, models, rules, settings, tags, versions, workflows
from entrypoint.doctor.findings import Check, Finding, Report, Severity, Unchecked
from entrypoint.doctor.patient import Patient

__all__ = ["CHECKS", "Finding", "Patient", "Report", "Severity", "Unchecked", "examine"]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("machine", machine.check),
    ("tags", tags.check),
    ("annotations", models.check),
    ("configuration", settings.check),
    ("workflows", workflows.check),
    ("versions", versions.check),
    ("tag-rules", rules.check),
)
"""Every check by its name, in the order of the report."""


def examine(patient: Patient) -> Report:
    """Run all checks."""
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    for name, check in CHECKS:
        try:
            for result in _results(check, patient):
                if isinstance(result, Finding):
                    findings.append(result)
                else:
                    unchecked.append(result)
        except TagboatError as error:
            unchecked.append(Unchecked(check=name, reason=str(error.message), mend=error.hint))
    return Report(findings=tuple(sorted(findings, key=_weight)), unchecked=tuple(unchecked))


def _results(check: Check, patient: Patient) -> Iterator[Finding | Unchecked]:
    yield from check(patient)


def _weight(finding: Finding) -> int:
    return list(Severity).index(finding.severity)
