"""Write an image to this machine's disk: an OCI layout folder, or an archive for ``docker load`` and ``podman load``.

The archive is Docker's own form (manifest.json, configuration, layers, which may be compressed), which every version of
both loads. Base layers stream from their registry; every blob is held against its digest on the way.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.images import documents
from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.layers import TIME
from deployers.wrapping.images.pushing import blobs
from deployers.wrapping.images.store import Store
from deployers.wrapping.images.uploads import BlobSource

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
NAME = "org.opencontainers.image.ref.name"


def layout(
    document: bytes, media_type: str, images: Sequence[PlatformImage], folder: Path, *,
    tag: str, registries: Registries, store: Store, more: Sequence[tuple[bytes, documents.Descriptor]] = (),
) -> None:  # fmt: skip
    """Write the layout into ``folder``, which is empty or a layout already; an older image under ``tag`` gives way.

    ``more``: further blobs and manifests, such as referrers, with the descriptors of those that the index is to list.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "oci-layout").is_file():
        raise ConfigurationError("the folder holds something else than an OCI layout", where=str(folder))
    target = folder / "blobs" / "sha256"
    target.mkdir(parents=True, exist_ok=True)
    for digest, source in _all(document, images, registries, store):
        _write(target / digest.removeprefix("sha256:"), digest, source)
    for content, _ in more:
        _write(target / documents.digest(content).removeprefix("sha256:"), documents.digest(content), content)
    listed = [_top(document, media_type, tag), *(said for _, said in more if said.media_type == documents.MANIFEST)]
    (folder / "oci-layout").write_bytes(LAYOUT)
    # Last: until now the folder was what it had been.
    (folder / "index.json").write_bytes(_index(listed))


def archive(
    images: Sequence[PlatformImage], file: Path, *,
    name: str, registries: Registries, store: Store,
) -> None:  # fmt: skip
    """Write the archive; it appears whole or not at all. ``name``: repository and tag that ``load`` gives the image."""
    if len(images) != 1:
        raise ConfigurationError("an archive for docker load holds one platform", hint="Name one with --platform.")
    (image,) = images
    file.parent.mkdir(parents=True, exist_ok=True)
    config = documents.digest(image.config)
    layers = [layer.digest for layer in image.base.layers] + [layer.digest for layer in image.layers]
    said = [{"Config": config, "RepoTags": [name], "Layers": [_packed(layer) for layer in layers]}]
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".archive-", delete=False) as written:
        partial = Path(written.name)
        try:
            with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, config, image.config)
                for blob, _ in blobs(image, registries, store):
                    if blob.digest != config:
                        _stream(tar, blob)
                _add(tar, "manifest.json", documents.encode(said))
            partial.chmod(0o644)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def _all(
    document: bytes, images: Sequence[PlatformImage], registries: Registries, store: Store
) -> Iterator[tuple[str, BlobSource | bytes]]:
    """Every blob once, by digest: base layers, ours, configurations, manifests, the index."""
    seen: set[str] = set()
    for image in images:
        for blob, _ in blobs(image, registries, store):
            if blob.digest not in seen:
                seen.add(blob.digest)
                yield blob.digest, blob
    for content in dict.fromkeys([*(image.manifest for image in images), document]):
        yield documents.digest(content), content


def _write(path: Path, digest: str, source: BlobSource | bytes) -> None:
    if path.exists():
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as written:
        partial = Path(written.name)
        try:
            for piece in _pieces(digest, source):
                written.write(piece)
            partial.chmod(0o644)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _stream(tar: tarfile.TarFile, blob: BlobSource) -> None:
    with tempfile.TemporaryFile() as kept:  # a tar's header comes first, and a blob has to be right to get one
        for piece in _pieces(blob.digest, blob):
            kept.write(piece)
        kept.seek(0)
        tar.addfile(_member(_packed(blob.digest), blob.size), kept)


def _pieces(digest: str, source: BlobSource | bytes) -> Iterator[bytes]:
    reckoned = hashlib.sha256()
    if isinstance(source, bytes):
        reckoned.update(source)
        yield source
    else:
        with source.reading(0) as pieces:
            for piece in pieces:
                reckoned.update(piece)
                yield piece
    if f"sha256:{reckoned.hexdigest()}" != digest:
        raise RefusedError("a blob is not the one that its digest names", where=digest)


def _top(document: bytes, media_type: str, tag: str) -> documents.Descriptor:
    return documents.described(document, media_type, annotations={NAME: tag})


def _index(listed: Sequence[documents.Descriptor]) -> bytes:
    return documents.encode(documents.Index(schema_version=2, media_type=documents.INDEX, manifests=tuple(listed)))


def _packed(digest: str) -> str:
    return f"{digest.removeprefix('sha256:')}.tar.gz"


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    tar.addfile(_member(path, len(content)), BytesIO(content))


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mtime, member.mode = size, TIME, 0o644
    return member
