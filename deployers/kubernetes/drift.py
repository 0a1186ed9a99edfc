"""Whether what we applied is still what is there: told by who owns the fields, so that no default counts as a change.

Whoever changes a field of ours by hand takes it over (server-side apply's rule for updates), and our own set of fields
becomes smaller. So a digest of that set, kept when a release has settled, tells a changed object from an untouched one;
what an autoscaler owns was never in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from deployers.kubernetes.api import Api, Kind
from deployers.kubernetes.records import Reference
from deployers.kubernetes.wire import FIELD_MANAGER, Document


def owned(document: Document) -> str:
    """A digest of the fields that we own by our applies."""
    ours = [
        entry.get("fieldsV1")
        for entry in document["metadata"].get("managedFields") or []
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    ]
    return hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()[:16]


def owned_now(api: Api, references: Sequence[Reference]) -> dict[str, str]:
    """The digest of each object, by its reference's text; objects that are not there are left out."""
    found = {str(each): api.get(Kind(each.api_version, each.kind), each.name) for each in references}
    return {name: owned(document) for name, document in found.items() if document is not None}


def drifted(kept: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What was changed or removed since, in words; nothing where nothing was kept."""
    changes = []
    for name, digest in kept.items():
        if name not in now:
            changes.append(f"{name} was removed by somebody else")
        elif now[name] != digest:
            changes.append(f"{name} was changed by somebody else")
    return changes
