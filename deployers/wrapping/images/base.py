"""The base image: which one, pinned to a digest, and whether it can carry the model's environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.images import documents, listing, names
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.documents import Configuration, Descriptor, Index, Manifest, Platform
from deployers.wrapping.images.listing import LayerListing, Listing
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.store import Store

WHERE = "base-image"

SEARCHED = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where a Python is taken from first, as PATH would have it."""


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """One platform's base. ``name`` is pinned to what was asked for (perhaps an index), ``manifest`` is the platform's.

    ``config``: its configuration document. ``layers``: with OCI's names of their types; ``diff_ids`` go with them.
    """

    name: ImageName
    platform: Platform
    manifest: str
    config: Mapping[str, Any]
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]

    @property
    def variables(self) -> dict[str, str]:
        """The environment that the base sets."""
        pairs = [text.partition("=") for text in (self.config.get("config") or {}).get("Env") or []]
        return {name: value for name, _, value in pairs}


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The base's Python: absolute path, and its version as far as it is known, such as 3.11 or 3.11.9."""

    path: str
    version: str


def default_for(python: str) -> str:
    """The base for a version of Python where nothing else is asked for."""
    return f"docker.io/library/python:{python}-slim-bookworm"


def resolve(text: str, registries: Registries) -> ImageName:
    """Pin a base to the digest that its tag stands for now. Raises `ConfigurationError` where there is none."""
    name = names.parse(text, where=WHERE)
    if name.digest:
        return name
    digest = registries.of(name).digest_of(name)
    if digest is None:
        raise ConfigurationError(
            "there is no such base image", where=str(name),
            hint="Set `base-image:` to one that exists and has the model's Python.",
        )  # fmt: skip
    return name.at(tag=name.tag or "latest", digest=digest)


def read(name: ImageName, platform: Platform, registries: Registries) -> Base:
    """The base for a platform. Raises `ConfigurationError` where there is none for it."""
    registry = registries.of(name)
    content, media_type = _manifest(name, registries)
    manifest = name.digest or documents.digest(content)
    if media_type in {documents.INDEX, documents.DOCKER_INDEX} or b'"manifests"' in content:
        index = documents.decode(content, Index, name)
        manifest = _chosen(index, platform, name)
        content, _ = _manifest(name.at(tag=name.tag, digest=manifest), registries)
    document = documents.decode(content, Manifest, name)
    with registry.blob(name.repository, document.config.digest) as pieces:
        raw = b"".join(pieces)
    if documents.digest(raw) != document.config.digest:
        raise RefusedError("the base's configuration is not the one that its digest names", where=str(name))
    said = documents.decode(raw, Configuration, name)
    if (said.os, said.architecture) != (platform.os, platform.architecture):
        raise ConfigurationError(f"the base is for {said.os}/{said.architecture}, not for {platform}", where=str(name))
    diff_ids = said.rootfs.diff_ids
    if len(diff_ids) != len(document.layers) or any(layer.urls for layer in document.layers):
        raise ConfigurationError("the base has layers that can't be used for another image", where=str(name))
    config = documents.decode(raw, dict[str, Any], name)
    layers = tuple(
        Descriptor(media_type=documents.LAYER_TYPES.get(layer.media_type, layer.media_type), digest=layer.digest,
                   size=layer.size) for layer in document.layers
    )  # fmt: skip
    return Base(name=name, platform=platform, manifest=manifest, config=config, layers=layers, diff_ids=diff_ids)


def look_into(base: Base, registries: Registries, store: Store) -> Listing:
    """What the base holds; every layer is read at most once per cache."""
    registry = registries.of(base.name)
    found = []
    for layer, diff_id in zip(base.layers, base.diff_ids, strict=True):
        known = store.recall(f"listings-{listing.RULES}", layer.digest, LayerListing)
        if known is None:
            with registry.blob(base.name.repository, layer.digest) as pieces:
                known = listing.read(layer, pieces, where=f"{base.name}: {layer.digest}")
            store.remember(f"listings-{listing.RULES}", layer.digest, known)
        if known.diff_id != diff_id:
            raise RefusedError("a layer of the base is not what its configuration says", where=str(base.name))
        found.append(known)
    search = [folder for folder in base.variables.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
    return listing.merged(found, search=search)


def interpreter(base: Base, held: Listing, python: str) -> Interpreter:
    """The base's Python of the version that the model needs. Raises `ConfigurationError`: no other is ever taken."""
    minor = ".".join(python.split(".")[:2])
    said = base.variables.get("PYTHON_VERSION", "")
    folders = [folder for folder in base.variables.get("PATH", "").split(":") if folder.startswith("/")]
    path = next(
        (f"{folder}/python{minor}" for folder in (*folders, *SEARCHED) if f"{folder}/python{minor}" in held.pythons),
        next((path for path in sorted(held.pythons) if path.endswith(f"/python{minor}")), None),
    )
    has = sorted({found.rpartition("python")[2] for found in held.pythons} - {"3"})
    if path is None:
        raise ConfigurationError(
            f"the base has no Python {minor}, which the model needs" + (f" (it has {', '.join(has)})" if has else ""),
            where=str(base.name),
            hint=f"Set `base-image:` to an image with Python {minor}, such as {default_for(minor)}.",
        )
    version = said if re.match(rf"{re.escape(minor)}(\.|$)", said) and path.startswith("/usr/local/") else minor
    if not f"{version}.".startswith(f"{python}."):
        raise ConfigurationError(
            f"the base has Python {version}, the model asks for exactly {python}",
            where=str(base.name),
            hint=f"Set `base-image:` to {default_for(python)} or the like, or `python: {minor!r}` for the artifact.",
        )
    return Interpreter(path=path, version=version)


def glibc(base: Base, held: Listing) -> int:
    """The minor version of the base's C library. Raises `ConfigurationError` for musl's, which few wheels are for."""
    if held.glibc is None:
        raise ConfigurationError(
            "the base has no GNU C library", where=str(base.name),
            hint="Alpine and the like have musl, for which most packages have no wheels: take a Debian, Ubuntu or "
            "Red Hat base.",
        )  # fmt: skip
    return held.glibc


def _manifest(name: ImageName, registries: Registries) -> tuple[bytes, str]:
    found = registries.of(name).manifest(name)
    if found is None:
        raise ConfigurationError("there is no such base image", where=str(name), hint="Correct `base-image:`.")
    return found


def _chosen(index: Index, platform: Platform, name: ImageName) -> str:
    listed = [(item.platform or {}, item.digest) for item in index.manifests]
    for said, digest in listed:
        if (said.get("os"), said.get("architecture")) == (platform.os, platform.architecture):
            return digest
    there = sorted({f"{said.get('os')}/{said.get('architecture')}" for said, _ in listed} - {"unknown/unknown"})
    raise ConfigurationError(f"the base has no image for {platform}, only for {', '.join(there)}", where=str(name))
