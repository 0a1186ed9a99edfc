"""Resolve the lock files in requirements/ anew: the Action's image, and this repository's own work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
LOCKS = {
    "runner.lock": ["pyproject.toml", "--all-extras"],
    "dev.lock": ["pyproject.toml", "serving/pyproject.toml", "--group", "pyproject.toml:dev"],
    "demo.lock": ["requirements/demo.in"],
    "build.lock": ["requirements/build.in"],
}


def main() -> None:
    """Write every lock; hashes, no addresses."""
    for name, inputs in LOCKS.items():
        command = [UV, "pip", "compile", "--quiet", "--no-config", "--universal", "--python-version", "3.11",
                   "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url",
                   "--output-file", f"requirements/{name}", *inputs, *sys.argv[1:]]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
