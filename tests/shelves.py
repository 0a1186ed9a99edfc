"""Shelves as an installed plugin: a deployer that tagboat.yaml can name, on a folder, which tests can look into.

It is installed as any plugin is, by a distribution with an entry point; only that the distribution is a folder of the
test's on the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from deployers.base import Capabilities, Release, Request, Response, Revision, Slot, TagRecord, VerifiedRelease
from deployers.errors import UnreachableError
from tests.conformance.shelf import Card, ShelfDeployer, ShelfSettings


class TellingSettings(ShelfSettings, frozen=True, kw_only=True):
    """``mute``: tells no figures of its servers."""

    mute: bool = False


class TellingShelf(ShelfDeployer):
    """A shelf whose releases answer and have figures, as a test wrote them down beside the cards.

    ``answers-<version>.json``: what each row is answered, by its number. ``figures-<stage>.json``: a list of what
    `metrics` tells, call by call, the last one for ever.
    """

    settings_type: ClassVar[type[msgspec.Struct]] = TellingSettings

    def __init__(self, target: str, settings: TellingSettings, surroundings) -> None:
        super().__init__(target, settings, surroundings)
        self.capabilities = Capabilities(metrics=not settings.mute)
        self.shelf.mkdir(exist_ok=True)

    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        told = super().call(slot, request, revision)
        release = self.get(slot).live
        file = self.shelf / f"answers-{release.version}.json"
        if not request.body or not file.exists():
            return told
        answers = msgspec.json.decode(file.read_bytes())
        if answers is None:
            raise UnreachableError("connection refused", where=str(slot))
        rows = msgspec.json.decode(request.body)["data"]
        body = {"predictions": [answers.get(str(number), "same") for number in range(len(rows))][: answers.get("rows")]}
        return msgspec.structs.replace(told, status=answers.get("status", 200), body=msgspec.json.encode(body))

    def metrics(self, slot: Slot, revision: Revision, window: float) -> Mapping[str, float]:
        file = self.shelf / f"figures-{slot.stage}.json"
        several = msgspec.json.decode(file.read_bytes())
        if len(several) > 1:
            file.write_bytes(msgspec.json.encode(several[1:]))
        return several[0]

    def serve(self, slot: Slot, version: str, commit: str, *, at: float, verified: bool = True) -> Release:
        """Have a release live in a slot, as an earlier run left it."""
        release = Release(slot=slot, version=version, commit=commit, bundle_digest=f"sha256:{version}",
                          tag=TagRecord(f"{slot.artifact}#{slot.stage}#1", commit, int(at)))  # fmt: skip
        records = [VerifiedRelease(release=release, release_id=release.id, at=at)] if verified else []
        self.put(Card(slot=slot), live=release, since=at, verified=records)
        return release


@pytest.fixture
def shelves(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`deployer: shelf` and `deployer: telling` are installed; gives the folder on the path."""
    site = tmp_path_factory.mktemp("site")
    folder = site / "shelves-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: shelves\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[tagboat.deployers]\nshelf = tests.conformance.shelf:ShelfDeployer\ntelling = tests.shelves:TellingShelf\n"
    )
    monkeypatch.syspath_prepend(str(site))
    return site
