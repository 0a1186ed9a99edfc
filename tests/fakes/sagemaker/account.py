"""What all parts of the fake share: the store, the containers, the other services, and what a test has ordered."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol

from tests.fakes.sagemaker.containers import Containers
from tests.fakes.sagemaker.store import Store
from tests.fakes.sagemaker.traffic import CloudWatch, Invocation

Document = dict[str, Any]


class Elsewhere(CloudWatch, Protocol):
    """The other services that SageMaker asks: real clients of moto's server (`moto.Moto`)."""

    def holds(self, uri: str) -> bool:
        """Whether S3 has an object, or for a folder any object."""

    def read(self, uri: str) -> bytes | None:
        """An object, or None."""

    def under(self, uri: str) -> Iterator[tuple[str, bytes]]:
        """The objects of a folder, by what follows it in their keys."""

    def write(self, uri: str, content: bytes) -> None:
        """Put an object."""

    def may_assume(self, arn: str) -> bool:
        """Whether IAM has a role, and its trust policy names SageMaker."""

    def scaled(self, endpoint: str) -> set[str]:
        """The variants of an endpoint that are scalable targets."""

    def scale_no_more(self, endpoint: str) -> None:
        """Deregister an endpoint's variants."""

    def log(self, group: str, stream: str, lines: list[str]) -> None:
        """Write lines into CloudWatch's logs."""


@dataclasses.dataclass
class Account:
    """One account in one region.

    ``steps``: how many Describe calls see something in transition before it is through. ``manual``: only the test lets
    time pass. ``endings``: by endpoint, the status that its next transition ends with, and why. ``quotas``: how many
    instances of a type there may be. ``missing_images``: parts of names of images that are not there. ``registries``:
    plain ones that count as ECR, and are asked. ``denied``: actions that nobody may do.
    ``misdeeds``: what AWS allows and nobody should do.
    """

    elsewhere: Elsewhere
    store: Store = dataclasses.field(default_factory=Store)
    containers: Containers = dataclasses.field(default_factory=Containers)
    steps: int = 1
    manual: bool = False
    endings: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    quotas: dict[str, int] = dataclasses.field(default_factory=dict)
    missing_images: set[str] = dataclasses.field(default_factory=set)
    registries: set[str] = dataclasses.field(default_factory=set)
    denied: set[str] = dataclasses.field(default_factory=set)
    invocations: list[Invocation] = dataclasses.field(default_factory=list)
    misdeeds: list[str] = dataclasses.field(default_factory=list)
