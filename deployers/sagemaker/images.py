"""The image of a bundle in the target's registry, which is ECR's wherever SageMaker is to pull it."""

from __future__ import annotations

from collections.abc import Callable

from deployers.base import Surroundings
from deployers.sagemaker import names
from deployers.sagemaker.repositories import ensure, finder
from deployers.sagemaker.settings import Image as Wanted
from deployers.sagemaker.wire import Amazon
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.bundle_images import BundleImages
from deployers.wrapping.image import Attachments, ImageSettings, ModelPlace, Registries, SigningKey

LONGEST_NAME = 60
"""Characters of an artifact's name in its repository."""


def registry_images(
    wanted: Wanted,
    surroundings: Surroundings,
    *,
    inside: bool,
    amazon: Amazon,
    where: str,
    key: Callable[[], SigningKey | None],
    run: str | None,
) -> BundleImages:
    """Images in the registry of a target. ``inside``: the model's files are in the image.

    ``where``: the setting, for errors. ``key``: gives the signing key when something is pushed; ``run``: the address of
    the run, for the provenance.
    """
    scheme = "http://" if wanted.plain_http else ""

    def repository(bundle: Bundle) -> str:
        return f"{scheme}{wanted.repository}/{names.readable_name(bundle.description.name, LONGEST_NAME).lower()}"

    def prepare(repository: str) -> None:
        ensure(
            amazon, repository, create=wanted.create_repository, tags={names.MANAGED: "tagboat"}, where=where,
            scan=wanted.scan,
        )  # fmt: skip

    return BundleImages(
        repository,
        ImageSettings(
            base=wanted.base_image,
            platforms=(wanted.platform,),
            model=ModelPlace.IMAGE if inside else ModelPlace.MOUNTED,
            allow_missing=tuple(wanted.allow_missing),
        ),
        connect=lambda: Registries(surroundings.environment, find=finder(amazon, surroundings.environment)),
        prepare=prepare,
        attachments=lambda: Attachments(run=run, key=key()),
        cache=surroundings.cache,
        environment=surroundings.environment,
    )
