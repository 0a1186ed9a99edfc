"""The model's container, as CreateModel takes it: our image, who it is told to be, and where its model's files are."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from deployers.base import JSON, Release
from deployers.sagemaker.provided import variables
from deployers.sagemaker.settings import SagemakerSettings

LONGEST_VALUE = 1024
"""Characters of a variable's value (AWS, `ContainerDefinition`)."""


def container(
    release: Release, settings: SagemakerSettings, *, image: str, source: Mapping[str, JSON]
) -> dict[str, JSON]:
    """A container. ``image``: a reference by digest; ``source``: the members that say where the model's files are."""
    return {"Image": image, **source, "Environment": environment(release, settings)}


def environment(release: Release, settings: SagemakerSettings) -> dict[str, str]:
    """The server's variables: what the target adds, then who it is and how it behaves.

    A container that is not ours is told which release it is too, though it asks for nothing of it: so no two releases
    share a model, and each can be told from what AWS has.

    Raises `ConfigurationError` for settings that are longer than a variable may be.
    """
    if settings.container is not None:
        return {**settings.env, **variables(settings.container), "TAGBOAT_RELEASE": release.id}
    server = release.settings.get("server", {})
    found = {
        **settings.env,
        "TAGBOAT_RELEASE": release.id,
        "TAGBOAT_STAGE": release.slot.stage,
    }
    if server:
        found["TAGBOAT_SETTINGS"] = msgspec.json.encode(server, order="deterministic").decode()
    return found
