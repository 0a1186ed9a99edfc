"""What a release is made of before SageMaker hears of it: its image, its model's files, and the requests with both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from deployers.base import Release, Step, Surroundings
from deployers.errors import CapabilityError
from deployers.rendering import Templates
from deployers.runs import run_link
from deployers.sagemaker import components, containers, models
from deployers.sagemaker.archive import Layout
from deployers.sagemaker.documents import Made, made
from deployers.sagemaker.objects import Objects
from deployers.sagemaker.settings import SagemakerSettings
from deployers.sagemaker.wire import Amazon
from deployers.settings import expand
from deployers.wrapping.bundle import Bundle

if TYPE_CHECKING:
    from deployers.wrapping.bundle_images import Images
    from deployers.wrapping.image import SigningKey


@dataclass(frozen=True)
class Materials:
    """Of one target. ``given``: what makes images, where that is not for the settings to say."""

    target: str
    settings: SagemakerSettings
    surroundings: Surroundings
    amazon: Amazon
    templates: Templates
    given: Images | None = None

    def made(self, release: Release, bundle: Bundle) -> Made:
        """The requests of a release. Builds its image, and pushes nothing."""
        settings = self.settings
        source = models.source(
            bundle, self._place(bundle), bucket=settings.bucket, prefix=settings.prefix, layout=self._layout
        )
        image = self.images.reference(bundle)
        container = containers.container(release, settings, image=image, source=source)
        make = made if settings.components is None else components.made
        return make(release, container=container, settings=settings, templates=self.templates)

    def bring(self, bundle: Bundle) -> Iterator[Step]:
        """Bring to AWS what the requests speak of; what is there already is not sent again."""
        yield Step(name="image", detail=self.images.push(bundle))
        if self._place(bundle) != "image":
            yield Step(name="model", detail=self._bring_model(bundle))

    @cached_property
    def images(self) -> Images:
        """What makes images."""
        if self.given is not None:
            return self.given
        where = f"targets.{self.target}"
        if self.settings.container is not None:
            from deployers.sagemaker.provided import NAMING, ProvidedImage
            from deployers.sagemaker.repositories import finder
            from deployers.wrapping.image import Registries

            def connect() -> Registries:
                self.amazon.note(*NAMING)
                environment = self.surroundings.environment
                return Registries(environment, find=finder(self.amazon, environment))

            return ProvidedImage(self.settings.container, connect=connect, where=f"{where}.container.image")
        if self.settings.pushed is None:
            raise CapabilityError(
                "no image is named",
                where=f"{where}.image",
                hint="Set `image` to a repository of ECR, such as <account>.dkr.ecr.<region>.amazonaws.com/models, or "
                "`container` to an image of AWS's.",
            )
        # Imported here: what it takes to build is not needed to look.
        from deployers.sagemaker.images import registry_images

        return registry_images(
            self.settings.pushed,
            self.surroundings,
            inside=self.settings.place == "image",
            amazon=self.amazon,
            where=f"{where}.image",
            key=self._signing_key,
            run=run_link(self.surroundings.environment),
        )

    def _signing_key(self) -> SigningKey | None:
        pushed = self.settings.pushed
        if pushed is None or pushed.signing_key is None:
            return None
        from deployers.wrapping.image import SigningKey

        where = f"targets.{self.target}.image.signing-key"
        return SigningKey(expand(pushed.signing_key, self.surroundings.environment, where=where))

    def _place(self, bundle: Bundle) -> models.Place:
        return models.place_of(bundle, self.settings.place, self._layout)

    @property
    def _layout(self) -> Layout:
        return Layout.OURS if self.settings.container is None else Layout.PROVIDED

    def _bring_model(self, bundle: Bundle) -> str:
        from deployers.wrapping.images.store import Store

        return models.bring(
            bundle,
            self._place(bundle),
            objects=Objects(self.amazon, self.settings.bucket),
            prefix=self.settings.prefix,
            store=Store(self.surroundings.cache / "models"),
            layout=self._layout,
        )
