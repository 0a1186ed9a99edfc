"""What a right is, what narrows it, and for which settings one is needed: the words of `deployers.sagemaker.rights`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from deployers.sagemaker.payloads import EndpointKind
from deployers.sagemaker.places import Place
from deployers.sagemaker.settings import SagemakerSettings

Condition = dict[str, Any]
Needed = Callable[[SagemakerSettings], bool]


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a policy. ``purpose``: its Sid. ``needed``: whether the target's settings ask for it."""

    purpose: str
    actions: Sequence[str]
    resources: Callable[[Place], list[str]]
    condition: Callable[[Place], Condition] | None = None
    needed: Needed = lambda _: True

    def statement(self, place: Place) -> dict[str, Any]:
        """It, for one target."""
        made: dict[str, Any] = {"Sid": self.purpose, "Effect": "Allow", "Action": sorted(self.actions)}
        made["Resource"] = self.resources(place)
        if self.condition is not None:
            made["Condition"] = self.condition(place)
        return made


def anything(_: Place) -> list[str]:
    """For the few actions that know no resource."""
    return ["*"]


def new(place: Place) -> Condition:
    """Only what is made with the target's tag."""
    return place.tagged("RequestTag")


def ours(place: Place) -> Condition:
    """Only what carries the target's tag."""
    return place.tagged("ResourceTag")


def pushes(settings: SagemakerSettings) -> bool:
    """Whether images are pushed to ECR."""
    return bool(Place("", "", "", "", settings).repositories())


def makes_repositories(settings: SagemakerSettings) -> bool:
    """Whether a repository that is not there is made."""
    return pushes(settings) and settings.pushed is not None and settings.pushed.create_repository


def names_a_container(settings: SagemakerSettings) -> bool:
    """Whether a container that is not ours has yet to be named by its digest."""
    container = settings.container
    return container is not None and "@" not in container.image


def is_asynchronous(settings: SagemakerSettings) -> bool:
    """Whether answers come into S3."""
    return settings.kind is EndpointKind.ASYNCHRONOUS


def scales(settings: SagemakerSettings) -> bool:
    """Whether the number of instances, or of copies, follows the load."""
    return settings.scaling is not None


def has_components(settings: SagemakerSettings) -> bool:
    """Whether slots are inference components on one endpoint."""
    return settings.components is not None


def watches(settings: SagemakerSettings) -> bool:
    """Whether alarms of ours are made."""
    return settings.deployment.watch is not None


def watches_logs(settings: SagemakerSettings) -> bool:
    """Whether one of them counts lines of the server's log."""
    return settings.deployment.watch is not None and settings.deployment.watch.model_failures is not None


def by_alias(place: Place) -> Condition:
    """That the key is given to SageMaker alone, and is the one of an alias where it is named so."""
    named = place.settings.kms_key or ""
    alias = named[named.index("alias/") :] if "alias/" in named else None
    condition: Condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return {**condition, "ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else condition
