"""Names of images: ``ghcr.io/acme/models:tag@sha256:…``, with the defaults that every container tool has.

Grammar: https://pkg.go.dev/github.com/distribution/reference. A name that begins with ``http://`` asks for a registry
without TLS; nothing else does.
"""

from __future__ import annotations

import re

import msgspec

from deployers.errors import ConfigurationError

DOCKER_HUB = "docker.io"

HOST = re.compile(r"(localhost|\[[0-9a-fA-F:]+\]|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)(:[0-9]{1,5})?", re.ASCII)
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class ImageName(msgspec.Struct, frozen=True, kw_only=True):
    """``registry``: host and port. ``plain``: HTTP without TLS was asked for. Tag and digest may both be absent."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    plain: bool = False

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def reference(self) -> str:
        """What a registry is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    @property
    def pinned(self) -> str:
        """Repository and digest, as a pod or an endpoint is given it."""
        return f"{self.registry}/{self.repository}@{self.digest}"

    def at(self, *, tag: str | None = None, digest: str | None = None) -> ImageName:
        """The same repository, another tag or digest."""
        return msgspec.structs.replace(self, tag=tag, digest=digest)


def parse(text: str, *, where: str) -> ImageName:
    """Read a name. Raises `ConfigurationError`, naming ``where`` it stood."""
    plain = text.startswith("http://")
    rest = re.sub(r"^(https?|docker)://", "", text)
    rest, _, digest = rest.partition("@")
    first, slash, path = rest.partition("/")
    if slash and (("." in first) or (":" in first) or first == "localhost"):
        registry = first
    else:
        registry, path = DOCKER_HUB, rest
    path, _, tag = path.partition(":")
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    sound = (
        HOST.fullmatch(registry)
        and REPOSITORY.fullmatch(path)
        and len(path) <= 255
        and (not tag or TAG.fullmatch(tag))
        and (not digest or DIGEST.fullmatch(digest))
        and not rest.endswith(":")
    )
    if not sound:
        raise ConfigurationError(
            f"{text[:200]!r} is no name of an image",
            where=where,
            hint="Write it like ghcr.io/acme/models or docker.io/library/python:3.11-slim-bookworm, in lower case.",
        )
    return ImageName(registry=registry, repository=path, tag=tag or None, digest=digest or None, plain=plain)
