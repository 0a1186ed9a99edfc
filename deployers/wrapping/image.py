"""A bundle as a container image, made without Docker: a base and three layers, by how often they change.

    environment   the packages of the lock, in a real virtual environment, for the image's platform and Python
    server        tagboat-server
    model         the model's files, its code, model.json

What deployers use (stable):

    with Registries(environment) as registries:
        pushed = ensure(bundle, repository, settings, registries=registries, cache=…, environment=…)
        pushed.reference                    # registry/repository@sha256:…, for a pod or an endpoint

`ensure` is `find` (one request where this bundle was pushed with these settings before: nothing is resolved, built or
sent), else `build` and `push`. A plan that must not push calls `find`, then `build`, whose `Image.digest` is the one
that a push of it will have. At a registration the same `ensure` pushes ahead, and the assignment only rolls out.

Same inputs, same digests, on any machine: bytes of layers are `images.layers`'s, documents are canonical, the base is
pinned. Stage and release id are in nothing of it; they come with the container's environment (``TAGBOAT_RELEASE``,
``TAGBOAT_STAGE``), so that a promotion moves the same image. Paths, port and commands: `images.places`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from deployers.errors import CapabilityError
from deployers.wrapping.bundle import Bundle, file_sha256
from deployers.wrapping.images import (
    assembly,
    documents,
    environment_layer,
    model_layer,
    model_store,
    needs,
    outputs,
    places,
    pushing,
    referrers,
    server_layer,
    signing,
)
from deployers.wrapping.images import base as bases
from deployers.wrapping.images import names as image_names
from deployers.wrapping.images.asked import ImageSettings, base_of, inputs, tag_of
from deployers.wrapping.images.attachments import Attachments, documents_of
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.documents import Annotated, Descriptor
from deployers.wrapping.images.made import Image
from deployers.wrapping.images.model_layer import ModelPlace
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.pushing import Pushed
from deployers.wrapping.images.signing import SigningKey
from deployers.wrapping.images.store import Store
from deployers.wrapping.locking import Index, Lock

__all__ = [
    "Attachments", "Image", "ImageName", "ImageSettings", "ModelPlace", "Pushed", "Registries", "SigningKey",
    "build", "ensure", "find", "inputs", "places", "push", "save_archive", "save_layout",
]  # fmt: skip


def _nobody(_: str) -> None:
    """Nobody is told."""


def find(bundle: Bundle, repository: str, settings: ImageSettings, *, registries: Registries) -> Pushed | None:
    """The image of this bundle with these settings, where it was pushed to the repository before. Reads only."""
    key = inputs(bundle, settings)
    name = image_names.parse(repository, where="the image's repository")
    found = registries.of(name).manifest(name.at(tag=tag_of(key)))
    if found is None:
        return None
    content, _ = found
    if (documents.decode(content, Annotated, name).annotations or {}).get(assembly.INPUTS) != key:
        return None
    return Pushed(name=name.at(digest=documents.digest(content)), unchanged=True)


def build(
    bundle: Bundle,
    settings: ImageSettings,
    *,
    registries: Registries,
    cache: Path,
    environment: Mapping[str, str],
    step: Callable[[str], None] = _nobody,
) -> Image:
    """Make the image. Pushes nothing; the base and the package index are read, ``cache`` keeps what was made.

    ``environment``: the runner's variables, for uv. ``step`` is told what begins.

    Raises `ConfigurationError` (a base without the model's Python or a library that a wheel needs, a package without a
    wheel for the platform), `RefusedError` (bytes that are not what their digest says) and `UnreachableError`.
    """
    store = Store(cache / "images")
    description = bundle.description
    key = inputs(bundle, settings)
    step("base")
    base_name = bases.resolve(base_of(bundle, settings), registries)
    lock = Lock(
        text=bundle.lock, python=description.python, source=f"{description.name} {description.version}".strip(),
        indexes=msgspec.convert(description.indexes, tuple[Index, ...]),
    )  # fmt: skip
    addresses = _addresses(bundle, settings)
    labels, annotations = _said(bundle, settings, base_name, key)
    images = []
    for text in sorted(settings.platforms):
        platform = documents.platform_of(text)
        base = bases.read(base_name, platform, registries)
        held = bases.look_into(base, registries, store)
        python = bases.interpreter(base, held, description.python)
        step(f"environment for {platform}")
        packages = environment_layer.make(
            lock, platform, python, bases.glibc(base, held), store=store, environment=environment
        )
        needs.check(packages.needs, held, base=str(base_name), allowed=settings.allow_missing)
        step(f"server and model for {platform}")
        minor = ".".join(python.version.split(".")[:2])
        server = server_layer.make(bundle.server, file_sha256(bundle.server), minor, store)
        layers = [packages.layer, server]
        if settings.model is not ModelPlace.MOUNTED:
            layers.append(model_layer.make(bundle, store, addresses=addresses))
        images.append(assembly.platform_image(base, layers, packages.packages, labels=labels, annotations=annotations))
    if len(images) == 1:
        document, media_type = images[0].manifest, documents.MANIFEST
    else:
        document, media_type = assembly.index(images, annotations), documents.INDEX
    return Image(
        bundle=bundle, settings=settings, inputs=key, base=base_name, images=tuple(images), document=document,
        media_type=media_type, store=store,
    )  # fmt: skip


def push(
    image: Image,
    repository: str,
    *,
    registries: Registries,
    environment: Mapping[str, str],
    tags: tuple[str, ...] = (),
    attachments: Attachments | None = None,
    step: Callable[[str], None] = _nobody,
) -> Pushed:
    """Push the image, what is attached to it, and ``tags`` besides the one by which `find` knows it.

    An unchanged image sends nothing. ``repository`` may begin with ``http://`` for a registry without TLS.
    """
    name = image_names.parse(repository, where="the image's repository")
    registry = registries.of(name)
    attached = attachments or Attachments()
    sent = 0
    if image.settings.model is ModelPlace.OBJECT_STORAGE:
        step("model's store")
        sent += model_store.upload(
            image.bundle.folder / "model", image.model_files, str(image.settings.model_store), environment
        )
    pushed = pushing.push(
        image.document, image.media_type, image.images, name, registries=registries, store=image.store, step=step
    )
    step("attachments")
    sent += referrers.attach(documents_of(image, name, attached), name, registry, image.store)
    if attached.key is not None:
        sent += signing.sign(pushed.name, attached.key, registry, image.store)
    # Last, since `find` takes what it finds under a tag for complete.
    sent += pushing.tag(image.document, image.media_type, pushed.name, (tag_of(image.inputs), *tags), registry)
    return Pushed(
        name=pushed.name, sent=pushed.sent + sent, mounted=pushed.mounted, unchanged=pushed.unchanged and sent == 0
    )


def ensure(
    bundle: Bundle,
    repository: str,
    settings: ImageSettings,
    *,
    registries: Registries,
    cache: Path,
    environment: Mapping[str, str],
    attachments: Attachments | None = None,
    step: Callable[[str], None] = _nobody,
) -> Pushed:
    """The image of a bundle in a repository: found there, or made and pushed."""
    found = find(bundle, repository, settings, registries=registries)
    if found is not None:
        return found
    image = build(bundle, settings, registries=registries, cache=cache, environment=environment, step=step)
    return push(image, repository, registries=registries, environment=environment, attachments=attachments, step=step)


def save_layout(image: Image, folder: Path, *, registries: Registries, tag: str = "latest") -> None:
    """Write the image and its attachments into an OCI layout folder, for `skopeo copy oci:…` and the like."""
    name = ImageName(registry="layout", repository="image")
    more: list[tuple[bytes, Descriptor]] = []
    for one in documents_of(image, name, Attachments()):
        content = one.write()
        manifest = referrers.manifest_for(content, one.media_type, one.subject)
        described = documents.described(manifest, documents.MANIFEST, artifact_type=one.media_type)
        more += [(manifest, described), (content, documents.described(content, one.media_type)),
                 (referrers.EMPTY, documents.described(referrers.EMPTY, documents.EMPTY))]  # fmt: skip
    outputs.layout(
        image.document, image.media_type, image.images, folder, tag=tag, registries=registries, store=image.store,
        more=more,
    )  # fmt: skip


def save_archive(image: Image, file: Path, *, registries: Registries, name: str) -> None:
    """Write a docker-archive, for `docker load`; ``name``: the repository and tag that the image then has."""
    outputs.archive(image.images, file, name=name, registries=registries, store=image.store)


def _addresses(bundle: Bundle, settings: ImageSettings) -> dict[str, str] | None:
    if settings.model is not ModelPlace.OBJECT_STORAGE:
        return None
    if not settings.model_store:
        raise CapabilityError(
            "the model is to be in object storage, and no store is named", where="model-store",
            hint="Set `model-store: s3://bucket/prefix`.",
        )  # fmt: skip
    return model_store.addresses(model_layer.model_files(bundle), settings.model_store)


def _said(bundle: Bundle, settings: ImageSettings, base: ImageName, key: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels of the configuration and annotations of the manifest: nothing of a stage or a release is in either."""
    description = bundle.description
    said = {
        **settings.labels,
        "org.opencontainers.image.title": description.name,
        "org.opencontainers.image.version": description.version,
        "org.opencontainers.image.revision": description.commit,
        "org.opencontainers.image.source": settings.source or "",
        "org.opencontainers.image.base.name": str(base.at(tag=base.tag, digest=None)),
        "org.opencontainers.image.base.digest": str(base.digest),
        assembly.BUNDLE: bundle.digest,
    }
    said = {name: value for name, value in said.items() if value}
    return said, {**said, assembly.INPUTS: key}
