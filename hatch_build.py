"""Puts the wheel of `tagboat-server` inside Tagboat's own, when that is built (hatchling calls this)."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ServerWheelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Writes the server's wheel aside and includes it; an editable install reads serving/ itself instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a build; ``version`` is ``standard`` or ``editable``."""
        if version == "editable":
            return
        root = Path(self.root)
        self.aside = tempfile.TemporaryDirectory(prefix="tagboat-server-")
        wheel = _writer(root).write(root / "serving", Path(self.aside.name))
        build_data["force_include"][str(wheel)] = f"deployers/wrapping/server/{wheel.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Called by hatchling after a build."""
        if version != "editable":
            self.aside.cleanup()


def _writer(root: Path) -> Any:
    """The module that writes the wheel; loaded by its path, since Tagboat's requirements are not here now."""
    path = root / "deployers" / "wrapping" / "wheel_writing.py"
    spec = importlib.util.spec_from_file_location("wheel_writing", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
