"""One comparison: metrics, parameters, data and model files, requirements of two commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from entrypoint.comparison.files import FileChange, file_changes
from entrypoint.comparison.requirement_changes import RequirementChange, requirement_changes
from entrypoint.comparison.sides import Side
from entrypoint.configuration import Configuration
from entrypoint.downloading.contents import Contents
from entrypoint.errors import TagboatError
from entrypoint.metrics import Difference, Directions, Metrics, differences
from entrypoint.metrics import read as read_metrics
from entrypoint.metrics.reading import Fetch
from entrypoint.registry import artifacts
from entrypoint.registry.repository import Repository


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """``after`` against ``before``. ``notes``: what could not be read, and why."""

    before: Side
    after: Side
    metrics: Sequence[Difference] = ()
    params: Sequence[Difference] = ()
    files: Sequence[FileChange] = ()
    requirements: Sequence[RequirementChange] = ()
    notes: Sequence[str] = ()


class Comparing:
    """Compares commits of one repository; each commit is read once.

    ``settings``: tagboat.yaml, from where it is trusted. ``fetch``: brings small metrics that DVC has and Git has not.
    """

    def __init__(self, repository: Repository, settings: Configuration, fetch: Fetch | None = None) -> None:
        self.repository = repository
        self.settings = settings
        self.directions = Directions(settings.report.directions)
        self.metrics = cache(lambda commit: read_metrics(repository, commit, settings.report, fetch=fetch))
        self.contents = cache(lambda commit: Contents(repository, commit))
        self.models = cache(self._models)

    def compare(self, before: Side, after: Side) -> Comparison:
        """Everything that differs, and what does not: an unchanged metric is worth telling, too.

        Where both sides are of one artifact, only what concerns that one.
        """
        old, new = self._figures(before, after)
        notes = list(dict.fromkeys((*new.notes, *old.notes)))
        one, other = self.contents(before.commit), self.contents(after.commit)
        models = {**self.models(before.commit), **self.models(after.commit)}
        files = file_changes(one, other, models.values(), _shown_as_figures(old, new))
        requirements = requirement_changes(one, other, notes)
        notes += [str(error) for side in (one, other) for error in side.passed_over]
        return Comparison(
            before=before,
            after=after,
            metrics=differences(old.metrics, new.metrics, self.directions),
            params=differences(old.params, new.params),
            files=files,
            requirements=requirements,
            notes=list(dict.fromkeys(notes)),
        )

    def figures(self, before: Side, after: Side) -> Comparison:
        """The metrics and parameters alone."""
        old, new = self._figures(before, after)
        return Comparison(
            before=before,
            after=after,
            metrics=differences(old.metrics, new.metrics, self.directions),
            params=differences(old.params, new.params),
        )

    def _figures(self, before: Side, after: Side) -> tuple[Metrics, Metrics]:
        old: Metrics = self.metrics(before.commit)
        new: Metrics = self.metrics(after.commit)
        named = {side.artifact for side in (before, after) if side.artifact}
        if len(named) == 1:
            (artifact,) = named
            return old.of(artifact), new.of(artifact)
        return old, new

    def _models(self, commit: str) -> Mapping[str, str]:
        """Artifact → the path of its model, as the commit and tagboat.yaml say."""
        found = {name: one.path for name, one in self.settings.artifacts.items() if one.path}
        try:
            said = artifacts.annotations(self.repository, commit)
        except TagboatError:
            return found  # a broken dvc.yaml is noted where its metrics are read
        return {**found, **{name: one.path for name, one in said.items() if one.path}}


def _shown_as_figures(*sides: Metrics) -> set[str]:
    shown = {sheet.path for side in sides for sheet in side.sheets}
    return shown | {plot.path for side in sides for plot in side.plots}
