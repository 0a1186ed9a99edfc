"""Push an image to a repository: what is there already is not sent, what a neighbour has is mounted, the rest is sent.

The order keeps a repository whole at every moment: blobs, then manifests, then the index, then what is attached, then
tags, so that whatever a tag names is complete. A push that was killed is run again, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.documents import MANIFEST, digest
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.registry import Registry
from deployers.wrapping.images.store import Store
from deployers.wrapping.images.uploads import BlobSource, FileBlob, RegistryBlob, bring_all


@dataclass(frozen=True)
class Pushed:
    """An image in a registry. ``name``: with its digest. ``sent``: bytes of blobs and manifests that went out.

    ``mounted``: blobs that the registry took from a neighbouring repository. ``unchanged``: it was all there.
    """

    name: ImageName
    sent: int = 0
    mounted: int = 0
    unchanged: bool = False

    @property
    def reference(self) -> str:
        """``registry/repository@sha256:…``, what a pod or an endpoint is given."""
        return self.name.pinned


def push(
    document: bytes,
    media_type: str,
    images: Sequence[PlatformImage],
    repository: ImageName,
    *,
    registries: Registries,
    store: Store,
    step: Callable[[str], None],
) -> Pushed:
    """Push an image under its digest. ``document``: the index, or the only manifest. ``step``: told what is done."""
    registry = registries.of(repository)
    name = repository.at(digest=digest(document))
    if registry.digest_of(name) is not None:
        return Pushed(name=name, unchanged=True)
    sent = mounted = 0
    for image in images:
        wanted = list(blobs(image, registries, store, repository))
        step(f"{image.platform}: {len(wanted)} blobs, {sum(blob.size for blob, _ in wanted):,} bytes at most")
        upload = bring_all(registry, repository.repository, wanted)
        sent += upload.sent
        mounted += upload.mounted
        if image.manifest != document:
            registry.put_manifest(repository.at(digest=digest(image.manifest)), image.manifest, MANIFEST)
            sent += len(image.manifest)
    registry.put_manifest(name, document, media_type)
    return Pushed(name=name, sent=sent + len(document), mounted=mounted)


def tag(document: bytes, media_type: str, name: ImageName, tags: Iterable[str], registry: Registry) -> int:
    """Give a pushed image its tags; returns the bytes that were sent."""
    sent = 0
    for one in tags:
        if registry.digest_of(name.at(tag=one)) != name.digest:
            registry.put_manifest(name.at(tag=one), document, media_type)
            sent += len(document)
    return sent


def blobs(
    image: PlatformImage, registries: Registries, store: Store, repository: ImageName | None = None
) -> Iterable[tuple[BlobSource, list[str]]]:
    """Every blob of a platform's image, and the repositories of the same registry that have it."""
    base = image.base
    origin = registries.of(base.name)
    neighbour = repository is not None and (base.name.registry, base.name.plain) == (
        repository.registry, repository.plain
    )  # fmt: skip
    for layer in base.layers:
        source = RegistryBlob(origin, base.name.repository, layer.digest, layer.size)
        yield source, [base.name.repository] if neighbour else []
    for ours in image.layers:
        yield FileBlob(store.blob(ours.digest), ours.digest, ours.size), []
    config = store.add(image.config)
    yield FileBlob(store.blob(config), config, len(image.config)), []
