"""What an image is asked to be, and the key of that: who asks for the same gets the same image."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from deployers.wrapping import bundle as bundles
from deployers.wrapping.bundle import Bundle, file_sha256
from deployers.wrapping.images import base, environment_layer, layers, model_layer, server_layer
from deployers.wrapping.images.model_layer import ModelPlace
from deployers.wrapping.images.store import key_of

RULES = 1
"""Part of every image's key: raise it when the same inputs are to give another image."""


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an image is to be, besides its bundle.

    ``base``: a name with tag or digest; None for the bundle's own base, or Python's slim image of its version.
    ``platforms``: of `documents.PLATFORMS`; two make an index. ``model_store``: for `ModelPlace.OBJECT_STORAGE`,
    ``s3://…`` or ``https://…``. ``allow_missing``: libraries that the base may lack. ``source``: the Git repository's
    address, for the label. ``labels``: more of them. No secret may be in any of it.
    """

    base: str | None = None
    platforms: tuple[str, ...] = ("linux/amd64",)
    model: ModelPlace = ModelPlace.IMAGE
    model_store: str | None = None
    allow_missing: tuple[str, ...] = ()
    source: str | None = None
    labels: Mapping[str, str] = {}


def inputs(bundle: Bundle, settings: ImageSettings) -> str:
    """64 hexadecimal digits of everything that is asked for; a base's tag stands as it is written.

    So a bundle that was pushed once keeps its base when the tag moves on: a rollback and a reconcile find the image
    that was verified. A new version, or another ``base``, looks the tag up again.
    """
    said = file_sha256(bundle.folder / bundles.DESCRIPTION)
    rules = [RULES, layers.RULES, environment_layer.RULES, server_layer.RULES, model_layer.RULES]
    store = settings.model_store if settings.model is ModelPlace.OBJECT_STORAGE else None
    return key_of(rules, bundle.digest, said, base_of(bundle, settings), sorted(settings.platforms), settings.model,
                  store, settings.source, dict(settings.labels))  # fmt: skip


def base_of(bundle: Bundle, settings: ImageSettings) -> str:
    """The base's name as it was asked for: the settings', the bundle's, or Python's slim image."""
    description = bundle.description
    return settings.base or description.base_image or base.default_for(description.python)


def tag_of(key: str) -> str:
    """The tag under which a registry keeps the image with this key."""
    return f"tagboat-{key[:40]}"
