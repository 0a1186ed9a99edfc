"""Which settings a release has: the general ones, the stage's, the artifact's, the artifact's in that stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from entrypoint.configuration.schema import Artifact, Configuration, Registration, StageOverrides
from entrypoint.configuration.serving_settings import Server, Smoke
from entrypoint.configuration.words import JSON

Layer = TypeVar("Layer", Server, Registration)


class StageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one artifact in one stage. ``targets`` are names in `Configuration.targets`; none of them means
    that the stage is deployed nowhere."""

    artifact: str
    stage: str
    targets: tuple[str, ...]
    server: Server
    smoke: tuple[Smoke, ...]

    def server_document(self) -> dict[str, JSON]:
        """The server's settings as it reads them (``TAGBOAT_SETTINGS``): sizes in bytes, durations in seconds."""
        return dict(msgspec.to_builtins(self.server))

    def effective(self, written: Mapping[str, JSON]) -> dict[str, JSON]:
        """What enters a release's identity (`deployers.base.Release.settings`): all that changes what is served.

        ``written`` is `Target.written`: ``${env:NAME}`` stays unexpanded, absent keys stay absent, so that neither a
        secret nor a new default of ours makes another release of the same. Smoke requests and policies change nothing
        that is served and are left out.
        """
        return {"server": self.server_document(), "target": dict(written)}


class RegistrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration of one artifact does."""

    preflight: bool
    assign: str | None


def settings_for(configuration: Configuration, artifact: str, stage: str) -> StageSettings:
    """The settings of an artifact in a stage, the narrower layer over the wider one.

    Server settings are laid over one another key by key; lists (targets, smoke requests) are replaced whole.
    """
    wide = configuration.stages.get(stage, StageOverrides())
    own = configuration.artifacts.get(artifact, Artifact())
    narrow = own.stages.get(stage, StageOverrides())
    return StageSettings(
        artifact=artifact,
        stage=stage,
        targets=_last((), wide.targets, narrow.targets),
        server=_over(configuration.server, wide.server, own.server, narrow.server),
        smoke=_last(configuration.smoke, wide.smoke, own.smoke, narrow.smoke),
    )


def registration_for(configuration: Configuration, artifact: str) -> RegistrationSettings:
    """What a registration of the artifact does."""
    own = configuration.artifacts.get(artifact, Artifact()).registration
    merged = _over(configuration.registration, own)
    return RegistrationSettings(
        preflight=True if isinstance(merged.preflight, UnsetType) else merged.preflight,
        assign=None if isinstance(merged.assign, UnsetType) else merged.assign,
    )


def wants_grpc(configuration: Configuration, artifact: str) -> bool:
    """Whether the artifact's server answers gRPC in any stage: a bundle is the same in all of them."""
    own = configuration.artifacts.get(artifact, Artifact())
    stages = [*configuration.stages.values(), *own.stages.values()]
    layers = [configuration.server, own.server, *(stage.server for stage in stages)]
    return any(isinstance(layer.grpc_port, int) for layer in layers)


Value = TypeVar("Value")


def _last(default: Value, *values: Value | UnsetType) -> Value:
    for value in values:
        if not isinstance(value, UnsetType):
            default = value
    return default


def _over(widest: Layer, *layers: Layer) -> Layer:
    for layer in layers:
        said = {name: value for name in layer.__struct_fields__ if (value := getattr(layer, name)) is not UNSET}
        widest = msgspec.structs.replace(widest, **said)
    return widest
