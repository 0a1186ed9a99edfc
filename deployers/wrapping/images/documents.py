"""The documents of the OCI image format, as far as we read and write them, and their bytes.

Specification: https://github.com/opencontainers/image-spec. Encoding is canonical (sorted keys, no spaces), so that
the same image has the same digest on every machine. What others wrote may be Docker's older form of the same things.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from deployers.errors import ConfigurationError, TagboatError

T = TypeVar("T")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

ACCEPTED = (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
"""What we ask a registry for."""

LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
"""Docker's name of a layer type → OCI's; the bytes are the same. A manifest must not mix the two."""


class Platform(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """For what a platform's image is, in Go's words."""

    architecture: str
    os: str = msgspec.field(default="linux")
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")


AMD64 = Platform("amd64", "linux")
ARM64 = Platform("arm64", "linux")
PLATFORMS = {"linux/amd64": AMD64, "linux/arm64": ARM64}


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What names a blob or a manifest: its type, digest and size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] | None = None
    platform: Mapping[str, Any] | None = None
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One platform's image, or an artifact that refers to one by its ``subject``."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str | None = None
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The manifests of several platforms, or those that refer to one image."""

    schema_version: int
    manifests: tuple[Descriptor, ...]
    media_type: str | None = None
    annotations: Mapping[str, str] | None = None


class Annotated(msgspec.Struct, frozen=True):
    """A manifest or an index, as far as both are the same."""

    annotations: Mapping[str, str] | None = None


class Started(msgspec.Struct, frozen=True, rename="pascal"):
    """What a configuration says of the process; of a base we take these over."""

    env: tuple[str, ...] | None = None
    labels: Mapping[str, str] | None = None


class Layered(msgspec.Struct, frozen=True):
    """The plain layers of an image."""

    diff_ids: tuple[str, ...]


class Configuration(msgspec.Struct, frozen=True):
    """An image's configuration, as far as we rely on it."""

    architecture: str
    os: str
    rootfs: Layered
    config: Started | None = None
    history: tuple[Mapping[str, Any], ...] | None = None
    created: str | None = None


def encode(document: Any) -> bytes:
    """The canonical bytes of a document."""
    # Twice: msgspec sorts the keys of mappings, not the fields of structs.
    return msgspec.json.encode(msgspec.to_builtins(document), order="sorted")


def decode(content: bytes, type_: type[T], where: object) -> T:
    """A document of somebody else's. Raises `TagboatError` for what is none of that kind."""
    try:
        return msgspec.json.decode(content, type=type_)
    except msgspec.DecodeError as error:
        raise TagboatError(f"the registry's document is not of a kind we know: {error}", where=str(where)) from error


def digest(content: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, media_type: str, **more: Any) -> Descriptor:
    """The descriptor of these bytes."""
    return Descriptor(media_type=media_type, digest=digest(content), size=len(content), **more)


def platform_of(text: str) -> Platform:
    """One of `PLATFORMS`. Raises `ConfigurationError`."""
    try:
        return PLATFORMS[text]
    except KeyError:
        raise ConfigurationError(
            f"no images are made for {text[:60]!r}", hint=f"Choose from {', '.join(PLATFORMS)}."
        ) from None
