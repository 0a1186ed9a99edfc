"""Versions of scikit-learn whose methods are known to us, operation by operation."""

from __future__ import annotations

import re
import sys

from tagboat_server.exact.programs import Unsupported

OLDEST = (1, 3)
NEWEST = (1, 9)


def installed() -> tuple[int, int]:
    """Major and minor version of the scikit-learn that is imported; (0, 0) where there is none."""
    sklearn = sys.modules.get("sklearn")
    found = re.match(r"(\d+)\.(\d+)", getattr(sklearn, "__version__", ""))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def at_least(major: int, minor: int) -> bool:
    """Whether the installed scikit-learn is this version or a later one."""
    return installed() >= (major, minor)


def check() -> None:
    """Raise `Unsupported` for a version we do not know."""
    version = installed()
    if not OLDEST <= version <= NEWEST:
        known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        raise Unsupported(f"scikit-learn {version[0]}.{version[1]} (known: {known})")
