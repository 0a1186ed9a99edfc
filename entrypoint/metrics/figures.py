"""What a commit says in numbers: files of metrics and parameters, flattened, and its plots."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

Value = bool | int | float | str | None
"""One flat value. A float may be NaN or infinite; text has at most `documents.LONGEST_TEXT` characters."""


class Kind(enum.StrEnum):
    """What a file holds."""

    METRICS = "metrics"
    PARAMS = "params"


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``path`` from the repository's root; ``values`` by dotted names, in the file's order."""

    path: str
    kind: Kind
    values: Mapping[str, Value] = {}


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One file of plots. ``image``: a picture, else data; ``tracked``: DVC has it, and not Git."""

    path: str
    image: bool
    tracked: bool = False


class Metrics(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything of one commit. ``notes``: what was not read, and why."""

    commit: str
    sheets: Sequence[Sheet] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()

    @cached_property
    def metrics(self) -> Mapping[str, Value]:
        """Flat names → values; a name that two files have is written ``file:name`` for each of them, as DVC does."""
        return _flat(sheet for sheet in self.sheets if sheet.kind is Kind.METRICS)

    @cached_property
    def params(self) -> Mapping[str, Value]:
        """The same for parameters."""
        return _flat(sheet for sheet in self.sheets if sheet.kind is Kind.PARAMS)

    def of(self, artifact: str) -> Metrics:
        """What concerns one artifact: the files below its folder (``nlp:bert`` is in ``nlp/``), or all without one."""
        folder = artifact.rpartition(":")[0]
        if not folder:
            return self
        inside = f"{folder}/"
        return Metrics(
            commit=self.commit,
            sheets=[sheet for sheet in self.sheets if sheet.path.startswith(inside)],
            plots=[plot for plot in self.plots if plot.path.startswith(inside)],
            notes=self.notes,
        )


def _flat(sheets: Iterable[Sheet]) -> Mapping[str, Value]:
    kept = list(sheets)
    counted = Counter(name for sheet in kept for name in sheet.values)
    return {
        name if counted[name] == 1 else f"{sheet.path}:{name}": value
        for sheet in kept
        for name, value in sheet.values.items()
    }
