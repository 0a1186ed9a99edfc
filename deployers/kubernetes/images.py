"""Where the image of a bundle comes from: made here, pushed to the target's registry, named by its digest."""

from __future__ import annotations

from collections.abc import Callable

from deployers.base import Surroundings
from deployers.kubernetes.names import readable_name
from deployers.kubernetes.settings import Image as Wanted
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.bundle_images import BundleImages, Images
from deployers.wrapping.image import Attachments, ImageSettings, ModelPlace, Registries, SigningKey

__all__ = ["Images", "registry_images"]

LONGEST_NAME = 60
"""Characters of an artifact's name in its repository."""


def registry_images(
    wanted: Wanted, surroundings: Surroundings, *, key: Callable[[], SigningKey | None], run: str | None
) -> BundleImages:
    """Images in the registry of a target. ``key``: gives the signing key when something is pushed."""
    scheme = "http://" if wanted.plain_http else ""

    def repository(bundle: Bundle) -> str:
        return f"{scheme}{wanted.repository}/{readable_name(bundle.description.name, LONGEST_NAME)}"

    return BundleImages(
        repository,
        ImageSettings(
            base=wanted.base_image,
            platforms=tuple(wanted.platforms),
            model=ModelPlace(wanted.model),
            model_store=wanted.model_store,
            allow_missing=tuple(wanted.allow_missing),
        ),
        connect=lambda: Registries(surroundings.environment),
        attachments=lambda: Attachments(run=run, key=key()),
        cache=surroundings.cache,
        environment=surroundings.environment,
    )
