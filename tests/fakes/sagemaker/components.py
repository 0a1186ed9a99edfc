"""Inference components: several models on the instances of one endpoint."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tests.fakes.sagemaker import models
from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.deployments import check_guards
from tests.fakes.sagemaker.endpoints import SERVING
from tests.fakes.sagemaker.errors import in_progress, invalid
from tests.fakes.sagemaker.paging import chosen, page
from tests.fakes.sagemaker.store import Stored
from tests.fakes.sagemaker.traffic import ringing

Document = dict[str, Any]


@dataclasses.dataclass
class Component:
    """One component. ``containers`` are those that answer; ``wanted`` what an update will make of it."""

    stored: Stored
    endpoint: Stored
    variant: str
    specification: Document
    copies: int
    containers: list[Document] = dataclasses.field(default_factory=list)
    status: str = "Creating"
    failure: str | None = None
    running: int = 0
    deployment: Document | None = None
    agenda: collections.deque[Callable[[], None]] = dataclasses.field(default_factory=collections.deque)

    def step(self) -> None:
        """Take the next step of what is under way."""
        if self.agenda:
            self.agenda.popleft()()


class Components:
    """The calls for inference components, and how these change."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def calls(self) -> dict[str, Callable[[Document], Document]]:
        """The calls by their names."""
        return {
            "CreateInferenceComponent": self.create,
            "DescribeInferenceComponent": self.describe,
            "UpdateInferenceComponent": self.update,
            "UpdateInferenceComponentRuntimeConfig": self.scale,
            "DeleteInferenceComponent": self.delete,
            "ListInferenceComponents": self.list,
        }

    def schedule(self, component: Component, end: Callable[[], None]) -> None:
        """Through after as many looks as the account has steps."""
        component.stored.modified = self.account.store.now()
        component.agenda = collections.deque([*[lambda: None] * max(self.account.steps - 1, 0), end])
        if self.account.steps == 0 and not self.account.manual:
            while component.agenda:
                component.step()

    def create(self, given: Document) -> Document:
        """CreateInferenceComponent."""
        endpoint = self.account.store.get("endpoint", given["EndpointName"])
        if endpoint.state.status not in SERVING:
            raise invalid(f'Endpoint "{endpoint.arn}" is not in service.')
        name = given.get("VariantName", endpoint.state.live.variants[0].name)
        variant = next((each for each in endpoint.state.live.variants if each.name == name), None)
        if variant is None or "ModelName" in variant.given:
            raise invalid(f"Variant {name} is none that takes inference components.")
        if "Specification" not in given or "RuntimeConfig" not in given:
            raise invalid("Specification and RuntimeConfig are required.")
        self.containers(given["Specification"])
        stored = self.account.store.create("inference-component", given["InferenceComponentName"], given)
        component = Component(stored, endpoint, name, given["Specification"], given["RuntimeConfig"]["CopyCount"])
        stored.state = component
        self.schedule(component, functools.partial(self.started, component, component.specification))
        return {"InferenceComponentArn": stored.arn}

    def containers(self, specification: Document) -> list[Document]:
        """The containers that a specification asks for. Refused where they can't be."""
        if ("ModelName" in specification) == ("Container" in specification):
            raise invalid("A specification has either a ModelName or a Container.")
        if "ModelName" in specification:
            return models.containers(self.account.store.get("model", specification["ModelName"]).given)
        container = specification["Container"]
        models.check_image(self.account, container.get("Image"), {})
        return [container]

    def started(self, component: Component, specification: Document) -> None:
        """The copies are up, or not; then the ones before stay."""
        containers = self.containers(specification)
        reason = None
        for container in containers:
            start = self.account.containers.script(container).start(component.variant, container)
            if start.log:
                group = f"/aws/sagemaker/InferenceComponents/{component.stored.name}"
                # New copies write to a stream of their own.
                self.account.elsewhere.log(group, f"{component.variant}/i-{component.stored.modified:.6f}", start.log)
            reason = reason or start.reason
        first = component.status == "Creating"
        if not first:
            since = [each for each in self.account.invocations if each.at > component.stored.modified]
            reason = reason or ringing(component.deployment, since, self.account.elsewhere)
        component.failure = reason
        component.status = "Failed" if reason and first else "InService"
        if reason is None:
            component.specification, component.containers = specification, containers
            component.running = component.copies

    def update(self, given: Document) -> Document:
        """UpdateInferenceComponent."""
        component = self.changeable(given["InferenceComponentName"])
        specification = given.get("Specification", component.specification)
        self.containers(specification)
        check_guards(self.account, given.get("DeploymentConfig"))
        component.copies = given.get("RuntimeConfig", {}).get("CopyCount", component.copies)
        component.deployment = given.get("DeploymentConfig")
        component.status = "Updating"
        self.schedule(component, functools.partial(self.started, component, specification))
        return {"InferenceComponentArn": component.stored.arn}

    def scale(self, given: Document) -> Document:
        """UpdateInferenceComponentRuntimeConfig."""
        component = self.changeable(given["InferenceComponentName"])
        component.copies = given["DesiredRuntimeConfig"]["CopyCount"]
        component.status = "Updating"
        self.schedule(component, functools.partial(self.started, component, component.specification))
        return {"InferenceComponentArn": component.stored.arn}

    def delete(self, given: Document) -> Document:
        """DeleteInferenceComponent."""
        component = self.changeable(given["InferenceComponentName"], failed=True)
        component.status = "Deleting"
        self.schedule(component, functools.partial(self.account.store.delete, component.stored))
        return {}

    def changeable(self, name: str, *, failed: bool = False) -> Component:
        """A component that is not changing, and has not failed unless that is no matter."""
        stored = self.account.store.get("inference-component", name)
        if stored.state.status not in {"InService", *(["Failed"] if failed else [])}:
            raise in_progress("inference component", stored.arn)
        return stored.state

    def describe(self, given: Document) -> Document:
        """DescribeInferenceComponent: as it is now; then it goes on."""
        stored = self.account.store.get("inference-component", given["InferenceComponentName"])
        component: Component = stored.state
        said = self.row(stored) | {
            "Specification": _summary(component.specification, stored.created),
            "RuntimeConfig": {"DesiredCopyCount": component.copies, "CurrentCopyCount": component.running},
        }
        said |= {"FailureReason": component.failure} if component.failure else {}
        said |= {"LastDeploymentConfig": component.deployment} if component.deployment else {}
        if not self.account.manual:
            component.step()
        return said

    def row(self, stored: Stored) -> Document:
        """What a list says of a component."""
        component = stored.state
        return {
            "InferenceComponentName": stored.name, "InferenceComponentArn": stored.arn,
            "EndpointName": component.endpoint.name, "EndpointArn": component.endpoint.arn,
            "VariantName": component.variant, "InferenceComponentStatus": component.status,
            "CreationTime": stored.created, "LastModifiedTime": stored.modified,
        }  # fmt: skip

    def list(self, given: Document) -> Document:
        """ListInferenceComponents."""
        wanted = {
            "EndpointNameEquals": lambda each: each.state.endpoint.name,
            "VariantNameEquals": lambda each: each.state.variant,
            "StatusEquals": lambda each: each.state.status,
        }
        found = [
            each
            for each in self.account.store.all("inference-component")
            if all(ask(each) == given[key] for key, ask in wanted.items() if key in given)
        ]
        items, token = page(chosen(found, given), given)
        return {"InferenceComponents": [self.row(each) for each in items], **token}


def _summary(specification: Document, moment: float) -> Document:
    if "Container" not in specification:
        return specification
    container = dict(specification["Container"])
    image = container.pop("Image", None)
    if image:
        container["DeployedImage"] = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": moment}
    return {**specification, "Container": container}
