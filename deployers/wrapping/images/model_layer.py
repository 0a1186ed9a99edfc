"""The third layer, all that a new version changes: the model, its code, its lock, and what model.json says of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

from deployers.wrapping import bundle as bundles
from deployers.wrapping import safe_paths
from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images import layers, places
from deployers.wrapping.images.documents import encode
from deployers.wrapping.images.layers import Entry, Layer
from deployers.wrapping.images.store import Store, key_of

RULES = 1

FETCHER = Path(__file__).with_name("fetch_model.py")


class ModelPlace(enum.StrEnum):
    """Where the model's files are: in the image, in a store that an init container fetches them from, or nowhere yet.

    With ``MOUNTED`` the image has no bundle at all: whoever runs it brings one along, as SageMaker does.
    """

    IMAGE = "image"
    OBJECT_STORAGE = "object-storage"
    MOUNTED = "mounted"


def make(bundle: Bundle, store: Store, *, addresses: Mapping[str, str] | None = None) -> Layer:
    """The layer of a bundle; made if it is not in the store.

    ``addresses``: for `ModelPlace.OBJECT_STORAGE`, where each file of the model is to be fetched from, by its path.
    """
    said = (bundle.folder / bundles.DESCRIPTION).read_bytes()  # holds the bundle's digest, so it stands for all of it
    key = key_of(RULES, layers.RULES, bundle.digest, said.decode(), addresses, FETCHER.read_text() if addresses else "")
    known = store.recall("models", key, Layer)
    if known is not None and store.holds(known.digest, known.size):
        return known
    layer = layers.write(_entries(bundle, said, addresses), store)
    store.remember("models", key, layer)
    return layer


def model_files(bundle: Bundle) -> list[Content]:
    """The files of the model, hashed."""
    return bundles.contents(bundle.folder / "model")


def _entries(bundle: Bundle, said: bytes, addresses: Mapping[str, str] | None) -> list[Entry]:
    root = places.inside(places.BUNDLE)
    found = [
        Entry(path=f"{root}/{bundles.DESCRIPTION}", content=said),
        Entry(path=f"{root}/{bundles.LOCK}", source=bundle.folder / bundles.LOCK),
    ]
    found += _folder(bundle.folder / "code", f"{root}/code")
    if addresses is None:
        return found + _folder(bundle.folder / "model", f"{root}/model")
    wanted = [
        {"path": file.path, "sha256": file.sha256, "size": file.size, "url": addresses[file.path]}
        for file in model_files(bundle)
    ]
    return [
        *found,
        Entry(path=places.inside(places.WANTED), content=encode({"files": wanted})),
        Entry(path=places.inside(places.FETCHER), content=FETCHER.read_bytes()),
    ]


def _folder(folder: Path, at: str) -> list[Entry]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        Entry(path=f"{at}/{safe_paths.checked(path.relative_to(folder).as_posix(), where=at)}", source=path)
        for path in paths
    ]
