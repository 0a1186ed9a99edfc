"""The bundle: a model, its environment's lock and its server in one folder."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Bundle(msgspec.Struct, frozen=True):
    """A finished bundle on this machine's disk. ``digest``: ``sha256:`` and 64 hexadecimal digits."""

    folder: Path
    digest: str
