"""Containers that are not our server: those that AWS provides for a framework, or one of somebody's own.

The image is somebody else's, so it is named by its digest before anything is made, and pushed by nobody. The model
travels as an archive, in the layout that the container expects of it (docs/sagemaker.md has the table). It names no
release in its answers: what is served is proved by `deployers.sagemaker.tracing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from deployers.errors import ConfigurationError
from deployers.settings import Settings

if TYPE_CHECKING:
    from deployers.wrapping.bundle import Bundle
    from deployers.wrapping.image import Registries

CODE = "/opt/ml/model/code"
"""Where the containers of SageMaker's own toolkits find ``code/`` of the archive."""


NAMING = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage")
"""What IAM asks for of whoever finds an image's digest by the registry's own protocol."""

Program = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]*\.py\Z", max_length=100)]
"""A script's name, without a folder."""


class Container(Settings, frozen=True, kw_only=True):
    """A container that is not Tagboat's server."""

    image: Annotated[
        str,
        Meta(
            description="The image, in ECR, such as one of AWS's for scikit-learn, XGBoost, PyTorch, TensorFlow or "
            "Hugging Face. A tag is resolved to its digest."
        ),
    ]
    program: Annotated[
        Program | None,
        Meta(description="The script in `code/` of the model that loads and asks it, such as `inference.py`."),
    ] = None


def variables(container: Container) -> dict[str, str]:
    """What SageMaker's toolkits read: which script, and where it is."""
    if container.program is None:
        return {}
    return {"SAGEMAKER_PROGRAM": container.program, "SAGEMAKER_SUBMIT_DIRECTORY": CODE}


class ProvidedImage:
    """The image of a target whose container is not ours; the same for every bundle (`bundle_images.Images`)."""

    def __init__(self, container: Container, *, connect: Callable[[], Registries], where: str) -> None:
        self.container = container
        self.connect = connect
        self.where = where
        self._pinned: str | None = None

    def reference(self, _: Bundle) -> str:
        """The image by its digest. Raises `ConfigurationError` where there is none of that name."""
        # Imported here: settings are read where no image is spoken of.
        from deployers.wrapping.images import names as image_names

        if self._pinned is None:
            name = image_names.parse(self.container.image, where=self.where)
            found = name.digest
            if found is None:
                with self.connect() as registries:
                    found = registries.of(name).digest_of(name)
            if found is None:
                raise ConfigurationError(
                    f"there is no image {name}",
                    where=self.where,
                    hint="AWS lists its images, each in a registry of the region: docs/sagemaker.md says where.",
                )
            self._pinned = name.at(digest=found).pinned
        return self._pinned

    def push(self, _: Bundle) -> str:
        """Nothing: it is there already."""
        return f"{self.container.image} is somebody else's, and there already"
