"""Where the image of a bundle comes from: made here, pushed to the target's registry, named by its digest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from deployers.base import Surroundings
from deployers.kubernetes.names import readable_name
from deployers.kubernetes.settings import Image as Wanted
from deployers.wrapping import image as images
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Attachments, Image, ImageSettings, ModelPlace, Registries, SigningKey
from deployers.wrapping.images import names as image_names

MEGABYTE = 1_000_000

LONGEST_NAME = 60
"""Characters of an artifact's name in its repository."""


class Images(Protocol):
    """Makes images of bundles. A reference is ``repository@sha256:…``."""

    def reference(self, bundle: Bundle) -> str:
        """What the image is called once it is pushed; builds it where need be, pushes nothing."""

    def push(self, bundle: Bundle) -> str:
        """Push what the registry lacks; says how much that was, for people."""


class RegistryImages:
    """Images in a registry. ``key``: gives the signing key when something is pushed."""

    def __init__(
        self, wanted: Wanted, surroundings: Surroundings, *, key: Callable[[], SigningKey | None], run: str | None
    ) -> None:
        self.wanted = wanted
        self.surroundings = surroundings
        self.key = key
        self.run = run
        self.built: dict[str, Image] = {}
        self.settings = ImageSettings(
            base=wanted.base_image,
            platforms=tuple(wanted.platforms),
            model=ModelPlace(wanted.model),
            model_store=wanted.model_store,
            allow_missing=tuple(wanted.allow_missing),
        )

    def reference(self, bundle: Bundle) -> str:
        """The image that was pushed for this bundle before, or the one that would be."""
        with Registries(self.surroundings.environment) as registries:
            found = images.find(bundle, self._repository(bundle), self.settings, registries=registries)
            if found is not None:
                return found.reference
            image = self._build(bundle, registries)
            return image_names.parse(self._repository(bundle), where="image.repository").at(digest=image.digest).pinned

    def push(self, bundle: Bundle) -> str:
        """Push it, unless it is there."""
        with Registries(self.surroundings.environment) as registries:
            repository = self._repository(bundle)
            if images.find(bundle, repository, self.settings, registries=registries) is not None:
                return "the registry has it already"
            pushed = images.push(
                self._build(bundle, registries),
                repository,
                registries=registries,
                environment=self.surroundings.environment,
                attachments=Attachments(run=self.run, key=self.key()),
            )
            return f"{pushed.sent / MEGABYTE:.1f} MB sent to {pushed.name.registry}"

    def _build(self, bundle: Bundle, registries: Registries) -> Image:
        if bundle.digest not in self.built:
            self.built[bundle.digest] = images.build(
                bundle,
                self.settings,
                registries=registries,
                cache=self.surroundings.cache,
                environment=self.surroundings.environment,
            )
        return self.built[bundle.digest]

    def _repository(self, bundle: Bundle) -> str:
        scheme = "http://" if self.wanted.plain_http else ""
        return f"{scheme}{self.wanted.repository}/{readable_name(bundle.description.name, LONGEST_NAME)}"
