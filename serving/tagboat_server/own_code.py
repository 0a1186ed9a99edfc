"""Imports of the model's own modules leave nothing behind: Python's bytecode beside them would change the bundle.

A bundle is known by its bytes, which are hashed again before it is served. What lies elsewhere, the libraries above
all, is compiled and kept as ever.
"""

from __future__ import annotations

import sys
from importlib import machinery
from pathlib import Path
from typing import Any, Callable


class Unwritten(machinery.SourceFileLoader):
    """Loads a module from its source, and keeps no bytecode of it."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Called with the bytecode that would be written."""


def add(folder: Path) -> None:
    """Let modules in a folder be imported; they come after the installed ones, so they shadow none."""
    path = str(folder.absolute())
    if folder.is_dir() and path not in sys.path:
        leave_unwritten(folder)
        sys.path.append(path)


def leave_unwritten(folder: Path) -> None:
    """Write no bytecode of what is imported from the folder, or from below it."""
    root = folder.absolute()
    if not any(getattr(hook, "root", None) == root for hook in sys.path_hooks):
        sys.path_hooks.insert(0, Hook(root))
        for known in list(sys.path_importer_cache):
            if below(root, known):
                del sys.path_importer_cache[known]


class Hook:
    """An entry of ``sys.path_hooks``: finds modules below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.finder: Callable[[str], Any] = machinery.FileFinder.path_hook(
            (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
            (Unwritten, machinery.SOURCE_SUFFIXES),
            (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
        )

    def __call__(self, path: str) -> Any:
        """The finder of a folder. Raises `ImportError` for one elsewhere, as hooks do."""
        if not below(self.root, path):
            raise ImportError(f"{path} is not below {self.root}", path=path)
        return self.finder(path)


def below(root: Path, path: str) -> bool:
    """Whether a path is the folder or in it."""
    return Path(path) == root or root in Path(path).parents
