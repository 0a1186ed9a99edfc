"""What is put beside an image: a bill of materials for each platform, one provenance for the whole, a signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployers.wrapping.images import inventory, provenance
from deployers.wrapping.images.documents import Descriptor
from deployers.wrapping.images.made import Image
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.signing import SigningKey


@dataclass(frozen=True)
class Attachments:
    """What is put beside an image in the registry. ``run``: the address of the CI run, for the provenance."""

    inventory: bool = True
    provenance: bool = True
    run: str | None = None
    key: SigningKey | None = None


def documents_of(image: Image, name: ImageName, wanted: Attachments) -> list[tuple[bytes, str, Descriptor]]:
    """(document, media type, what it is about): a bill of materials for each platform, one provenance for the whole."""
    found: list[tuple[bytes, str, Descriptor]] = []
    if wanted.inventory:
        found += [(inventory.of(one, image.bundle), inventory.MEDIA_TYPE, one.descriptor) for one in image.images]
    if wanted.provenance:
        settings = image.settings
        asked: dict[str, Any] = {
            "base": str(image.base),
            "platforms": sorted(settings.platforms),
            "model": settings.model,
        }
        statement = provenance.of(
            f"{name.registry}/{name.repository}", image.digest, image.images, image.bundle, inputs=asked,
            source=settings.source, run=wanted.run,
        )  # fmt: skip
        found.append((statement, provenance.MEDIA_TYPE, image.descriptor))
    return found
