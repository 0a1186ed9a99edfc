"""A finished image on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images import documents
from deployers.wrapping.images.asked import ImageSettings
from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.documents import Descriptor
from deployers.wrapping.images.model_layer import model_files
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.store import Store


@dataclass(frozen=True)
class Image:
    """A finished image, its own layers in ``store``. ``document``: the index, or the only manifest."""

    bundle: Bundle
    settings: ImageSettings
    inputs: str
    base: ImageName
    images: tuple[PlatformImage, ...]
    document: bytes = field(repr=False)
    media_type: str
    store: Store

    @property
    def digest(self) -> str:
        """``sha256:…`` of the document: the image's identity in every registry."""
        return documents.digest(self.document)

    @property
    def descriptor(self) -> Descriptor:
        """What names the image as a whole."""
        return documents.described(self.document, self.media_type)

    @cached_property
    def model_files(self) -> list[Content]:
        """The model's files; hashed at the first use, once."""
        return model_files(self.bundle)

    @property
    def layers_size(self) -> int:
        """Bytes of our own layers, compressed."""
        return sum(layer.size for image in self.images for layer in image.layers)
