"""Whether the versions that matter can be found: a path at their commit, and something in Git or DVC that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployers.errors import TagboatError
from deployers.wrapping import model_formats
from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import Patient
from entrypoint.downloading.contents import Contents, GitFile, TrackedPart
from entrypoint.registry import artifacts
from entrypoint.registry.state import ArtifactState, VersionState


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """The latest version of each artifact, and those that are in a stage."""
    for artifact in patient.registry.artifacts.values():
        for version in _mattering(artifact):
            where = f"{artifact.name}@{version.version}"
            try:
                yield from _version(patient, artifact.name, version, where)
            except TagboatError as error:
                message = f"{error.where}: {error.message}" if error.where else error.message
                yield _finding(Severity.ERROR, where, message, error.hint or "Correct it, and register anew.")


def _mattering(artifact: ArtifactState) -> list[VersionState]:
    if artifact.deprecated:
        return []
    return [version for version in artifact.versions if version.stages or version is artifact.latest_version]


def _version(patient: Patient, name: str, version: VersionState, where: str) -> Iterator[Finding]:
    at = f"at {version.commit[:7]}"
    annotation = artifacts.annotation(patient.repository, version.commit, name)
    override = patient.configuration.artifacts.get(name)
    path = (annotation.path if annotation else None) or (override.path if override else None)
    if path is None:
        mend = f"Give artifacts.{name}.path in tagboat.yaml, or annotate it in dvc.yaml (artifacts:) and register anew."
        yield _finding(Severity.ERROR, where, f"nothing {at} says where the model is", mend)
        return
    contents = Contents(patient.repository, version.commit)
    parts = [*contents.find(path), *contents.find(f"{path}.mlem", everywhere=False)]
    if not parts:
        mend = "Correct the path, or add the model (dvc add, git add, dvc push), and register anew."
        yield _finding(Severity.ERROR, where, f"{at} there is no file, folder or DVC output {path!r}", mend)
    elif not (override and override.format) and not _told(path, parts):
        formats = ", ".join(model_formats.FORMATS)
        mend = f"Set artifacts.{name}.format in tagboat.yaml ({formats}), or put a predictor.py beside it."
        yield _finding(Severity.ERROR, where, f"{at} nothing tells of which format {path!r} is", mend)
    if annotation is None or not annotation.type:
        mend = f"Add `type: model` to artifacts.{name} in dvc.yaml, so that people and tools know what it is."
        yield _finding(Severity.NOTE, where, "its annotation has no type", mend)


def _told(path: str, parts: Sequence[GitFile | TrackedPart]) -> bool:
    """Whether the model's format can be told. What is in a folder of DVC's is known only when it is downloaded."""
    if any(isinstance(part, TrackedPart) and part.path != path for part in parts):
        return True
    if any(isinstance(part, TrackedPart) and part.pointer.is_folder and not part.below for part in parts):
        return True
    return model_formats.can_be_told(path, [part.path for part in parts])


def _finding(severity: Severity, where: str, message: str, mend: str) -> Finding:
    return Finding(severity=severity, check="annotations", where=where, message=message, mend=mend)
