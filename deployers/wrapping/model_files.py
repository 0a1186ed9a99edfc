"""A model's files on their way into a bundle: what may come along, and how without copying more than needed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping import safe_paths
from deployers.wrapping.bundle import Content, file_sha256

FICLONE = 0x40049409
"""ioctl_ficlone(2): another file with the same blocks; writing to one leaves the other."""


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """``content``: as it will stand in the bundle. ``source``: where the bytes are now, links resolved."""

    content: Content
    source: Path


def survey(folder: Path) -> list[ModelFile]:
    """Every file of the model in ``folder``, hashed, sorted by path.

    Links are followed where they stay inside and become the file they name. Raises `RefusedError` for a link that leads
    out, a device, a pipe, a socket, a path that can't be a plain one; `ConfigurationError` for a folder without files.
    """
    root = folder.resolve()
    found: list[ModelFile] = []
    for parent, folders, names in os.walk(root):
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        found += [_file(root, Path(parent, name)) for name in [*names, *linked]]
    if not found:
        raise ConfigurationError("the model has no files", where=str(folder))
    return sorted(found, key=lambda file: file.content)


def place(file: ModelFile, folder: Path) -> None:
    """Put a file into the bundle's ``model`` folder, read-only, mode 0444.

    A clone where the file system can; a hard link where the source is read-only already, as in a cache by content; a
    copy otherwise: a file that its owner may still write to must not change a bundle.
    """
    target = folder / file.content.path
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(file.source.stat().st_mode)
    if _cloned(file.source, target):
        target.chmod(0o444)
    elif not mode & 0o222 and _linked(file.source, target):
        if mode != 0o444:
            target.chmod(0o444)
    else:
        shutil.copyfile(file.source, target)
        target.chmod(0o444)


def only(files: Sequence[ModelFile], path: str) -> None:
    """Check that ``path`` is one of the files, or a folder of them."""
    safe_paths.checked(path, where="the model's path")
    if not any(file.content.path == path or file.content.path.startswith(f"{path}/") for file in files):
        raise ConfigurationError(f"there is no {path} among the model's files", hint="Correct the artifact's path.")


def _file(root: Path, path: Path) -> ModelFile:
    relative = safe_paths.checked(path.relative_to(root).as_posix(), where="the model")
    try:
        source = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RefusedError("a link that leads nowhere", where=relative) from error
    if not source.is_relative_to(root):
        raise RefusedError("a link that leads out of the model", where=relative, hint="Track the file itself.")
    mode = source.stat().st_mode
    if not stat.S_ISREG(mode):
        raise RefusedError("neither a file nor a folder", where=relative, hint="Leave it out of the model's folder.")
    return ModelFile(content=Content(relative, file_sha256(source), source.stat().st_size), source=source)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _cloned(source: Path, target: Path) -> bool:
    if sys.platform != "linux":
        return False  # on macOS, copyfile of Python 3.12 and later does not clone either
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), FICLONE, reading.fileno())
        except OSError:
            pass
        else:
            return True
    target.unlink()
    return False
