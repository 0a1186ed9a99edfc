"""The shelf as a conformance subject."""

import os
import shutil
import time
from pathlib import Path

import msgspec

from deployers.base import Release, Slot, Surroundings, TagRecord
from deployers.conformance import Subject
from deployers.wrapping.bundle import Bundle
from tests.conformance.shelf import Card, ShelfDeployer, ShelfSettings


class ShelfSubject(Subject):
    """A shelf in a test's folder; ``kind``: the deployer, or a broken relative of it."""

    processes = True
    patience = 0.2
    canary = "hunter2-canary-77aa"

    def __init__(self, folder: Path, kind: type[ShelfDeployer] = ShelfDeployer) -> None:
        self.folder = folder
        self.kind = kind
        self.shelf.mkdir()

    @property
    def shelf(self) -> Path:
        return self.folder / "shelf"

    def deployer(self):
        surroundings = Surroundings(
            environment={**os.environ, "SECRET": self.canary},
            state=self.folder / "state",
            cache=self.folder / "cache",
            clock=time.time,
        )
        return self.kind("shelf", ShelfSettings(folder=str(self.shelf)), surroundings)

    def slot(self, name="model"):
        return Slot(artifact=name, stage="prod", target="shelf")

    def release(self, slot, version, tag: TagRecord | None = None):
        bundle = Bundle(self.folder / "bundles" / version, f"sha256:{version.encode().hex():0<64}")
        bundle.folder.mkdir(parents=True, exist_ok=True)
        settings = {"target": {"password": "${env:SECRET}"}}
        commit = "c" * 40
        release = Release(
            slot=slot, version=version, commit=commit, bundle_digest=bundle.digest, settings=settings, tag=tag
        )
        return release, bundle

    def broken(self, slot, version):
        release, bundle = self.release(slot, f"{version}-broken")
        (bundle.folder / "broken").touch()
        return release, bundle

    def served(self, slot):
        """What the card says, read without the deployer."""
        for path in self.shelf.glob("*.card"):
            card = msgspec.json.decode(path.read_bytes(), type=Card)
            if card.slot == slot and card.live is not None:
                return card.live.id
        return None

    def lose_caches(self):
        shutil.rmtree(self.folder / "bundles")

    def stranger(self):
        note = self.shelf / "notes.txt"
        note.write_text("mine")
        return lambda: note.exists() and note.read_text() == "mine"

    def snapshot(self):
        return {path.name: path.read_bytes() for path in sorted(self.shelf.iterdir()) if path.suffix != ".lease"}

    def leftovers(self):
        return [path.name for path in self.shelf.glob("*.draft")]
