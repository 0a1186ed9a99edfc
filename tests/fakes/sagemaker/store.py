"""Everything that the fake SageMaker keeps: objects by kind and name, their tags, and when they are to be seen."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

from tests.fakes.sagemaker.errors import Refusal, exists, not_found

Document = dict[str, Any]

ACCOUNT = "123456789012"
REGION = "eu-central-1"

CALLED = {
    "model": "model",
    "endpoint-config": "endpoint configuration",
    "endpoint": "endpoint",
    "inference-component": "inference component",
}
"""Kinds of object, as names of resources say them, and as messages do."""


@dataclasses.dataclass
class Stored:
    """One object. ``given``: what it was created from. ``state``: how it fares, of those that change by themselves.

    ``unseen``: by how many looks it is missed yet.
    """

    kind: str
    name: str
    given: Document
    created: float
    modified: float
    tags: dict[str, str]
    unseen: int = 0
    state: Any = None

    @property
    def arn(self) -> str:
        """Its full name, in lower case as AWS makes it."""
        return arn_of(self.kind, self.name)


def arn_of(kind: str, name: str) -> str:
    """The full name of what a call names."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"


class Store:
    """The objects of an account in a region. Names differ by more than case."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str], Stored] = {}
        self.hidden: dict[str, int] = {}
        self.began = time.time()
        self.moments = 0

    def now(self) -> float:
        """A moment later than every other one, in Unix seconds."""
        self.moments += 1
        return round(self.began) + self.moments

    def add(self, stored: Stored) -> Stored:
        """Keep a new object. Refused where the name is taken."""
        key = (stored.kind, stored.name.lower())
        if key in self.objects:
            raise exists(CALLED[stored.kind], stored.arn)
        stored.unseen = self.hidden.pop(stored.kind, 0)
        self.objects[key] = stored
        return stored

    def create(self, kind: str, name: str, given: Document) -> Stored:
        """Make and keep an object; its tags come from ``given``."""
        now = self.now()
        tags = {each["Key"]: each["Value"] for each in given.get("Tags", [])}
        body = {key: value for key, value in given.items() if key != "Tags"}
        return self.add(Stored(kind, name, body, now, now, tags))

    def get(self, kind: str, name: str) -> Stored:
        """An object that is there and to be seen. Each look that misses it is one fewer to come."""
        stored = self.objects.get((kind, name.lower()))
        if stored is None:
            raise not_found(CALLED[kind], arn_of(kind, name))
        if stored.unseen:
            stored.unseen -= 1
            raise not_found(CALLED[kind], stored.arn)
        return stored

    def peek(self, kind: str, name: str) -> Stored | None:
        """An object whether it is to be seen or not."""
        return self.objects.get((kind, name.lower()))

    def delete(self, stored: Stored) -> None:
        """Forget an object."""
        del self.objects[stored.kind, stored.name.lower()]

    def all(self, kind: str) -> list[Stored]:
        """The objects of a kind, oldest first."""
        return [each for each in self.objects.values() if each.kind == kind]

    def by_arn(self, arn: str) -> Stored:
        """The object of a full name, for its tags."""
        for each in self.objects.values():
            if each.arn == arn.lower():
                return each
        raise Refusal("ResourceNotFound", f"Resource does not exist: {arn}")
