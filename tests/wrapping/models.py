"""Models as users save them, and what wrapping them takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from deployers.wrapping.bundle import Bundle
from deployers.wrapping.requirements import ModelSources, Requirements, collect
from deployers.wrapping.wrap import WrapSettings, wrap

SKLEARN = (f"scikit-learn=={metadata.version('scikit-learn')}", f"numpy=={metadata.version('numpy')}")
COMMIT = "c0ffee" * 6 + "c0ff"

UGLY = """
import os

class Model:
    def __init__(self, text): self.text = text
    def __setstate__(self, state): exec(state["text"])
    def predict(self, X): return X
"""
"""A module of the user's own whose objects run whatever text they hold when they are unpickled."""


def requirements(*lines: str, code: Mapping[str, bytes] | None = None) -> Requirements:
    return collect(ModelSources(configured=lines or SKLEARN, code=code or {}))


def ugly(folder: Path, text: str) -> Requirements:
    """Write a pickle to ``folder``/ugly.pkl that runs ``text`` when it is loaded."""
    quoted = text.encode()
    content = b"\x80\x04cugly\nModel\n)\x81}\x8c\x04textX" + len(quoted).to_bytes(4, "little") + quoted + b"sb."
    (folder / "ugly.pkl").write_bytes(content)
    return requirements(code={"ugly.py": UGLY.encode()})


def wrapped(
    folder: Path,
    model: str,
    needs: Requirements,
    cache: Path,
    *,
    store: Path | None = None,
    settings: WrapSettings | None = None,
    version: str = "v1.0.0",
    environment: Mapping[str, str] | None = None,
    warnings: list[str] | None = None,
    steps: list[str] | None = None,
) -> Bundle:
    return wrap(
        folder,
        model,
        name="iris",
        version=version,
        commit=COMMIT,
        requirements=needs,
        settings=settings or WrapSettings(),
        store=store or cache / "bundles",
        cache=cache,
        environment=os.environ if environment is None else environment,
        warn=(warnings if warnings is not None else []).append,
        step=(steps if steps is not None else []).append,
    )
