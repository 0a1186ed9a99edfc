"""A release as an image, wherever it is wanted: resolved and wrapped as for a deployment, then built and brought."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from deployers.wrapping import image as images
from deployers.wrapping.image import Attachments, Image, ImageSettings, ModelPlace, Registries, SigningKey
from entrypoint.errors import UsageError
from entrypoint.journal import Journal
from entrypoint.preparation import prepare
from entrypoint.registry.policy import check_policies
from entrypoint.registry.resolve import resolve
from entrypoint.workspace import Workspace

ADDRESS = re.compile(r"https://[^@\s]+", re.ASCII)
"""A remote's address that may stand in a label: without credentials, and one that others can follow."""


KINDS = {"docker://": "docker", "http://": "http", "oci:": "oci", "docker-archive:": "archive"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What ``tagboat image`` was asked for; ``outputs`` as they were written."""

    outputs: tuple[str, ...] = ()
    base_image: str | None = None
    platforms: tuple[str, ...] = ()
    allow_missing: tuple[str, ...] = ()
    model_store: str | None = None
    sign_key: Path | None = None


class MadeLayer(msgspec.Struct, frozen=True, kw_only=True):
    """One of our layers: environment, server or model; ``size`` compressed, in bytes."""

    platform: str
    name: str
    digest: str
    size: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the image went. ``reference``: repository and digest, where it was pushed. ``sent``: bytes."""

    where: str
    reference: str | None = None
    sent: int = 0
    pushed: bool = False


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a release."""

    artifact: str
    version: str | None
    commit: str
    bundle: str
    digest: str
    base: str
    layers: tuple[MadeLayer, ...]
    places: tuple[Place, ...]
    seconds: float

    def to_document(self) -> Any:
        """As ``--json`` answers."""
        return msgspec.to_builtins(self)


def make(workspace: Workspace, wanted: Wanted) -> Made:
    """Make the image of ``workspace.request.ref``, and bring it to every output.

    Raises what wrapping and images raise, `UsageError` for an output that is none, before anything is made.
    """
    places = [_read(output) for output in wanted.outputs]
    environment = workspace.request.environment
    key = _key(wanted, environment)
    settings = ImageSettings(
        base=wanted.base_image,
        platforms=wanted.platforms or ImageSettings().platforms,
        allow_missing=wanted.allow_missing,
        model=ModelPlace.OBJECT_STORAGE if wanted.model_store else ModelPlace.IMAGE,
        model_store=wanted.model_store,
        source=source_of(environment, workspace.repository.remote_url),
    )
    journal = Journal(workspace.progress)
    release = resolve(workspace.repository, workspace.read_registry(), workspace.request.ref or "")
    check_policies(workspace.repository, release, workspace.policies)
    bundle = prepare(workspace, release, journal)
    with Registries(environment) as registries:
        with journal.step("image", f"on {settings.base or 'the default base'}"):
            made = images.build(
                bundle, settings, registries=registries, cache=workspace.cache, environment=environment,
                step=lambda name: journal.progress.note(f"image: {name}"),
            )  # fmt: skip
        there = []
        for kind, place, name in places:
            with journal.step("output", f"{kind}:{place}"):
                attachments = Attachments(key=key, run=workspace.request.run_url)
                there.append(_bring(made, kind, place, name, registries, environment, attachments))
    return Made(
        artifact=release.artifact, version=release.version, commit=release.commit, bundle=bundle.digest,
        digest=made.digest, base=str(made.base), layers=tuple(_layers(made)), places=tuple(there),
        seconds=journal.seconds,
    )  # fmt: skip


def source_of(environment: Mapping[str, str], remote: str | None) -> str | None:
    """The repository's address for labels and provenance: GitHub's own word, else a remote without credentials."""
    server, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    said = f"{server}/{repository}" if server and repository else (remote or "")
    return said if ADDRESS.fullmatch(said) else None


def _read(output: str) -> tuple[str, str, str | None]:
    """(kind, place, tag or name). A tag follows the last colon behind the last slash."""
    kind = next((kind for prefix, kind in KINDS.items() if output.startswith(prefix) and output != prefix), None)
    if kind is None:
        raise UsageError(
            f"{output[:200]!r} is no output",
            hint="Write docker://REPOSITORY[:TAG], oci:FOLDER[:TAG] or docker-archive:FILE[:NAME].",
        )
    rest = output.removeprefix(next(prefix for prefix in KINDS if KINDS[prefix] == kind))
    if kind == "archive":
        place, _, name = rest.partition(":")
        return kind, place, name or None
    folder, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    place = f"{folder}{slash}{last}"
    return kind, f"http://{place}" if kind == "http" else place, tag or None


def _bring(
    made: Image,
    kind: str,
    place: str,
    name: str | None,
    registries: Registries,
    environment: Mapping[str, str],
    attachments: Attachments,
) -> Place:
    if kind == "oci":
        images.save_layout(made, Path(place), registries=registries, tag=name or "latest")
        return Place(where=f"oci:{place}")
    if kind == "archive":
        description = made.bundle.description
        plain = re.sub(r"[^a-z0-9]+", "-", description.name.lower()).strip("-") or "model"
        version = re.sub(r"[^A-Za-z0-9_.-]", "-", description.version) or "latest"
        images.save_archive(made, Path(place), registries=registries, name=name or f"{plain}:{version}")
        return Place(where=f"docker-archive:{place}")
    pushed = images.push(
        made, place, registries=registries, environment=environment, tags=(name,) if name else (),
        attachments=attachments,
    )  # fmt: skip
    return Place(where=pushed.reference, reference=pushed.reference, sent=pushed.sent, pushed=True)


def _layers(made: Image) -> list[MadeLayer]:
    from deployers.wrapping.images.assembly import NAMES

    return [
        MadeLayer(platform=str(image.platform), name=name, digest=layer.digest, size=layer.size)
        for image in made.images
        for name, layer in zip(NAMES, image.layers, strict=True)
    ]


def _key(wanted: Wanted, environment: Mapping[str, str]) -> SigningKey | None:
    if wanted.sign_key is None:
        return None
    return SigningKey(wanted.sign_key.read_text(encoding="utf-8"), environment.get("TAGBOAT_SIGNING_PASSWORD") or None)
