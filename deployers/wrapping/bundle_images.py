"""The image of a bundle as a deployer needs it: what it is called before it is pushed, and that it is pushed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from deployers.wrapping import image as images
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Attachments, Image, ImageSettings, Registries
from deployers.wrapping.images import names as image_names

MEGABYTE = 1_000_000


def _nothing(_: str) -> None:
    """A repository comes to be by what is pushed there."""


class Images(Protocol):
    """Makes images of bundles. A reference is ``repository@sha256:…``."""

    def reference(self, bundle: Bundle) -> str:
        """What the image is called once it is pushed; builds it where need be, pushes nothing."""

    def push(self, bundle: Bundle) -> str:
        """Push what the registry lacks; says how much that was, for people."""


class BundleImages:
    """Images in a registry.

    ``repository``: where a bundle's image belongs. ``connect``: the registries, logged in. ``attachments``: asked for
    when something is pushed. ``prepare``: called before a push with the repository, which may have to be made first.
    """

    def __init__(
        self,
        repository: Callable[[Bundle], str],
        settings: ImageSettings,
        *,
        connect: Callable[[], Registries],
        attachments: Callable[[], Attachments],
        prepare: Callable[[str], None] = _nothing,
        cache: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.repository = repository
        self.settings = settings
        self.connect = connect
        self.attachments = attachments
        self.prepare = prepare
        self.cache = cache
        self.environment = environment
        self.built: dict[str, Image] = {}

    def reference(self, bundle: Bundle) -> str:
        """The image that was pushed for this bundle before, or the one that would be."""
        repository = self.repository(bundle)
        with self.connect() as registries:
            found = images.find(bundle, repository, self.settings, registries=registries)
            if found is not None:
                return found.reference
            image = self._build(bundle, registries)
            return image_names.parse(repository, where="image.repository").at(digest=image.digest).pinned

    def push(self, bundle: Bundle) -> str:
        """Push it, unless it is there."""
        repository = self.repository(bundle)
        with self.connect() as registries:
            if images.find(bundle, repository, self.settings, registries=registries) is not None:
                return "the registry has it already"
            self.prepare(repository)
            pushed = images.push(
                self._build(bundle, registries),
                repository,
                registries=registries,
                environment=self.environment,
                attachments=self.attachments(),
            )
            return f"{pushed.sent / MEGABYTE:.1f} MB sent to {pushed.name.registry}"

    def _build(self, bundle: Bundle, registries: Registries) -> Image:
        if bundle.digest not in self.built:
            self.built[bundle.digest] = images.build(
                bundle, self.settings, registries=registries, cache=self.cache, environment=self.environment
            )
        return self.built[bundle.digest]
