"""Where the local target keeps what it must remember.

    <state>/local/
      ports.lock                    held while a port is chosen
      <target>/
        leases/<slot>.lock          flock; who holds it stands in it; outlives the slot
        slots/<slot>/
          slot.json                 records.SlotRecord
          bundles/<digest>/         what rollback serves again
          servers/<server>/         one process, also its working directory
            server.json             records.ServerRecord
            alive                   locked by the process as long as it lives
            control, http           its sockets
            log, log.1

Names of slots and targets become folder names that are short, safe on every file system and never shared.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from deployers.base import Slot


def folder_name(*names: str) -> str:
    """A readable and unique folder name: what is harmless of the names, then a hash over all of them."""
    readable = re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")[:40]
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]
    return f"{readable}-{digest}"


@dataclass(frozen=True)
class TargetFolder:
    """The part of the state that belongs to one target."""

    state: Path
    target: str

    @property
    def root(self) -> Path:
        """Shared by all local targets of this state."""
        return self.state / "local"

    @property
    def folder(self) -> Path:
        """This target's own."""
        return self.root / folder_name(self.target)

    @property
    def slots(self) -> Path:
        """One folder a slot."""
        return self.folder / "slots"

    def slot(self, slot: Slot) -> SlotFolder:
        """The folder of one slot."""
        return SlotFolder(self.slots / folder_name(slot.artifact, slot.stage))

    def lease(self, slot: Slot) -> Path:
        """The file that the run at work on a slot has locked."""
        return self.folder / "leases" / f"{folder_name(slot.artifact, slot.stage)}.lock"


@dataclass(frozen=True)
class SlotFolder:
    """What is remembered of one slot."""

    folder: Path

    @property
    def record(self) -> Path:
        """The slot's record; a slot exists when it does."""
        return self.folder / "slot.json"

    @property
    def servers(self) -> Path:
        """One folder a process."""
        return self.folder / "servers"

    @property
    def bundles(self) -> Path:
        """One folder a stored bundle."""
        return self.folder / "bundles"

    def bundle(self, digest: str) -> Path:
        """Where the bundle with this digest is stored."""
        return self.bundles / digest.removeprefix("sha256:")
