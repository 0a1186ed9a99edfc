"""What is put beside an image: a bill of materials for each platform, one provenance for the whole, a signature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from deployers.wrapping.images import inventory, provenance
from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.made import Image
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.referrers import Attachment
from deployers.wrapping.images.signing import SigningKey


@dataclass(frozen=True)
class Attachments:
    """What is put beside an image in the registry. ``run``: the address of the CI run, for the provenance."""

    inventory: bool = True
    provenance: bool = True
    run: str | None = None
    key: SigningKey | None = None


def documents_of(image: Image, name: ImageName, wanted: Attachments) -> list[Attachment]:
    """A bill of materials for each platform, one provenance for the whole."""
    found: list[Attachment] = []
    if wanted.inventory:
        found += [
            Attachment(inventory.MEDIA_TYPE, one.descriptor, partial(_inventory, image, one)) for one in image.images
        ]
    if wanted.provenance:
        found.append(Attachment(provenance.MEDIA_TYPE, image.descriptor, partial(_provenance, image, name, wanted.run)))
    return found


def _inventory(image: Image, one: PlatformImage) -> bytes:
    return inventory.of(one, image.bundle, image.model_files)


def _provenance(image: Image, name: ImageName, run: str | None) -> bytes:
    settings = image.settings
    asked = {"base": str(image.base), "platforms": sorted(settings.platforms), "model": settings.model}
    return provenance.of(
        f"{name.registry}/{name.repository}", image.digest, image.images, image.bundle, files=image.model_files,
        inputs=asked, source=settings.source, run=run,
    )  # fmt: skip
