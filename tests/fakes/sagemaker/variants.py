"""The variants of a fleet: which containers they run, how many, and with which part of the traffic."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.fakes.sagemaker import models
from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.store import Stored

Document = dict[str, Any]


@dataclasses.dataclass
class Variant:
    """One variant. ``given``: of the configuration; ``containers``: of its model at the time of the deployment."""

    name: str
    given: Document
    containers: list[Document]
    weight: float
    count: int
    wanted_weight: float
    wanted_count: int
    serverless: Document | None
    wanted_serverless: Document | None
    image_resolved: float
    status: Document | None = None

    def retain(self, old: Variant | None, left: set[str]) -> None:
        """Take over what an old variant of that name had been scaled to."""
        if old is None:
            return
        if "DesiredWeight" not in left:
            self.wanted_weight = old.wanted_weight
        if "DesiredInstanceCount" not in left:
            self.wanted_count = old.wanted_count

    def settle(self) -> None:
        """What is wanted is so."""
        self.weight, self.count, self.status = self.wanted_weight, self.wanted_count, None
        self.serverless = self.wanted_serverless

    def summary(self, *, pending: bool = False) -> Document:
        """Its part of DescribeEndpoint."""
        said: Document = {"VariantName": self.name, "CurrentWeight": self.weight, "DesiredWeight": self.wanted_weight}
        if self.serverless is not None:
            said |= {"CurrentServerlessConfig": self.serverless, "DesiredServerlessConfig": self.wanted_serverless}
        said |= {"CurrentInstanceCount": 0 if pending else self.count, "DesiredInstanceCount": self.wanted_count}
        images = [
            {
                "SpecifiedImage": each["Image"],
                "ResolvedImage": resolved(each["Image"]),
                "ResolutionTime": self.image_resolved,
            }
            for each in self.containers
            if "Image" in each
        ]
        said |= {"DeployedImages": images} if images else {}
        said |= {"VariantStatus": [self.status]} if self.status else {}
        said |= {"InstanceType": self.given["InstanceType"]} if pending and "InstanceType" in self.given else {}
        for name in ("ManagedInstanceScaling", "RoutingConfig"):
            said |= {name: self.given[name]} if name in self.given else {}
        return said


def resolved(image: str) -> str:
    """An image by its digest: one of its own where a tag names it."""
    if "@" in image:
        return image
    repository, _, tag = image.rpartition(":")
    return f"{repository}@sha256:{tag.encode().hex():0<64}"[:255]


def of_config(account: Account, config: Stored) -> tuple[list[Variant], list[Variant]]:
    """The variants and shadow variants that a configuration asks for."""
    return (
        [_made(account, each) for each in config.given["ProductionVariants"]],
        [_made(account, each) for each in config.given.get("ShadowProductionVariants", [])],
    )


def _made(account: Account, given: Document) -> Variant:
    model = account.store.get("model", given["ModelName"]) if "ModelName" in given else None
    weight, serverless = given.get("InitialVariantWeight", 1.0), given.get("ServerlessConfig")
    count = given.get("InitialInstanceCount", 0)
    return Variant(
        given["VariantName"], given, models.containers(model.given) if model else [], weight, count, weight, count,
        serverless, serverless, account.store.now(),
    )  # fmt: skip
