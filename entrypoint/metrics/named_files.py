"""Which files of a commit hold metrics, parameters and plots: what its dvc.yaml files name, DVCLive's, and ours.

dvc.yaml names them at the top (``metrics:``, ``params:``, ``plots:``) and in each stage; DVC 3's schema is
dvc/schema.py. Of a stage's ``params`` only the files count here: the whole file is read. ``${var}`` is filled in by DVC
itself, from the files of the commit alone, as for annotations (`entrypoint.registry.templating`).
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrypoint.configuration.report_settings import Report
from entrypoint.downloading.contents import Contents
from entrypoint.errors import TagboatError
from entrypoint.registry.templating import CommitFiles, measured, parse_yaml

PROJECT = "dvc.yaml"
DEFAULT_PARAMS = "params.yaml"
LIVE = "dvclive"
MOST_PROJECTS = 50
"""dvc.yaml files of one commit that are read."""
MOST_FILES = 200
"""Files of a kind, of one commit."""
MOST_GENERATED = 100
"""Stages that one ``foreach`` or ``matrix`` may make."""
_KEPT = ("wdir", "metrics", "params", "plots", "vars")


@dataclass
class NamedFiles:
    """Paths from the repository's root, each once, in the order found. ``notes``: what could not be followed."""

    metrics: dict[str, None] = field(default_factory=dict)
    params: dict[str, None] = field(default_factory=dict)
    plots: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, folder: str, name: Any) -> None:
        """Take in one name as a dvc.yaml in ``folder`` writes it; what leads out of the repository is left out."""
        if not isinstance(name, str) or not name or len(name) > 1000 or "\0" in name or "\n" in name:
            return
        path = posixpath.normpath(posixpath.join(folder, name))
        if path.startswith(("/", "../")) or path in {".", ".."} or path.split("/")[0] in {".git", ".dvc"}:
            self.notes.append(f"{name[:200]}: leads out of the repository")
            return
        found: dict[str, None] = getattr(self, kind)
        if len(found) < MOST_FILES:
            found[path] = None


def named_files(contents: Contents, settings: Report) -> NamedFiles:
    """Every file that a commit, and ``report:`` of tagboat.yaml, call metrics, parameters or plots."""
    found = NamedFiles()
    for kind, listed in (("metrics", settings.metrics), ("params", settings.params)):
        for path in listed:
            found.add(kind, "", path)
    projects = [path for path in contents.tree if posixpath.basename(path) == PROJECT]
    if len(projects) > MOST_PROJECTS:
        found.notes.append(f"of {len(projects):,} dvc.yaml files the first {MOST_PROJECTS} were read")
    for path in projects[:MOST_PROJECTS]:
        try:
            _read_project(contents, path, found)
        except TagboatError as error:
            found.notes.append(f"{path}: {error.message}")
        folder = posixpath.dirname(path)
        if (default := posixpath.join(folder, DEFAULT_PARAMS)) in contents.tree:
            found.add("params", "", default)
    if DEFAULT_PARAMS in contents.tree:
        found.add("params", "", DEFAULT_PARAMS)
    _add_live(contents, found)
    return found


def _read_project(contents: Contents, path: str, found: NamedFiles) -> None:
    content = contents.read(path)
    document = parse_yaml(content, path) if content else {}
    measured(document, path)
    if not isinstance(document, dict):
        return
    folder = posixpath.dirname(path)
    top: dict[str, Any] = {key: document[key] for key in ("metrics", "params", "plots") if document.get(key)}
    _add_all(_filled(contents, folder, document, top, "top", found), folder, found)
    stages = document.get("stages")
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if not isinstance(stage, dict):
            continue
        for one in _generated(contents, folder, document, str(name), stage, found):
            wdir = one.get("wdir")
            inside = posixpath.join(folder, wdir) if isinstance(wdir, str) else folder
            _add_all(one, inside, found, stage=True)


def _add_all(section: Mapping[str, Any], folder: str, found: NamedFiles, *, stage: bool = False) -> None:
    for entry in _sequence(section.get("metrics")):
        for name in _names(entry):
            found.add("metrics", folder, name)
    for entry in _sequence(section.get("plots")):
        for name, details in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            _add_plot(str(name), details, folder, found, stage=stage)
    for entry in _sequence(section.get("params")):
        if isinstance(entry, dict):
            for name in entry:
                found.add("params", folder, name)
        elif stage:
            found.add("params", folder, DEFAULT_PARAMS)
        else:
            found.add("params", folder, entry)


