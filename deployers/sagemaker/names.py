"""Names and tags of what a slot is made of: valid for AWS, unique for every artifact, stage, target and content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from deployers.base import JSON, Release, Slot

VARIANT = "main"
"""The production variant that takes the requests; the same in every config, as deployment guardrails want it."""

LONGEST = 63
"""Characters of a name of a model, a config, an endpoint or a variant."""

LONGEST_SLOT = 37
"""Characters of a slot's name, so that a version, a digest and a suffix of ours still fit."""

CONTENT_DIGITS = 12
"""Hexadecimal digits of a content's digest in a name; the whole content is compared where the name is there already."""

LONGEST_TAG = 256

ARTIFACT, STAGE, TARGET, SLOT = "tagboat:artifact", "tagboat:stage", "tagboat:target", "tagboat:slot"
MANAGED = "tagboat:managed-by"
"""On what several slots share, such as a repository of images."""

RELEASE, VERSION, COMMIT, BUNDLE = "tagboat:release", "tagboat:version", "tagboat:commit", "tagboat:bundle"

NOT_IN_TAGS = re.compile(r"[^\w .:/=+\-@]")
"""What the value of a tag must not hold: AWS allows letters, digits and spaces of any script, and ``_.:/=+-@``."""


def slot_name(slot: Slot) -> str:
    """A name for everything of the slot: readable, and unique by a hash of what it stands for."""
    digest = _digest(msgspec.json.encode([slot.artifact, slot.stage, slot.target]).decode())[:8]
    return f"{readable_name(f'{slot.artifact}-{slot.stage}', LONGEST_SLOT - len(digest) - 1)}-{digest}"


def readable_name(text: str, longest: int) -> str:
    """What can be kept of a text in a name of SageMaker's; never empty."""
    kept = re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-")
    return kept[:longest].rstrip("-") or "m"


def content_name(release: Release, content: JSON) -> str:
    """The name of an object of a release by what is in it: other content, another name.

    ``content``: the request that makes it, without name and tags.
    """
    digest = _digest(msgspec.json.encode(content, order="deterministic").decode())[:CONTENT_DIGITS]
    version = readable_name(release.version or release.commit[:10], LONGEST - LONGEST_SLOT - CONTENT_DIGITS - 2)
    return f"{slot_name(release.slot)}-{version}-{digest}"


def slot_tags(slot: Slot) -> dict[str, str]:
    """The tags that tell a slot's objects from all others; `SLOT` alone is unique, the rest is for people."""
    return {
        SLOT: slot_name(slot),
        ARTIFACT: tag_value(slot.artifact),
        STAGE: tag_value(slot.stage),
        TARGET: tag_value(slot.target),
    }


def release_tags(release: Release) -> dict[str, str]:
    """The same, and which release an object is of."""
    return {
        **slot_tags(release.slot),
        RELEASE: release.id,
        VERSION: tag_value(release.version),
        COMMIT: tag_value(release.commit),
        BUNDLE: tag_value(release.bundle_digest),
    }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tag_value(text: str) -> str:
    """A text as a tag's value: where it cannot be one as it stands, what can be kept of it, and a hash."""
    if len(text) <= LONGEST_TAG and not NOT_IN_TAGS.search(text):
        return text
    return f"{NOT_IN_TAGS.sub('-', text)[: LONGEST_TAG - 9]}-{_digest(text)[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
