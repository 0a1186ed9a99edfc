"""Annotations: where an artifact's files are, and what is said of it, at one commit.

Two places. ``artifacts:`` of a dvc.yaml, whose paths start at that dvc.yaml's folder, and whose folder is a part of
the artifact's name (``nlp/dvc.yaml`` with ``bert`` annotates ``nlp:bert``); and GTO's older artifacts.yaml at the top,
whose paths start there. The dvc.yaml wins. Both are read from the commit, never from the working tree.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from entrypoint.errors import ConfigurationError, UnsafeContentError
from entrypoint.registry.annotated import INDEX
from entrypoint.registry.repository import Repository
from entrypoint.registry.tags import shown
from entrypoint.registry.templating import measured, parse_yaml, plain, resolve_templates

PROJECT = "dvc.yaml"


@dataclass(frozen=True)
class Annotation:
    """What is said of an artifact. ``path``: from the top of the repository. ``where``: the file that says so."""

    path: str | None = None
    type: str | None = None
    labels: tuple[str, ...] = ()
    description: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""


def annotation(repository: Repository, commit: str, artifact: str) -> Annotation | None:
    """What a commit says of one artifact, or None; reads only the files that can say it."""
    folder, _, name = artifact.rpartition(":")
    project = posixpath.normpath(posixpath.join(folder, PROJECT))
    found = read_project(repository, commit, project).get(name)
    return found or read_index(repository, commit).get(artifact)


def annotations(repository: Repository, commit: str) -> dict[str, Annotation]:
    """Everything that a commit says, by artifact."""
    found = dict(read_index(repository, commit))
    for entry in repository.list_tree(commit):
        if entry.is_file and posixpath.basename(entry.path) == PROJECT:
            folder = posixpath.dirname(entry.path)
            for name, said in read_project(repository, commit, entry.path).items():
                found[f"{folder}:{name}" if folder else name] = said
    return found


def read_project(repository: Repository, commit: str, path: str) -> dict[str, Annotation]:
    """The ``artifacts:`` of one dvc.yaml, by their names there, ``${var}`` resolved as DVC does."""
    content = repository.read(commit, path)
    if content is None:
        return {}
    where = f"{path} at {commit[:7]}"
    document = parse_yaml(content, where)
    entries = document.get("artifacts") if isinstance(document, dict) else None
    if not entries:
        return {}
    if not isinstance(entries, dict):
        raise ConfigurationError("`artifacts` must map names to annotations", where=where)
    measured(entries, where)
    folder = posixpath.dirname(path)
    if _has_templates(entries):
        entries = resolve_templates(repository, commit, folder, document)
        measured(entries, where)
    found = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise ConfigurationError("an artifact needs a `path`", where=f"{where}: artifacts.{shown(str(name))}")
        found[str(name)] = _annotation(entry, folder, entry.get("desc"), entry.get("meta"), where, str(name))
    return found


def read_index(repository: Repository, commit: str) -> dict[str, Annotation]:
    """GTO's artifacts.yaml, by artifact."""
    content = repository.read(commit, INDEX)
    if content is None:
        return {}
    where = f"{INDEX} at {commit[:7]}"
    document = parse_yaml(content, where)
    if not isinstance(document, dict) or not all(isinstance(entry, dict) for entry in document.values()):
        raise ConfigurationError("the file must map names to annotations", where=where)
    measured(document, where)
    return {
        str(name): _annotation(entry, "", entry.get("description"), entry.get("custom"), where, str(name))
        for name, entry in document.items()
    }


def _annotation(entry: dict[Any, Any], folder: str, description: Any, meta: Any, where: str, name: str) -> Annotation:
    path, kind, labels = entry.get("path"), entry.get("type"), entry.get("labels") or ()
    if not isinstance(labels, (list, tuple)):
        labels = (labels,)
    return Annotation(
        path=_placed(path, folder, f"{where}: {shown(name)}") if path else None,
        type=str(kind) if kind is not None else None,
        labels=tuple(str(label) for label in labels),
        description=str(description) if description else None,
        meta=plain(meta if isinstance(meta, dict) else {} if meta is None else {"custom": meta}),
        where=where,
    )


def _placed(path: Any, folder: str, where: str) -> str:
    """A path from the top of the repository. Raises `UnsafeContentError` when it leaves it."""
    placed = posixpath.normpath(posixpath.join(folder, str(path)))
    if placed.startswith(("/", "../")) or placed in {"..", "."} or "\0" in placed or "\n" in placed:
        raise UnsafeContentError("the path leads out of the repository", where=where, hint="Name a path inside it.")
    if placed.split("/")[0] in {".git", ".dvc"}:
        raise UnsafeContentError("the path leads into Git's or DVC's own folder", where=where)
    return placed


def _has_templates(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(_has_templates(key) or _has_templates(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(_has_templates, value))