def _add_plot(name: str, details: Any, folder: str, found: NamedFiles, *, stage: bool) -> None:
    """A plot's own name is a file, unless ``y`` names the files (``y: {logs.csv: loss}``)."""
    axis = details.get("y") if isinstance(details, dict) and not stage else None
    if isinstance(axis, dict):
        for file in axis:
            found.add("plots", folder, file)
    else:
        found.add("plots", folder, name)


def _add_live(contents: Contents, found: NamedFiles) -> None:
    """What DVCLive writes where nobody has told dvc.yaml of it."""
    for path in contents.tree:
        parts = path.split("/")
        if LIVE not in parts[:-1]:
            continue
        inside = "/".join(parts[parts.index(LIVE) + 1 :])
        if inside == "metrics.json":
            found.add("metrics", "", path)
        elif inside == DEFAULT_PARAMS:
            found.add("params", "", path)
        elif inside.startswith("plots/"):
            found.add("plots", "", path)


def _generated(
    contents: Contents, folder: str, document: Mapping[str, Any], name: str, stage: Mapping[str, Any], found: NamedFiles
) -> Iterator[Mapping[str, Any]]:
    """The stages that one entry stands for: itself, or all that its ``foreach`` or ``matrix`` makes."""
    inner = stage.get("do")
    body: Mapping[str, Any] = inner if isinstance(inner, dict) else stage
    shown = {key: body[key] for key in _KEPT if body.get(key)}
    if "foreach" not in stage and "matrix" not in stage:
        yield _filled(contents, folder, document, shown, name, found)
    elif any(_has_templates(shown.get(key)) for key in ("wdir", "metrics", "params", "plots")):
        if not _is_small(stage):
            found.notes.append(
                f"{folder or '.'}: stage {name[:100]}: it makes too many stages, or nobody can say how many"
            )
            return
        loop = {key: stage[key] for key in ("foreach", "matrix") if key in stage}
        entry = {**loop, "do": {**shown, "cmd": "true"}} if "foreach" in stage else {**loop, **shown, "cmd": "true"}
        yield from _resolved(contents, folder, document, name, entry, found)
    else:
        yield shown


def _filled(
    contents: Contents, folder: str, document: Mapping[str, Any], section: dict[str, Any], name: str, found: NamedFiles
) -> Mapping[str, Any]:
    """A section with every ``${var}`` replaced; without those that cannot be."""
    if not _has_templates(section):
        return section
    entry = {"vars": section.get("vars", []), "cmd": "true", **{k: v for k, v in section.items() if k != "vars"}}
    return next(iter(_resolved(contents, folder, document, name, entry, found)), {})


def _resolved(
    contents: Contents, folder: str, document: Mapping[str, Any], name: str, entry: dict[str, Any], found: NamedFiles
) -> Sequence[Mapping[str, Any]]:
    """What DVC makes of one entry. It is told of no command, and of no file but the commit's."""
    from types import SimpleNamespace

    from dvc.exceptions import DvcException
    from dvc.parsing import DataResolver

    repo = SimpleNamespace(fs=CommitFiles(contents.commits, contents.commit), config={})
    sections = {"stages": {"stage": entry}, "vars": document.get("vars") or []}
    try:
        resolver = DataResolver(repo, folder, sections)
        keys = list(resolver.get_keys())
        if len(keys) <= MOST_GENERATED:
            return [resolver.resolve_one(key)[key] for key in keys]
        reason = f"it makes {len(keys):,} stages"
    except (DvcException, TagboatError, AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
    except RecursionError:
        reason = "it is nested too deeply"
    found.notes.append(f"{posixpath.join(folder, PROJECT)}: stage {name[:100]}: {reason}")
    return []


def _is_small(stage: Mapping[str, Any]) -> bool:
    """Whether a ``matrix`` surely makes few stages; a ``foreach`` makes one for each value, and those are counted."""
    if "matrix" not in stage:
        return True
    axes = stage["matrix"]
    if not isinstance(axes, dict) or sum(isinstance(axis, str) for axis in axes.values()) > 1:
        return False
    return math.prod(len(axis) for axis in axes.values() if isinstance(axis, list)) <= MOST_GENERATED


def _names(entry: Any) -> list[Any]:
    return list(entry) if isinstance(entry, dict) else [entry]


def _sequence(value: Any) -> list[Any]:
    """A list; DVC before 3 wrote plots as a mapping."""
    if isinstance(value, dict):
        return [{name: details} for name, details in value.items()]
    return value if isinstance(value, list) else []


def _has_templates(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(_has_templates(key) or _has_templates(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_templates, value))
