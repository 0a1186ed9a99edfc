"""Endpoints: what they are at any moment, and the steps by which they become something else.

Nothing here waits. A transition is a list of steps; one is taken after each Describe that saw what was before, or when
the test says so.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any

from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.store import Stored
from tests.fakes.sagemaker.traffic import ringing
from tests.fakes.sagemaker.variants import Variant, of_config

Document = dict[str, Any]

SERVING = {"InService", "Updating", "RollingBack", "SystemUpdating", "UpdateRollbackFailed"}
"""Where requests are answered."""

CHANGING = {"Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting"}


@dataclasses.dataclass
class Fleet:
    """Instances that run one configuration."""

    config: str
    variants: list[Variant] = dataclasses.field(default_factory=list)
    shadows: list[Variant] = dataclasses.field(default_factory=list)
    started: float = 0.0

    def say(self, status: str, now: float) -> None:
        """Every variant is at a phase of the deployment."""
        for variant in [*self.variants, *self.shadows]:
            variant.status = {"Status": status, "StartTime": now}

    def settle(self) -> None:
        """Every variant is what it was meant to be."""
        for variant in [*self.variants, *self.shadows]:
            variant.settle()


@dataclasses.dataclass
class Endpoint:
    """One endpoint. ``share``: of the traffic that goes to the pending fleet already."""

    stored: Stored
    live: Fleet
    status: str = "Creating"
    failure: str | None = None
    pending: Fleet | None = None
    deployment: Document | None = None
    share: float = 0.0
    agenda: collections.deque[Callable[[], None]] = dataclasses.field(default_factory=collections.deque)
    turn: int = 0

    def configs(self) -> set[str]:
        """The configurations in use."""
        return {self.live.config} | ({self.pending.config} if self.pending else set())

    def step(self) -> None:
        """Take the next step of what is under way."""
        if self.agenda:
            self.agenda.popleft()()


class Transitions:
    """How endpoints change."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def schedule(self, endpoint: Endpoint, *steps: Callable[[], None]) -> None:
        """Plan steps in place of what was planned; those that take no time are taken now."""
        endpoint.agenda = collections.deque(steps)
        if self.account.steps == 0 and not self.account.manual:
            while endpoint.agenda:
                endpoint.step()

    def waits(self) -> list[Callable[[], None]]:
        """The looks that see a phase before its last one."""
        return [nothing] * max(self.account.steps - 1, 0)

    def moved(self, endpoint: Endpoint, status: str, failure: str | None = None) -> None:
        """A new status."""
        endpoint.status, endpoint.failure = status, failure
        endpoint.stored.modified = self.account.store.now()

    def fleet(self, config: Stored) -> Fleet:
        """New instances for a configuration."""
        started = self.account.store.now()
        fleet = Fleet(config.name, *of_config(self.account, config), started)
        fleet.say("Creating", started)
        return fleet

    # Creating

    def create(self, stored: Stored, config: Stored) -> None:
        """CreateEndpoint has been accepted."""
        endpoint = Endpoint(stored, Fleet(config.name), pending=self.fleet(config))
        stored.state = endpoint
        self.schedule(endpoint, *self.waits(), functools.partial(self.created, endpoint))

    def created(self, endpoint: Endpoint) -> None:
        """The instances are up, or not."""
        status, reason = self.account.endings.pop(endpoint.stored.name.lower(), ("InService", ""))
        reason = self.trouble(endpoint, endpoint.pending) or reason
        if status == "InService" and reason:
            status = "Failed"
        if status == "InService" and endpoint.pending:
            endpoint.live = endpoint.pending
            endpoint.live.settle()
        endpoint.pending = None
        self.moved(endpoint, status, reason or None)

    def trouble(self, endpoint: Endpoint, fleet: Fleet | None) -> str | None:
        """Why a fleet does not come up, or None; its containers' output goes to the logs either way."""
        found = None
        if fleet is None:
            return None
        for variant in [*fleet.variants, *fleet.shadows]:
            for container in variant.containers:
                start = self.account.containers.script(container).start(variant.name, container)
                if start.log:
                    group = f"/aws/sagemaker/Endpoints/{endpoint.stored.name}"
                    self.account.elsewhere.log(group, instance(fleet, variant.name), start.log)
                found = found or start.reason
        return found

    # Updating

    def update(self, endpoint: Endpoint, config: Stored, given: Document) -> None:
        """UpdateEndpoint has been accepted: a new fleet beside the old one, then the traffic, then the end."""
        fleet = self.fleet(config)
        if given.get("RetainAllVariantProperties"):
            left = {each["VariantPropertyType"] for each in given.get("ExcludeRetainedVariantProperties", [])}
            for variant in fleet.variants:
                variant.retain(next((old for old in endpoint.live.variants if old.name == variant.name), None), left)
        endpoint.pending, endpoint.share = fleet, 0.0
        if not given.get("RetainDeploymentConfig"):
            endpoint.deployment = given.get("DeploymentConfig")
        self.moved(endpoint, "Updating")
        shifts = [
            step
            for share in ([] if unguarded(fleet) else shares(endpoint.deployment or {}))
            for step in (
                functools.partial(self.shift, endpoint, share),
                functools.partial(self.bake, endpoint),
            )
        ]
        self.schedule(
            endpoint, *self.waits(), functools.partial(self.up, endpoint), *shifts,
            functools.partial(self.updated, endpoint),
        )  # fmt: skip

    def up(self, endpoint: Endpoint) -> None:
        """The new fleet is up, or not."""
        reason = self.trouble(endpoint, endpoint.pending)
        if reason or self.alarmed(endpoint):
            self.roll_back(endpoint, reason or self.alarmed(endpoint) or "")
        elif len(endpoint.agenda) == 1:
            endpoint.step()  # all at once, and nobody looks on

    def shift(self, endpoint: Endpoint, share: float) -> None:
        """A part of the traffic goes to the new fleet."""
        reason = self.alarmed(endpoint)
        if reason:
            self.roll_back(endpoint, reason)
            return
        endpoint.share = share
        if endpoint.pending:
            endpoint.pending.say("ActivatingTraffic", self.account.store.now())

    def bake(self, endpoint: Endpoint) -> None:
        """The alarms are watched."""
        reason = self.alarmed(endpoint)
        if reason:
            self.roll_back(endpoint, reason)
        elif endpoint.pending:
            endpoint.pending.say("Baking", self.account.store.now())

    def alarmed(self, endpoint: Endpoint) -> str | None:
        """Which alarms have gone off, of those that were to be watched."""
        if endpoint.pending is None:
            return None
        since = [each for each in self.account.invocations if each.at > endpoint.pending.started]
        return ringing(endpoint.deployment, since, self.account.elsewhere)

    def updated(self, endpoint: Endpoint) -> None:
        """The old fleet goes."""
        status, reason = self.account.endings.pop(endpoint.stored.name.lower(), ("InService", ""))
        reason = reason or self.alarmed(endpoint) or ""
        if status == "RollingBack" or (status == "InService" and reason):
            self.roll_back(endpoint, reason)
            return
        if status == "InService" and endpoint.pending:
            endpoint.live = endpoint.pending
            endpoint.live.settle()
        endpoint.pending, endpoint.share = None, 0.0
        self.moved(endpoint, status, reason or None)

    def roll_back(self, endpoint: Endpoint, reason: str) -> None:
        """The new fleet goes; the old one has served all along."""
        self.moved(endpoint, "RollingBack", reason)
        endpoint.share = 0.0
        self.schedule(endpoint, *self.waits(), functools.partial(self.rolled_back, endpoint))

    def rolled_back(self, endpoint: Endpoint) -> None:
        """In service, on the old configuration: what SageMaker's own waiter takes for success."""
        status, reason = self.account.endings.pop(endpoint.stored.name.lower(), ("InService", ""))
        endpoint.pending = None
        self.moved(endpoint, status, reason or endpoint.failure)

    # Scaling and deleting

    def scale(self, endpoint: Endpoint) -> None:
        """UpdateEndpointWeightsAndCapacities has been accepted, and its wishes stand in the variants."""
        self.moved(endpoint, "Updating")
        self.schedule(endpoint, *self.waits(), functools.partial(self.scaled, endpoint))

    def scaled(self, endpoint: Endpoint) -> None:
        """What is desired is so."""
        status, reason = self.account.endings.pop(endpoint.stored.name.lower(), ("InService", ""))
        endpoint.live.settle()
        self.moved(endpoint, status, reason or None)

    def delete(self, endpoint: Endpoint) -> None:
        """DeleteEndpoint has been accepted."""
        self.moved(endpoint, "Deleting")
        self.schedule(endpoint, *self.waits(), functools.partial(self.account.store.delete, endpoint.stored))


def instance(fleet: Fleet, variant: str) -> str:
    """The log stream of the one instance that writes: one of its own for each fleet."""
    return f"{variant}/i-{hashlib.sha256(f'{fleet.config} {fleet.started}'.encode()).hexdigest()[:17]}"


def nothing() -> None:
    """A look that sees no change."""


def unguarded(fleet: Fleet) -> bool:
    """Whether AWS silently shifts all the traffic at once, whatever was asked ("Deployment guardrails", exclusions)."""
    return any(each.given.get("InstanceType", "").startswith("ml.inf1.") for each in fleet.variants)


def shares(deployment: Document) -> list[float]:
    """The shares of the traffic that the new fleet gets, one after the other."""
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    rolling = deployment.get("RollingUpdatePolicy")
    if routing.get("Type") == "CANARY":
        return [portion(routing["CanarySize"]), 1.0]
    if routing.get("Type") == "LINEAR" or rolling:
        part = portion(rolling["MaximumBatchSize"] if rolling else routing["LinearStepSize"])
        return [min(1.0, part * number) for number in range(1, 1 + math.ceil(1 / part - 1e-9))]
    return []


def portion(size: Document) -> float:
    """A CapacitySize as a share; instances are counted as tenths of a fleet."""
    return size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else 10)
