"""The control plane of SageMaker: objects found, made and ended, each call in one place.

What `find` tells has the shape of the request that made the object, so that both can be compared; members that only
describe answers have (times, ARNs, states) are left out.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from deployers.base import JSON, Slot
from deployers.errors import RefusedError
from deployers.sagemaker import names
from deployers.sagemaker.companions import Companions
from deployers.sagemaker.documents import Document, creating, updating
from deployers.sagemaker.kinds import ALARM, BY_NAME, ENDPOINT, ENDPOINT_CONFIG, MODEL, Kind
from deployers.sagemaker.refusals import BusyError, ExistsError, NotFoundError
from deployers.sagemaker.wire import Amazon

SEEN = 60.0
"""Seconds for which a config or a model that was just made may not be seen by the next call yet."""

MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""States of an endpoint that end by themselves."""

SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})
"""States in which an endpoint answers."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it is. ``config``: what serves, ``pending``: what an update under way brings.

    ``reason``: AWS's FailureReason. ``changed``: Unix seconds.
    """

    name: str
    arn: str
    status: str
    config: str
    pending: str | None = None
    reason: str | None = None
    changed: float | None = None
    instances: Mapping[str, tuple[int, int]] = {}
    """By variant: how many instances there are, and how many are wanted."""

    @property
    def moving(self) -> bool:
        """Whether it becomes something else by itself."""
        return self.status in MOVING


