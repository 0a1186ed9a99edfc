"""Names, labels and annotations of what a slot is made of: valid and unique for every artifact, stage and version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from deployers.base import Release, Slot
from deployers.runs import run_link

DOMAIN = "tagboat.dev"

MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
RELEASE = f"{DOMAIN}/release"
RECORD = f"{DOMAIN}/record"
"""On ConfigMaps of ours: what they record, `SLOT_RECORD` or `RELEASE_RECORD`."""

SLOT_RECORD, RELEASE_RECORD = "slot", "release"
OURS = {MANAGED_BY: "tagboat"}

LONGEST_SLOT = 38
"""Characters of a slot's name, so that every suffix (ours, and those that KServe and pods get) fits into 63."""

RELEASE_DIGITS = 10
"""Hexadecimal digits of a release id in the names of what is its own."""


def slot_name(slot: Slot) -> str:
    """A DNS label for everything of the slot: readable, and unique by a hash of what it stands for."""
    digest = hashlib.sha256(f"{slot.artifact}#{slot.stage}@{slot.target}".encode()).hexdigest()[:8]
    readable = readable_name(f"{slot.artifact}-{slot.stage}", LONGEST_SLOT - len(digest) - 1)
    return f"{readable}-{digest}"


def readable_name(text: str, longest: int) -> str:
    """What can be kept of a text in a DNS label; begins with a letter, since Service names must."""
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not kept or not kept[0].isalpha():
        kept = f"m-{kept}".strip("-")
    return kept[:longest].rstrip("-")


def release_name(slot: Slot, release_id: str) -> str:
    """The name of what one release of the slot has for itself."""
    return f"{slot_name(slot)}-{release_id[:RELEASE_DIGITS]}"


def label_value(text: str) -> str:
    """A text as the value of a label: where it cannot be one as it stands, shortened, with a hash."""
    if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", text, re.ASCII):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:50].strip("-_.")
    return f"{kept}-{digest}".lstrip("-")


def slot_labels(slot: Slot) -> dict[str, str]:
    """The labels that tell a slot's objects from all others, and by which pruning finds them."""
    return {
        "app.kubernetes.io/name": label_value(slot.artifact),
        INSTANCE: slot_name(slot),
        "app.kubernetes.io/component": "model-server",
        **OURS,
        f"{DOMAIN}/artifact": label_value(slot.artifact),
        f"{DOMAIN}/stage": label_value(slot.stage),
        f"{DOMAIN}/target": label_value(slot.target),
    }


def release_labels(release: Release) -> dict[str, str]:
    """The same, and which release an object is of."""
    return {
        **slot_labels(release.slot),
        "app.kubernetes.io/version": label_value(release.version),
        f"{DOMAIN}/version": label_value(release.version),
        RELEASE: release.id,
    }


def selector(slot: Slot, release_id: str | None = None) -> dict[str, str]:
    """What pods of the slot are selected by; with a release id, those of that release alone."""
    chosen = {INSTANCE: slot_name(slot), **OURS}
    return {**chosen, RELEASE: release_id} if release_id is not None else chosen


def release_annotations(release: Release, environment: Mapping[str, str]) -> dict[str, str]:
    """Where a release comes from, in full; with a link to the run, where it is one of GitHub's."""
    found = {
        f"{DOMAIN}/artifact": release.slot.artifact,
        f"{DOMAIN}/stage": release.slot.stage,
        f"{DOMAIN}/version": release.version,
        f"{DOMAIN}/commit": release.commit,
        f"{DOMAIN}/bundle": release.bundle_digest,
        f"{DOMAIN}/release": release.id,
    }
    if release.tag is not None:
        found[f"{DOMAIN}/tag"] = release.tag.name
    run = run_link(environment)
    return {**found, f"{DOMAIN}/run": run} if run is not None else found
