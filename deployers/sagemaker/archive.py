"""A bundle as the ``model.tar.gz`` that SageMaker unpacks into /opt/ml/model, or file by file for the same place.

Same bundle, same bytes, on any machine: names are sorted, times and owners constant, and the compression is our own
(`deployers.wrapping.images.layers`).

Our server reads a bundle as it is; its wheel stays out, since the image has the server installed. A container that
AWS provides wants the model's own files where the archive begins, and scripts in ``code/``
(`deployers.sagemaker.provided`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deployers.errors import RefusedError
from deployers.wrapping import bundle as bundles
from deployers.wrapping import safe_paths
from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images import layers
from deployers.wrapping.images.layers import Entry
from deployers.wrapping.images.store import Store, key_of

RULES = 1
"""Part of every archive's key: raise it when what is in an archive changes."""

NAME = "model.tar.gz"


class Layout(enum.StrEnum):
    """Who reads it."""

    OURS = "ours"
    PROVIDED = "provided"


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A finished archive. ``sha256``: 64 hexadecimal digits; ``size`` in bytes."""

    path: Path
    sha256: str
    size: int


def digest(bundle: Bundle, layout: Layout = Layout.OURS) -> str:
    """64 hexadecimal digits for what `make` and `files` give, known without making it.

    More than the bundle's own digest: model.json, which our server reads, also says the version, which a bundle of the
    same bytes may not share.
    """
    if layout is Layout.PROVIDED:
        return key_of("sagemaker", RULES, layers.RULES, bundle.digest, layout.value)
    said = (bundle.folder / bundles.DESCRIPTION).read_text(encoding="utf-8")
    return key_of("sagemaker", RULES, layers.RULES, bundle.digest, said)


def files(bundle: Bundle, layout: Layout = Layout.OURS) -> dict[str, Content]:
    """Every file that is sent, in order, by where it is to lie. Raises `RefusedError` for two in one place."""
    if layout is Layout.OURS:
        wheel = bundle.description.server
        return {each.path: each for each in bundles.contents(bundle.folder) if each.path != wheel}
    found: dict[str, Content] = {}
    for content in bundles.contents(bundle.folder):
        place = _provided(bundle, content.path)
        if place is None:
            continue
        if place in found:
            raise RefusedError(
                f"{found[place].path} and {content.path} would both be {place}",
                where="the model's archive",
                hint="Leave one of them away: the container takes both from one folder.",
            )
        found[place] = content
    return dict(sorted(found.items()))


def _provided(bundle: Bundle, path: str) -> str | None:
    """Where a file of a bundle belongs for a container that is not ours; None for what such a one has no use for."""
    top, _, rest = path.partition("/")
    if top == "code":
        return path if not rest.startswith("code/") else rest
    if top != "model":
        return None
    # A model that is a folder is what lies in it; one that is a file lies at the top, with what came along with it.
    return rest.removeprefix(f"{bundle.description.model}/")


def make(bundle: Bundle, store: Store, layout: Layout = Layout.OURS) -> Archive:
    """The archive of a bundle; made, on disk and not in memory, if it is not in the store."""
    key = digest(bundle, layout)
    known = store.recall("archives", key, layers.Layer)
    if known is None or not store.holds(known.digest, known.size):
        known = layers.write(_entries(bundle, files(bundle, layout)), store)
        store.remember("archives", key, known)
    return Archive(path=store.blob(known.digest), sha256=known.digest.removeprefix("sha256:"), size=known.size)


def _entries(bundle: Bundle, contents: Mapping[str, Content]) -> list[Entry]:
    return [
        Entry(path=safe_paths.checked(place, where="the bundle"), source=bundle.folder / each.path)
        for place, each in contents.items()
    ]