class Api:
    """One target's objects. ``kind``: what of a slot takes the requests."""

    kind: Kind = ENDPOINT

    def __init__(self, amazon: Amazon) -> None:
        self.amazon = amazon
        self.companions = Companions(amazon)

    def endpoint(self, name: str) -> Endpoint | None:
        """An endpoint, or None."""
        try:
            found = self.amazon.call(self.amazon.sagemaker.describe_endpoint, EndpointName=name)
        except NotFoundError:
            return None
        pending = (found.get("PendingDeploymentSummary") or {}).get("EndpointConfigName")
        changed = found.get("LastModifiedTime")
        return Endpoint(
            name=name,
            arn=found["EndpointArn"],
            status=found["EndpointStatus"],
            config=found.get("EndpointConfigName", ""),
            pending=pending,
            reason=found.get("FailureReason"),
            changed=changed.timestamp() if isinstance(changed, datetime.datetime) else None,
            instances={
                each["VariantName"]: (each.get("CurrentInstanceCount") or 0, each.get("DesiredInstanceCount") or 0)
                for each in found.get("ProductionVariants") or []
            },
        )

    def find(self, kind: Kind, name: str, *, patience: float = 0.0) -> dict[str, JSON] | None:
        """An object in the shape of the request that makes it, or None."""
        if kind.beside:
            return self.companions.find(kind, name)
        try:
            found = self._describe(kind, name, patience)
        except NotFoundError:
            return None
        return {member: found[member] for member in self._members(kind.create) if member in found}

    def tags(self, kind: Kind, name: str) -> dict[str, str] | None:
        """An object's tags, or None where it is not there."""
        if kind.beside:
            return self.companions.tags(kind, name)
        try:
            found = self._describe(kind, name, 0.0)
            arn = next(found[member] for member in found if member.endswith("Arn") and member[:-3] in kind.name_member)
            listed = self.amazon.pages(self.amazon.sagemaker.list_tags, "Tags", ResourceArn=arn)
        except NotFoundError:
            return None
        return {each["Key"]: each["Value"] for each in listed}

    def is_ours(self, kind: Kind, name: str, slot: Slot) -> bool:
        """Whether an object is there and carries the slot's tag, so that we may change or remove it."""
        if kind.beside and kind is not ALARM:
            # By its name it belongs to an endpoint of ours.
            return self.companions.find(kind, name) is not None
        return (self.tags(kind, name) or {}).get(names.SLOT) == names.slot_name(slot)

    def ensure(self, document: Document, slot: Slot) -> bool:
        """See that an object is there; whether it had to be made, or written over where it stands beside the endpoint.

        Raises `RefusedError` where another one has the name.
        """
        kind = BY_NAME[document.kind]
        if kind.beside:
            return self._put(kind, document, slot)
        try:
            self.amazon.call(getattr(self.amazon.sagemaker, kind.create), patience=SEEN, **document.request)
            return True
        except ExistsError:
            live = self.find(kind, document.name, patience=SEEN)
            if (
                live is None
                or not covers(live, _untagged(document.request))
                or not self.is_ours(kind, document.name, slot)
            ):
                raise _foreign(document) from None
            return False

    def _put(self, kind: Kind, document: Document, slot: Slot) -> bool:
        live = self.companions.find(kind, document.name)
        if live is not None and covers(live, _untagged(document.request)):
            return False
        if live is not None and not self.is_ours(kind, document.name, slot):
            raise _foreign(document)
        # Tags are given when a thing is made; writing it over with tags is refused, or does nothing.
        self.companions.put(kind, document.request if live is None else _untagged(document.request))
        return True

    def create_endpoint(self, document: Document) -> None:
        """Make the endpoint; where an answer was lost, it is there already."""
        try:
            self.amazon.call(
                self.amazon.sagemaker.create_endpoint, patience=SEEN, **creating(document.request)
            )  # fmt: skip
        except ExistsError:
            return

    def update_endpoint(self, document: Document) -> None:
        """Begin to bring the endpoint to its config. Raises `refusals.BusyError` while it changes already."""
        self.amazon.call(self.amazon.sagemaker.update_endpoint, patience=SEEN, **updating(document.request))

    def in_use(self, endpoint: str) -> set[tuple[str, str]]:
        """What an endpoint serves by, and is on its way to, by kind and name: configs and their models."""
        seen = self.endpoint(endpoint)
        configs = {seen.config, seen.pending} - {None, ""} if seen is not None else set()
        found = {(ENDPOINT_CONFIG.name, str(name)) for name in configs}
        for _, config in list(found):
            described = self.find(ENDPOINT_CONFIG, config) or {}
            for group in ("ProductionVariants", "ShadowProductionVariants"):
                named = (variant.get("ModelName") for variant in described.get(group) or [])
                found |= {(MODEL.name, name) for name in named if name}
        return found

    def delete(self, kind: Kind, name: str, slot: Slot) -> bool:
        """End an object that is there and ours; whether it is gone, or going."""
        if not self.is_ours(kind, name, slot):
            return False
        if kind.beside:
            self.companions.delete(kind, name)
            return True
        try:
            named: dict[str, Any] = {kind.name_member: name}
            self.amazon.call(getattr(self.amazon.sagemaker, kind.delete), **named)
        except NotFoundError:
            return False
        except BusyError:
            if kind is self.kind:
                raise
            return False
        return True

    def _describe(self, kind: Kind, name: str, patience: float) -> dict[str, Any]:
        describe = getattr(self.amazon.sagemaker, kind.describe)
        named: dict[str, Any] = {kind.name_member: name}
        return self.amazon.call(describe, patience=patience, **named)

    def _members(self, operation: str) -> frozenset[str]:
        name = self._operations[operation]
        return frozenset(self.amazon.sagemaker.meta.service_model.operation_model(name).input_shape.members)

    @cached_property
    def _operations(self) -> Mapping[str, str]:
        known: Mapping[str, str] = self.amazon.sagemaker.meta.method_to_api_mapping
        return known


def covers(live: JSON, asked: JSON) -> bool:
    """Whether an object is what was asked for, whatever defaults AWS has filled in."""
    if isinstance(asked, Mapping):
        return isinstance(live, Mapping) and all(name in live and covers(live[name], asked[name]) for name in asked)
    if isinstance(asked, list | tuple):
        return (
            isinstance(live, list | tuple)
            and len(live) == len(asked)
            and all(covers(one, other) for one, other in zip(live, asked, strict=True))
        )
    return bool(live == asked)


def _foreign(document: Document) -> RefusedError:
    return RefusedError(
        "an object of that name is there, and it is not ours",
        where=str(document),
        hint="Remove it, or deploy another version; Tagboat takes over nothing that it did not make.",
    )


def _untagged(request: Mapping[str, JSON]) -> dict[str, JSON]:
    return {member: value for member, value in request.items() if member != "Tags"}
