"""Make .venv/: the locked tools and libraries, then both distributions, editable.

Runs on a bare Python 3.11 with nothing installed; the second run finds nothing to do and takes no time.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements" / "dev.lock"
INPUTS = [LOCK, ROOT / "pyproject.toml", ROOT / "serving" / "pyproject.toml", Path(__file__)]
STAMP = VENV / "tagboat-setup"


def main() -> None:
    """Bring .venv/ to what the lock says."""
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python is at hand
        sys.exit(f"Tagboat needs Python 3.11 or later, this is {sys.version.split()[0]}: make PYTHON=python3.11 …")
    state = hashlib.sha256(b"".join(path.read_bytes() for path in INPUTS) + str(ROOT).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == state:
        return
    print("setup: .venv/ from requirements/dev.lock", flush=True)
    if not works(PYTHON, "-m", "pip", "--version"):
        make_venv()
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *uv_requirement())
    uv = VENV / "bin" / "uv"
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "copy")}
    run(uv, "pip", "install", "--quiet", "--no-config", "--require-hashes", "-r", LOCK, env=environment)
    for distribution in (ROOT, ROOT / "serving"):
        run(uv, "pip", "install", "--quiet", "--no-config", "--no-deps", "--no-build-isolation", "-e",
            distribution, env=environment)  # fmt: skip
    STAMP.write_text(state)


def make_venv() -> None:
    """Make .venv/ with pip in it, also where Debian left ensurepip out."""
    shutil.rmtree(VENV, ignore_errors=True)
    if works(sys.executable, "-m", "venv", VENV):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        print(f"setup: this Python cannot make environments yet; installing Debian's {package}", flush=True)
        run(apt, "update", "-qq")
        run(apt, "install", "-qq", "--yes", "--no-install-recommends", package)
        run(sys.executable, "-m", "venv", VENV)
        return
    sys.exit("setup: python3 -m venv does not work here; on Debian: sudo apt-get install python3-venv")


def uv_requirement() -> list[str]:
    """The locked uv, as arguments to pip."""
    version = re.search(r"^uv==(\S+)", LOCK.read_text(), re.MULTILINE)
    if version is None:
        sys.exit(f"setup: {LOCK} names no uv")
    return [f"uv=={version[1]}"]


def works(*command: object) -> bool:
    """Whether a command can be run and succeeds; prints nothing."""
    try:
        return subprocess.run([str(part) for part in command], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*command: object, env: dict[str, str] | None = None) -> None:
    """Run a command, or end with its exit code."""
    done = subprocess.run([str(part) for part in command], env=env, check=False)
    if done.returncode:
        sys.exit(f"setup: `{' '.join(str(part) for part in command)}` failed")


if __name__ == "__main__":
    main()
