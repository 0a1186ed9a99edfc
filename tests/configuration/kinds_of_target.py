"""Settings of a make-believe deployer, for the tests of the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from deployers.settings import Connection, Duration, Remark, Secret, Settings, Size
from entrypoint.configuration.kinds import KnownKinds


class Resources(Settings, frozen=True, kw_only=True):
    memory: Size = 512_000_000
    replicas: Annotated[int, Meta(ge=1, le=50)] = 1


class ClusterSettings(Settings, frozen=True, kw_only=True):
    server: Annotated[Connection, Meta(description="The cluster's address.")]
    token: Secret | None = None
    namespace: str = "default"
    grace: Duration = 30.0
    resources: Resources = Resources()
    labels: Mapping[str, str] = {}
    login: Mapping[str, str] = {}

    def remarks(self) -> Sequence[Remark]:
        if self.namespace == "kube-system":
            return [Remark("namespace", "it is the cluster's own", "Use one of yours.")]
        return [Remark("grace", "it is short", "Give more.", wrong=False)] if self.grace < 1 else ()


class PlainSettings(Settings, frozen=True, kw_only=True):
    port: int | None = None


KINDS = KnownKinds({"local": PlainSettings, "cluster": ClusterSettings})
