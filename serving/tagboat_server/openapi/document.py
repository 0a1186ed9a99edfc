"""The whole document that ``/openapi.json`` answers."""

from __future__ import annotations

from typing import Any

import msgspec

from tagboat_server import __version__, protocols
from tagboat_server.openapi import pages
from tagboat_server.openapi.operations import ERROR
from tagboat_server.protocols.base import Context

TAGS = {
    "Tagboat": "Our own protocol: records, columns or rows in, predictions and the release out.",
    "MLEM": "As `mlem serve` answers it.",
    "Open Inference Protocol": "Version 2, with JSON and binary tensors.",
    "SageMaker and MLflow": "The container contract of SageMaker, and MLflow's inputs.",
    "Pages": "Health, figures, and this description.",
}
"""The protocols in the order in which they are shown."""


def document(context: Context) -> bytes:
    """OpenAPI 3.1 of every protocol that is on."""
    identity = context.identity
    paths: dict[str, Any] = {}
    for described in (*(protocol.operations for protocol in protocols.PROTOCOLS), pages.operations):
        for path, operations in described(context).items():
            paths.setdefault(path, {}).update(operations)
    used = {tag for operations in paths.values() for each in operations.values() for tag in each["tags"]}
    named = " ".join(filter(None, (identity.artifact, identity.version)))
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": identity.artifact,
            "version": identity.version or "0",
            "description": f"The model {named}, served by tagboat-server {__version__}.",
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
        "x-tagboat": {"release": identity.release, "stage": identity.stage, "version": identity.version},
    }
    return msgspec.json.encode(made)
