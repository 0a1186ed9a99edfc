"""tagboat.yaml: its mistakes, and where it and the registry speak past each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from deployers.settings import VARIABLE, Settings
from entrypoint.configuration import Configuration, InvalidConfigurationError, NoConfigurationError, settings_for
from entrypoint.configuration.mistakes import nearest
from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import Patient


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """The file's mistakes, or what it says against the registry."""
    loaded = patient.loaded
    if isinstance(loaded, NoConfigurationError):
        yield _finding(
            Severity.WARNING, patient.config, "there is no such file, so nothing is deployed", "Write one: tagboat init"
        )
    elif isinstance(loaded, InvalidConfigurationError):
        for mistake in loaded.mistakes:
            key = f"{mistake.key}: " if mistake.key else ""
            yield _finding(
                Severity.ERROR,
                f"{loaded.file}:{mistake.place.line}:{mistake.place.column}",
                key + mistake.message,
                mistake.hint or "docs/configuration.md has every key.",
            )
    else:
        yield from _committed(patient)
        yield from _remarks(patient, loaded)
        yield from _against_registry(patient, loaded)
        yield from _loose_ends(patient, loaded)
        yield from _branch(patient, loaded)


def _committed(patient: Patient) -> Iterator[Finding]:
    """In the Action the default branch counts, not what lies here."""
    here = (patient.repository.root / patient.config).read_bytes()
    there = patient.repository.read(patient.head, patient.config) if patient.head else None
    if there != here:
        state = "is not committed" if there is None else "differs from what is committed"
        yield _finding(
            Severity.NOTE,
            patient.config,
            f"the file {state}; in the Action the tip of the default branch counts",
            f"git add {patient.config}, commit and push to the default branch.",
        )


def _remarks(patient: Patient, configuration: Configuration) -> Iterator[Finding]:
    """What each target's kind of deployer says of its settings."""
    for name, target in configuration.targets.items():
        for remark in target.settings.remarks() if isinstance(target.settings, Settings) else ():
            severity = Severity.ERROR if remark.wrong else Severity.WARNING
            yield _finding(severity, f"{patient.config}: targets.{name}.{remark.key}", remark.message, remark.mend)


def _against_registry(patient: Patient, configuration: Configuration) -> Iterator[Finding]:
    artifacts = patient.registry.artifacts
    for name, artifact in artifacts.items():
        for stage in artifact.assignments:
            if not settings_for(configuration, name, stage).targets:
                yield _finding(
                    Severity.WARNING,
                    f"{name}#{stage}",
                    f"the registry has a version in the stage {stage}, and {patient.config} sends it nowhere",
                    f"Give stages.{stage}.targets, or an empty list where that is meant.",
                )
    for name in configuration.artifacts:
        if artifacts and name not in artifacts:
            close = nearest(name, artifacts)
            yield _finding(
                Severity.WARNING,
                f"{patient.config}: artifacts.{name}",
                "no artifact of this name is registered",
                f"Did you mean {close}?" if close else f"Register it (tagboat register {name}), or remove the entry.",
            )


def _loose_ends(patient: Patient, configuration: Configuration) -> Iterator[Finding]:
    narrow = [stage for artifact in configuration.artifacts.values() for stage in artifact.stages.values()]
    used: set[str] = set()
    for stage in [*configuration.stages.values(), *narrow]:
        used.update(stage.targets or ())
    for target in configuration.targets:
        if target not in used:
            where = f"{patient.config}: targets.{target}"
            yield _finding(Severity.NOTE, where, "no stage uses this target", "Name it in a stage, or remove it.")
    for name, artifact in patient.registry.artifacts.items():
        for stage_name in artifact.assignments:
            settings = settings_for(configuration, name, stage_name)
            if settings.targets and not settings.smoke:
                yield _finding(
                    Severity.NOTE,
                    f"{name}#{stage_name}",
                    "no smoke request is asked before a release counts as live",
                    f"Give smoke: at the top of {patient.config}, in the stage or in artifacts.{name}.",
                )
    for variable in sorted(_variables(configuration)):
        if not patient.environment.get(variable):
            yield _finding(
                Severity.NOTE,
                f"${{env:{variable}}}",
                f"the variable that {patient.config} names is not set here",
                "Set it where Tagboat runs: in a workflow in the step's env, from a secret.",
            )


def _branch(patient: Patient, configuration: Configuration) -> Iterator[Finding]:
    branch = configuration.policies.require_branch
    refs = (f"refs/heads/{branch}", f"refs/remotes/{patient.repository.remote}/{branch}")
    if branch is not None and not any(patient.repository.commit(ref) for ref in refs):
        yield _finding(
            Severity.WARNING,
            f"{patient.config}: policies.require-branch",
            f"there is no branch {branch!r} here, so no tag can count",
            "Correct the name, or fetch the branch.",
        )


def _variables(configuration: Configuration) -> set[str]:
    """Every variable that the configuration names."""
    found: set[str] = set()
    documents = [target.written for target in configuration.targets.values()]
    waiting: list[Any] = [
        msgspec.to_builtins([configuration.indexes, configuration.dvc, configuration.policies]),
        documents,
    ]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.update(VARIABLE.findall(value))
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
    return found


def _finding(severity: Severity, where: str, message: str, mend: str) -> Finding:
    return Finding(severity=severity, check="configuration", where=where, message=message, mend=mend)
