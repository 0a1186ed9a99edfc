"""A bundle as the ``model.tar.gz`` that SageMaker unpacks into /opt/ml/model, or file by file for the same place.

Same bundle, same bytes, on any machine: names are sorted, times and owners constant, and the compression is our own
(`deployers.wrapping.images.layers`). The server's wheel stays out, since the image has the server installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from deployers.wrapping import bundle as bundles
from deployers.wrapping import safe_paths
from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images import layers
from deployers.wrapping.images.layers import Entry
from deployers.wrapping.images.store import Store, key_of

RULES = 1
"""Part of every archive's key: raise it when what is in an archive changes."""

NAME = "model.tar.gz"


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A finished archive. ``sha256``: 64 hexadecimal digits; ``size`` in bytes."""

    path: Path
    sha256: str
    size: int


def digest(bundle: Bundle) -> str:
    """64 hexadecimal digits for what `make` and `files` give, known without making it.

    More than the bundle's own digest: model.json also says the version, which a bundle of the same bytes may not share.
    """
    said = (bundle.folder / bundles.DESCRIPTION).read_text(encoding="utf-8")
    return key_of("sagemaker", RULES, layers.RULES, bundle.digest, said)


def files(bundle: Bundle) -> list[Content]:
    """Every file of a bundle but the server's wheel, hashed, in order."""
    wheel = bundle.description.server
    return [each for each in bundles.contents(bundle.folder) if each.path != wheel]


def make(bundle: Bundle, store: Store) -> Archive:
    """The archive of a bundle; made, on disk and not in memory, if it is not in the store."""
    key = digest(bundle)
    known = store.recall("archives", key, layers.Layer)
    if known is None or not store.holds(known.digest, known.size):
        known = layers.write(_entries(bundle, files(bundle)), store)
        store.remember("archives", key, known)
    return Archive(path=store.blob(known.digest), sha256=known.digest.removeprefix("sha256:"), size=known.size)


def _entries(bundle: Bundle, contents: Sequence[Content]) -> list[Entry]:
    return [
        Entry(path=safe_paths.checked(each.path, where="the bundle"), source=bundle.folder / each.path)
        for each in contents
    ]
