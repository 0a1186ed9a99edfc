"""An environment of its own for each server that is measured, made once with uv and kept by what it holds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PYTHON = "3.11"

LIBRARIES = ("scikit-learn==1.9.1", "numpy==2.4.6", "scipy==1.17.1", "joblib==1.6.0")
"""What the models are made of: the same versions for everybody. Every peer measured can be installed beside them."""

MINUTES = 20


class UnavailableError(Exception):
    """A server cannot take part; the message says why, on one line."""


def cache() -> Path:
    """Where environments and models are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagboat-benchmarks"


def environment(name: str, requirements: Sequence[str], *, install: bool = True) -> Path:
    """The Python of an environment with these requirements. Raises `UnavailableError`.

    A requirement may be a folder; then the environment is made anew when one of its Python files has changed.
    ``install``: False to take only what is there already.
    """
    wanted = [*LIBRARIES, *requirements]
    key = hashlib.sha256(repr([PYTHON, *wanted, *map(sources, wanted)]).encode()).hexdigest()[:16]
    folder = cache() / "environments" / f"{name}-{key}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return python
        if not install:
            raise UnavailableError("not installed, and --skip-install was given")
        for old in folder.parent.glob(f"{name}-{'?' * 16}"):
            shutil.rmtree(old)
        uv("venv", "--python", PYTHON, folder)
        uv("pip", "install", "--python", python, *wanted)
        (folder / "complete").touch()
    return python


def sources(requirement: str) -> str:
    """A digest of the Python files of a requirement that is a folder."""
    folder = Path(requirement.partition("[")[0])
    if not folder.is_absolute():
        return ""
    found = hashlib.sha256()
    for path in [folder / "pyproject.toml", *sorted(folder.glob("tagboat_server/**/*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def installed(python: Path) -> dict[str, str]:
    """The version of every package in an environment."""
    frozen = uv("pip", "freeze", "--python", python)
    return dict(line.split("==", 1) for line in frozen.splitlines() if "==" in line)


def subprocess_output(command: Sequence[str], folder: Path) -> str:
    """What a program printed, run in a folder. Raises `UnavailableError`."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{Path(command[0]).name} took longer than {MINUTES} minutes") from None
    if done.returncode:
        raise UnavailableError(f"{Path(command[-1]).name}: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout


def uv(*arguments: object) -> str:
    """Run uv, with little claim on the processor; gives what it printed. Raises `UnavailableError`."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        sys.exit("uv is not installed: see https://docs.astral.sh/uv/ (or `pip install uv`)")
    command = ["nice", "-n", "15", program, *map(str, arguments), "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"uv {arguments[0]} took longer than {MINUTES} minutes") from None
    if done.returncode:
        raise UnavailableError(f"uv {' '.join(map(str, arguments[:2]))}: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout
