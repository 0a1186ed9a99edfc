"""What etcd and the API machinery keep: objects with versions, a bounded history to watch, deletion with owners."""

from __future__ import annotations

import copy
import datetime
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Document = dict[str, Any]


class Key(NamedTuple):
    """Where an object is: ``resource`` is the plural, ``namespace`` empty for cluster-wide ones."""

    group: str
    resource: str
    namespace: str
    name: str


class Event(NamedTuple):
    """A change; ``kind`` is ADDED, MODIFIED or DELETED."""

    version: int
    kind: str
    key: Key
    object: Document


class Store:
    """Objects by key. Every change has the next version; ``changed`` wakes whoever waits for one."""

    def __init__(self, history: int = 5000) -> None:
        self.objects: dict[Key, Document] = {}
        self.events: list[Event] = []
        self.history = history
        self.version = 1000
        self.changed = threading.Condition(threading.RLock())

    def get(self, key: Key) -> Document | None:
        """A copy of an object."""
        with self.changed:
            return copy.deepcopy(self.objects.get(key))

    def list(self, group: str, resource: str, namespace: str = "", matches: Any = None) -> list[Document]:
        """Copies of the objects of a resource, in the order of their names; of all namespaces where none is given."""
        with self.changed:
            found = [
                copy.deepcopy(document)
                for key, document in sorted(self.objects.items())
                if key.group == group and key.resource == resource and namespace in {"", key.namespace}
            ]
        return [document for document in found if matches is None or matches(document)]

    def put(self, key: Key, document: Document) -> Document:
        """Write an object; unchanged ones keep their version, and nobody is told."""
        with self.changed:
            before = self.objects.get(key)
            document = copy.deepcopy(document)
            metadata = document.setdefault("metadata", {})
            if before is None:
                metadata["uid"] = str(uuid.uuid4())
                metadata["creationTimestamp"] = now()
                metadata.setdefault("generation", 1)
            elif without_version(before) == without_version(document):
                return copy.deepcopy(before)
            elif before.get("spec") != document.get("spec"):
                metadata["generation"] = before["metadata"].get("generation", 1) + 1
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            self.objects[key] = document
            self.note("MODIFIED" if before is not None else "ADDED", key, document)
            return copy.deepcopy(document)

    def delete(self, key: Key) -> Document | None:
        """Remove an object and, as the garbage collector would, all that it owns."""
        with self.changed:
            gone = self.objects.pop(key, None)
            if gone is None:
                return None
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self.note("DELETED", key, gone)
            uid = gone["metadata"]["uid"]
            for owned, document in list(self.objects.items()):
                if any(owner["uid"] == uid for owner in document["metadata"].get("ownerReferences", [])):
                    self.delete(owned)
            if key.resource == "namespaces":
                for inside in [each for each in self.objects if each.namespace == key.name]:
                    self.delete(inside)
            return copy.deepcopy(gone)

    def update(self, key: Key, change: Callable[[Document], None]) -> None:
        """Change an object in place, as a controller does; nothing where it is gone."""
        with self.changed:
            document = self.get(key)
            if document is not None:
                change(document)
                self.put(key, document)

    def note(self, kind: str, key: Key, document: Document) -> None:
        """Remember a change and wake the watchers."""
        self.events.append(Event(self.version, kind, key, copy.deepcopy(document)))
        del self.events[: -self.history]
        self.changed.notify_all()

    def forget_history(self) -> None:
        """Compact: whoever watches from an older version is told 410."""
        with self.changed:
            self.events.clear()

    def oldest(self) -> int:
        """The version from which on changes are known."""
        with self.changed:
            return self.events[0].version if self.events else self.version + 1

    def watch(self, after: int, wanted: Callable[[Event], bool], alive: Callable[[], bool]) -> Iterator[Event | None]:
        """Changes after a version, as they come; None now and then, so that a watcher can end."""
        while alive():
            with self.changed:
                fresh = [event for event in self.events if event.version > after]
                if not fresh:
                    self.changed.wait(0.2)
                    fresh = [event for event in self.events if event.version > after]
            if not fresh:
                yield None
            for event in fresh:
                after = event.version
                if wanted(event):
                    yield event


def without_version(document: Document) -> Document:
    """What makes two states of an object differ."""
    inner = copy.deepcopy(document)
    for name in ("resourceVersion", "managedFields", "generation"):
        inner["metadata"].pop(name, None)
    inner["managers"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in document["metadata"].get("managedFields", [])
    ]
    return inner


def now() -> str:
    """The time as the API writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
