"""The model's own environment: made by uv from a lock, kept by content, shared by whoever asks for the same.

A virtual environment holds absolute paths, so it can't be made aside and moved into place. It is made where it stays,
under a lock, and counts only once its marker is written as the last thing; what a killed run left is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from deployers.errors import TagboatError
from deployers.wrapping import locking
from deployers.wrapping.isolation import child_environment
from deployers.wrapping.locking import Lock
from deployers.wrapping.uv_errors import Subject

__all__ = ["ModelEnvironment", "child_environment", "ensure"]

MARKER = "tagboat-complete"


class ModelEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """A finished environment. ``folder`` stays where it is as long as it exists."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def command(self, *arguments: str | Path) -> list[str]:
        """The server's command line with these arguments.

        Isolated (``-I``): neither the working directory nor PYTHONPATH nor the user's site-packages count. ``-P``,
        which asks for the first of these alone, exists from Python 3.11 on only.
        """
        return [str(self.python), "-I", "-m", "tagboat_server", *(str(argument) for argument in arguments)]


def ensure(lock: Lock, server: Path, *, cache: Path, environment: Mapping[str, str]) -> ModelEnvironment:
    """The environment that holds exactly ``lock`` and the server's wheel; made if it isn't there yet.

    ``cache``: where environments are kept. Two runs that ask at once make it once. Raises `ConfigurationError` where
    its Python is not to be had, `RefusedError` where a package is not the locked one, `UnreachableError`.
    """
    root = (cache / "environments").absolute()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / key(lock, server)
    if _complete(folder):
        return ModelEnvironment(folder=folder)
    with _exclusive(folder.with_suffix(".lock")) as held:
        if not _complete(folder):
            if folder.exists():
                shutil.rmtree(folder)
            _make(folder, lock, server, environment, held)
    return ModelEnvironment(folder=folder)


def key(lock: Lock, server: Path) -> str:
    """32 hexadecimal digits of all that is installed, and for which machine."""
    machine = [sys.platform, platform.machine(), sysconfig.get_config_var("SOABI") or ""]
    wheel = hashlib.sha256(server.read_bytes()).hexdigest()
    return hashlib.sha256(msgspec.json.encode([lock.digest, wheel, lock.python, machine])).hexdigest()[:32]


def _complete(folder: Path) -> bool:
    """Finished, and its interpreter still there: a Python that was uninstalled leaves a dangling link."""
    return (folder / MARKER).is_file() and (folder / "bin" / "python").exists()


def _make(folder: Path, lock: Lock, server: Path, environment: Mapping[str, str], held: int) -> None:
    uv = locking.resolver(lock.indexes, allow_build=lock.allow_build, environment=environment)
    subject = Subject(source=lock.source, python=lock.python)
    interpreter = _interpreter(lock.python, environment)
    uv.run("venv", folder, "--quiet", "--no-project", "--python", interpreter, subject=subject, hold=[held])
    locked = folder / "requirements.lock"
    locked.write_text(lock.text, encoding="utf-8")
    install: list[str | Path] = ["pip", "install", "--quiet", "--python", folder / "bin" / "python", "--no-deps"]
    builds = [] if lock.allow_build else ["--no-build"]
    uv.run(*install, *builds, "--require-hashes", "--requirements", locked, subject=subject, hold=[held])
    uv.run(*install, "--no-index", server, subject=subject, hold=[held])
    with (folder / MARKER).open("w") as marker:
        os.fsync(marker.fileno())


def _interpreter(version: str, environment: Mapping[str, str]) -> str:
    """What to ask uv for: an interpreter of that version that we know of, or the version itself, for uv to find.

    pyenv's are looked up here because the shims it puts on PATH answer only for its selected versions.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    if f"{own}.".startswith(f"{version}."):
        return os.path.realpath(sys.executable)
    home = environment.get("PYENV_ROOT") or (f"{environment['HOME']}/.pyenv" if environment.get("HOME") else "")
    found = [path for path in Path(home, "versions").glob(f"{version}*/bin/python") if home]
    found = [path for path in found if f"{path.parent.parent.name}.".startswith(f"{version}.") and path.exists()]
    if found:
        return str(max(found, key=lambda path: [int(part) for part in path.parent.parent.name.split(".")]))
    return version


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[int]:
    """Hold the lock file alone. Passed on to uv, so that a killed run's uv, still writing, keeps the next one out."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise TagboatError(f"the lock file cannot be locked: {error}", where=str(path)) from error
        yield descriptor
    finally:
        os.close(descriptor)
