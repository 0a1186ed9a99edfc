"""Attach documents to an image as referrers: manifests of their own, whose ``subject`` is the image's.

OCI distribution 1.1; a registry without its referrers API keeps the list under a tag, as the specification says under
"Referrers Tag Schema". One document of a kind is attached once: the image's inputs made it, and they don't change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deployers.errors import TagboatError
from deployers.wrapping.images import documents
from deployers.wrapping.images.documents import Descriptor, Index, Manifest
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.registry import Registry
from deployers.wrapping.images.store import Store
from deployers.wrapping.images.uploads import FileBlob, Upload

EMPTY = b"{}"


def manifest_for(content: bytes, media_type: str, subject: Descriptor, annotations: Mapping[str, str] | None) -> bytes:
    """The manifest that attaches one document."""
    plain = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
    return documents.encode(
        Manifest(
            schema_version=2,
            media_type=documents.MANIFEST,
            artifact_type=media_type,
            config=documents.described(EMPTY, documents.EMPTY),
            layers=(documents.described(content, media_type),),
            subject=plain,
            annotations=annotations,
        )
    )


def attach(
    content: bytes, media_type: str, subject: Descriptor, repository: ImageName, registry: Registry, store: Store,
    *, annotations: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Attach a document unless one of its kind is there; returns the bytes that were sent."""
    if any(found.artifact_type == media_type for found in listed(subject.digest, repository, registry)):
        return 0
    manifest = manifest_for(content, media_type, subject, annotations)
    upload = Upload(registry, repository.repository)
    for blob in (EMPTY, content):
        digest = store.add(blob)
        upload.bring(FileBlob(store.blob(digest), digest, len(blob)))
    answer = registry.put_manifest(repository.at(digest=documents.digest(manifest)), manifest, documents.MANIFEST)
    sent = upload.sent + len(manifest)
    if not answer.headers.get("OCI-Subject"):
        said = documents.described(manifest, documents.MANIFEST, artifact_type=media_type, annotations=annotations)
        sent += _list_by_tag(said, subject.digest, repository, registry)
    return sent


def listed(subject: str, repository: ImageName, registry: Registry) -> tuple[Descriptor, ...]:
    """What refers to the manifest ``subject``, by the registry's API or the fallback tag."""
    answer = registry.call(
        "GET", f"/v2/{repository.repository}/referrers/{subject}", repository.repository,
        headers={"Accept": documents.INDEX}, accept=(200, 400, 404, 405),
    )  # fmt: skip
    if answer.status_code == 200 and documents.INDEX in answer.headers.get("Content-Type", ""):
        return _decoded(answer.content, repository).manifests
    found = registry.manifest(repository.at(tag=fallback_tag(subject)))
    return _decoded(found[0], repository).manifests if found else ()


def fallback_tag(digest: str) -> str:
    """The tag under which a registry without the API keeps the list."""
    return digest.replace(":", "-")


def _list_by_tag(said: Descriptor, subject: str, repository: ImageName, registry: Registry) -> int:
    name = repository.at(tag=fallback_tag(subject))
    found = registry.manifest(name)
    before = _decoded(found[0], repository).manifests if found else ()
    if any(one.digest == said.digest for one in before):
        return 0
    content = documents.encode(Index(schema_version=2, media_type=documents.INDEX, manifests=(*before, said)))
    registry.put_manifest(name, content, documents.INDEX)
    return len(content)


def _decoded(content: bytes, where: Any) -> Index:
    try:
        return msgspec.json.decode(content, type=Index)
    except msgspec.DecodeError as error:
        raise TagboatError(f"the list of what refers to the image can't be read: {error}", where=str(where)) from error
