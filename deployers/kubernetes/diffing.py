"""What an apply would change in an object, for people: without what the server fills in and manages itself."""

from __future__ import annotations

import difflib
from typing import Any

import yaml

from deployers.base import Action, Change
from deployers.kubernetes import names
from deployers.kubernetes.wire import Document

SERVER_OWNED = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
VOLATILE = (f"{names.DOMAIN}/run", f"{names.DOMAIN}/tag", "deployment.kubernetes.io/revision")
"""Annotations that tell of a run, not of a release."""


def change(live: Document | None, planned: Document, applied: Document) -> Change:
    """What becomes of ``live`` when ``planned`` (what the server answered to a dry run) is applied.

    ``applied`` is our own document: only what it speaks of, or what changes, is shown.
    """
    shown = f"{planned['kind']} {planned['metadata']['name']}"
    if live is None:
        return Change(object=shown, action=Action.CREATE, diff=_diff([], _lines(_cleaned(applied))))
    before, after = _cleaned(live), _cleaned(planned)
    if before == after:
        return Change(object=shown, action=Action.KEEP)
    ours = _cleaned(applied)
    return Change(
        object=shown,
        action=Action.UPDATE,
        diff=_diff(_lines(_told(before, after, ours)), _lines(_told(after, before, ours))),
    )


def removal(live: Document) -> Change:
    """An object that goes."""
    return Change(object=f"{live['kind']} {live['metadata']['name']}", action=Action.DELETE)


def _cleaned(document: Document) -> Document:
    metadata = {key: value for key, value in document["metadata"].items() if key not in SERVER_OWNED}
    annotations = {
        key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key not in VOLATILE
    }
    if annotations:
        metadata["annotations"] = annotations
    rest = {key: value for key, value in document.items() if key not in {"status", "metadata"}}
    return {**rest, "metadata": metadata}


def _told(node: Any, other: Any, ours: Any) -> Any:
    """The parts of a node that we speak of, or that differ from the other one: not the server's defaults."""
    if isinstance(node, dict):
        others = other if isinstance(other, dict) else {}
        spoken = ours if isinstance(ours, dict) else {}
        return {
            key: _told(value, others.get(key), spoken.get(key))
            for key, value in node.items()
            if key in spoken or value != others.get(key)
        }
    lists = all(isinstance(each, list) for each in (node, other, ours))
    if lists and len(node) == len(other) == len(ours):
        return [_told(*each) for each in zip(node, other, ours, strict=True)]
    return node


def _lines(document: Document) -> list[str]:
    return yaml.safe_dump(document, sort_keys=True, width=1000, allow_unicode=True).splitlines() if document else []


def _diff(before: list[str], after: list[str]) -> str:
    return "\n".join(difflib.unified_diff(before, after, "live", "planned", lineterm=""))
