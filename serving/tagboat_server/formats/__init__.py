"""Model formats: ours, and those of other packages by the entry point group ``tagboat_server.formats``."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Optional

from tagboat_server import own_code
from tagboat_server.errors import ModelError
from tagboat_server.formats.base import Format
from tagboat_server.model import LoadedModel

GROUP = "tagboat_server.formats"

OURS = {
    "mlem": "tagboat_server.formats.mlem",
    "mlflow": "tagboat_server.formats.mlflow",
    "python": "tagboat_server.formats.python",
    "onnx": "tagboat_server.formats.onnx",
    "lightgbm": "tagboat_server.formats.lightgbm",
    "catboost": "tagboat_server.formats.catboost",
    "xgboost": "tagboat_server.formats.xgboost",
    "torch-export": "tagboat_server.formats.torch_export",
    "torchscript": "tagboat_server.formats.torchscript",
    "sklearn-skops": "tagboat_server.formats.sklearn_skops",
    "sklearn-joblib": "tagboat_server.formats.sklearn_joblib",
    "sklearn-pickle": "tagboat_server.formats.sklearn_pickle",
}
"""Our formats in the order in which a file is tried; each module has a ``FORMAT``."""

ALIASES = {"joblib": "sklearn-joblib", "pickle": "sklearn-pickle", "skops": "sklearn-skops"}


def find(name: Optional[str], path: Path) -> Format:
    """The format by its name, or without one the format that recognises the file."""
    others = {entry.name: entry for entry in entry_points()}
    if name is not None:
        name = ALIASES.get(name, name)
        if name in others:
            return others[name].load()
        if name in OURS:
            return ours(name)
        raise ModelError(f"no format is called {name!r}", hint=f"Known: {', '.join([*OURS, *sorted(others)])}.")
    for candidate in [*(entry.load() for entry in others.values()), *(ours(known) for known in OURS)]:
        if candidate.recognises(path):
            return candidate
    raise ModelError(
        "the format of the model cannot be told from its files",
        where=path.name,
        hint=f"Name it (`format:` in tagboat.yaml): {', '.join([*OURS, *sorted(others)])}.",
    )


def load(name: Optional[str], path: Path) -> LoadedModel:
    """Load the model at ``path``; runs its code."""
    own_code.leave_unwritten(path if path.is_dir() else path.parent)
    return find(name, path).load(path)


def ours(name: str) -> Format:
    """One of our own formats."""
    found: Format = import_module(OURS[name]).FORMAT
    return found


def entry_points() -> list[metadata.EntryPoint]:
    """The formats that other packages offer."""
    if sys.version_info >= (3, 10):
        return list(metadata.entry_points(group=GROUP))
    groups: dict[str, list[metadata.EntryPoint]] = metadata.entry_points()
    return list(groups.get(GROUP, []))
