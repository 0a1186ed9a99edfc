"""Attach documents to an image as referrers: manifests of their own, whose ``subject`` is the image's.

OCI distribution 1.1; a registry without its referrers API keeps the list under a tag, as the specification says under
"Referrers Tag Schema". One document of a kind is attached once: the image's inputs made it, and they don't change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployers.wrapping.images import documents
from deployers.wrapping.images.documents import Descriptor, Index, Manifest
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.registry import Registry
from deployers.wrapping.images.store import Store
from deployers.wrapping.images.uploads import FileBlob, bring_all

EMPTY = b"{}"


@dataclass(frozen=True)
class Attachment:
    """One document: its kind, what it is about, and how it is written, which for a large model takes a while."""

    media_type: str
    subject: Descriptor
    write: Callable[[], bytes]


def manifest_for(content: bytes, media_type: str, subject: Descriptor) -> bytes:
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
        )
    )


def attach(wanted: Sequence[Attachment], repository: ImageName, registry: Registry, store: Store) -> int:
    """Attach each document unless one of its kind is there; returns the bytes that were sent."""
    sent = 0
    for subject in dict.fromkeys(one.subject.digest for one in wanted):
        kinds = {found.artifact_type for found in listed(subject, repository, registry)}
        missing = [one for one in wanted if one.subject.digest == subject and one.media_type not in kinds]
        contents = [one.write() for one in missing]
        blobs = [(_blob(content, store), ()) for content in ([EMPTY, *contents] if contents else [])]
        sent += bring_all(registry, repository.repository, blobs).sent
        unlisted = []
        for one, content in zip(missing, contents, strict=True):
            manifest = manifest_for(content, one.media_type, one.subject)
            name = repository.at(digest=documents.digest(manifest))
            answer = registry.put_manifest(name, manifest, documents.MANIFEST)
            sent += len(manifest)
            if not answer.headers.get("OCI-Subject"):
                unlisted.append(documents.described(manifest, documents.MANIFEST, artifact_type=one.media_type))
        if unlisted:
            sent += _list_by_tag(unlisted, subject, repository, registry)
    return sent


def listed(subject: str, repository: ImageName, registry: Registry) -> tuple[Descriptor, ...]:
    """What refers to the manifest ``subject``, by the registry's API or the fallback tag."""
    answer = registry.call(
        "GET", f"/v2/{repository.repository}/referrers/{subject}", repository.repository,
        headers={"Accept": documents.INDEX}, accept=(200, 400, 404, 405),
    )  # fmt: skip
    if answer.status_code == 200 and documents.INDEX in answer.headers.get("Content-Type", ""):
        return documents.decode(answer.content, Index, repository).manifests
    found = registry.manifest(repository.at(tag=fallback_tag(subject)))
    return documents.decode(found[0], Index, repository).manifests if found else ()


def fallback_tag(digest: str) -> str:
    """The tag under which a registry without the API keeps the list."""
    return digest.replace(":", "-")


def _blob(content: bytes, store: Store) -> FileBlob:
    digest = store.add(content)
    return FileBlob(store.blob(digest), digest, len(content))


def _list_by_tag(said: Sequence[Descriptor], subject: str, repository: ImageName, registry: Registry) -> int:
    name = repository.at(tag=fallback_tag(subject))
    found = registry.manifest(name)
    before = documents.decode(found[0], Index, repository).manifests if found else ()
    known = {one.digest for one in before}
    new = tuple(one for one in said if one.digest not in known)
    content = documents.encode(Index(schema_version=2, media_type=documents.INDEX, manifests=(*before, *new)))
    if found is not None and content == found[0]:
        return 0
    registry.put_manifest(name, content, documents.INDEX)
    return len(content)
