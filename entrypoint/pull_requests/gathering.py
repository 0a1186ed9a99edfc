"""The report on a change, gathered: base and head compared, stages looked up, versions' history, plots, plan."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from entrypoint.comparison import Comparing, Comparison, Side
from entrypoint.downloading.paths import is_below
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.metrics.fetching import fetcher
from entrypoint.metrics.reading import Fetch
from entrypoint.pull_requests.document import ChangeReport, InStage, PlotFile
from entrypoint.pull_requests.history import histories
from entrypoint.pull_requests.planning import Depth, plan
from entrypoint.registry.state import Registry
from entrypoint.registry.tags import is_artifact
from entrypoint.workspace import Workspace

MOST_STAGES = 12
"""Stages of all artifacts that the head is compared with."""
MOST_ARTIFACTS = 20
MOST_PLOTS = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be reported. ``label``: what the base is called, such as ``main``; ``number``: 0 for no pull request.

    ``offline``: read Git alone, with no remote and no target contacted (a fork's pull request).
    """

    base: str
    head: str
    label: str
    number: int = 0
    offline: bool = False


def gather(workspace: Workspace, registry: Registry, asked: Asked) -> ChangeReport:
    """The report. Both commits must be here; tagboat.yaml is the workspace's, never the head's."""
    comparing = Comparing(workspace.repository, workspace.configuration, None if asked.offline else _fetch(workspace))
    before, after = Side(label=asked.label, commit=asked.base), Side(label="this change", commit=asked.head)
    comparison = comparing.compare(before, after)
    touched = touched_artifacts(comparing, comparison)
    depth = (
        Depth.RENDERED if asked.offline else Depth.PLANNED if workspace.configuration.report.plan else Depth.COMPARED
    )
    return ChangeReport(
        number=asked.number,
        head=asked.head,
        base=asked.base,
        comparison=comparison,
        stages=list(_stages(comparing, registry, asked.head)),
        history=[
            history
            for name, state in list(registry.artifacts.items())[:MOST_ARTIFACTS]
            if not state.deprecated
            for history in histories(comparing, state, asked.head, "this")
        ],
        plots=list(_plots(comparing, asked)),
        artifacts=touched,
        planned=list(plan(workspace, registry, touched, asked.head, depth)),
    )


def touched_artifacts(comparing: Comparing, comparison: Comparison) -> list[str]:
    """The artifacts whose model, code, sample or requirements differ."""
    head = comparing.models(comparison.after.commit)
    changed = _changed_paths(comparing, comparison)
    found = []
    for name, path in head.items():
        if not is_artifact(name):
            continue
        settings = comparing.settings.artifacts.get(name)
        own = {path, f"{path}.mlem"}
        if settings is not None:
            named = settings.requirements if isinstance(settings.requirements, str) else None
            own |= {one for one in (*settings.code, settings.sample, named) if one}
        beside = posixpath.join(posixpath.dirname(path), "requirements.txt")
        own.add(beside if beside in comparing.contents(comparison.after.commit).tree else "requirements.txt")
        if any(file == one or is_below(file, one) or is_below(one, file) for file in changed for one in own):
            found.append(name)
    return sorted(found)[:MOST_ARTIFACTS]


def _changed_paths(comparing: Comparing, comparison: Comparison) -> set[str]:
    old, new = (comparing.contents(side.commit).tree for side in (comparison.before, comparison.after))
    return {path for path in {*old, *new} if old.get(path) != new.get(path)} | {
        change.path for change in comparison.files
    }


def _stages(comparing: Comparing, registry: Registry, head: str) -> Iterator[InStage]:
    """Each stage's version as a side of its own, where it is another commit than the head."""
    left = MOST_STAGES
    for name, state in registry.artifacts.items():
        for stage, assignment in state.assignments.items():
            if left == 0:
                return
            left -= 1
            side = Side(label=f"{stage} ({assignment.version})", commit=assignment.commit, artifact=name,
                        version=assignment.version, stage=stage)  # fmt: skip
            found = comparing.figures(side, Side(label="this change", commit=head, artifact=name))
            yield InStage(artifact=name, stage=stage, side=side, metrics=found.metrics,
                          params=found.params)  # fmt: skip


def _plots(comparing: Comparing, asked: Asked) -> Iterator[PlotFile]:
    one, other = comparing.contents(asked.base).tree, comparing.contents(asked.head).tree
    plots = {plot.path: plot for commit in (asked.base, asked.head) for plot in comparing.metrics(commit).plots}
    for path, plot in list(plots.items())[:MOST_PLOTS]:
        old, new = one.get(path), other.get(path)
        changed = (old.object_id if old else None) != (new.object_id if new else None)
        yield PlotFile(path=path, image=plot.image, before=old is not None, after=new is not None, changed=changed)


def _fetch(workspace: Workspace) -> Fetch:
    repository, trusted = workspace.repository, workspace.source.commit
    root, dvc = repository.root, workspace.configuration.dvc

    def remotes(path: str) -> RemoteSettings:
        if trusted is None:
            return RemoteSettings.of_checkout(repository, path, root=root, dvc=dvc)
        return RemoteSettings.at_commit(repository, trusted, path, root=root, dvc=dvc)

    return fetcher(repository, remotes, cache=workspace.cache / "objects", environment=workspace.request.environment)


def names_of(report: ChangeReport, registry: Registry, known: Sequence[str]) -> list[str]:
    """Of the artifacts that a hostile report names those that the registry or tagboat.yaml knows."""
    return [name for name in report.artifacts if name in registry.artifacts or name in known][:MOST_ARTIFACTS]
