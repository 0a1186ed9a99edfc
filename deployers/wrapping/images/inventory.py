"""The image's bill of materials: CycloneDX 1.6, from the lock, the wheels' metadata, the base and the model's files.

https://cyclonedx.org/docs/1.6/json/. Without a time or a random serial number: the same image has the same one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.documents import digest, encode

MEDIA_TYPE = "application/vnd.cyclonedx+json"


def of(image: PlatformImage, bundle: Bundle, files: Sequence[Content]) -> bytes:
    """The document for one platform's image. ``files``: the model's."""
    description = bundle.description
    base = image.base
    manifest = digest(image.manifest)
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": description.name,
        "version": description.version or description.commit,
        "components": [
            {"type": "file", "name": file.path, "hashes": [{"alg": "SHA-256", "content": file.sha256}]}
            for file in files
        ],
    }
    server: dict[str, Any] = {
        "type": "application",
        "bom-ref": "server",
        "name": "tagboat-server",
        "version": bundle.server.name.split("-")[1],
        "hashes": [{"alg": "SHA-256", "content": _sha256(bundle)}],
    }
    packages = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{package.name.lower().replace('_', '-')}@{package.version}",
            "name": package.name,
            "version": package.version,
            "purl": f"pkg:pypi/{package.name.lower().replace('_', '-')}@{package.version}",
            **({"licenses": [{"license": {"name": package.license}}]} if package.license else {}),
        }
        for package in image.packages
    ]
    container = {
        "type": "container",
        "bom-ref": "base",
        "name": f"{base.name.registry}/{base.name.repository}",
        "version": base.name.tag or base.manifest,
        "hashes": [{"alg": "SHA-256", "content": base.manifest.removeprefix("sha256:")}],
    }
    whole = {
        "type": "container",
        "bom-ref": "image",
        "name": description.name,
        "version": manifest,
        "hashes": [{"alg": "SHA-256", "content": manifest.removeprefix("sha256:")}],
    }
    components = [container, server, model, *packages]
    return encode(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.UUID(hex=manifest.removeprefix('sha256:')[:32], version=4)}",
            "version": 1,
            "metadata": {"component": whole, "tools": {"components": [{"type": "application", "name": "tagboat"}]}},
            "components": components,
            "dependencies": [{"ref": "image", "dependsOn": [str(component["bom-ref"]) for component in components]}],
        }
    )


def _sha256(bundle: Bundle) -> str:
    return digest(bundle.server.read_bytes()).removeprefix("sha256:")
