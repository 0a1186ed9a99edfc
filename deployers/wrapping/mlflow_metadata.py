"""The Python that a MLflow model was saved with, from its ``python_env.yaml``: what cloudpickle wrote needs the same.

The packages stand in its requirements.txt, which is read as any other.
"""

from __future__ import annotations

import re

PYTHON_FILE = "python_env.yaml"

VERSION = re.compile(rb"^python:[ \t]*['\"]?(3\.\d{1,2})(\.\d{1,3})?['\"]?[ \t]*\r?$", re.MULTILINE)


def python_version(file: tuple[str, bytes] | None) -> tuple[str, bytes] | None:
    """The version as a `.python-version` would have it, minor version alone; ``file``: path and content, or None.

    MLflow writes the file itself, so one key of it is looked for, and nothing is parsed.
    """
    found = VERSION.search(file[1]) if file else None
    return (file[0], found.group(1)) if file and found else None
