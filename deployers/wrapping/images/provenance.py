"""Where an image comes from: an in-toto statement with SLSA's provenance predicate, version 1.

https://slsa.dev/spec/v1.0/provenance. Everything but ``run`` is the same for the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployers.wrapping.bundle import Bundle, Content, file_sha256
from deployers.wrapping.images.assembly import PlatformImage
from deployers.wrapping.images.documents import encode

MEDIA_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:tagboat:image:v1"
BUILDER = "urn:tagboat:image-builder"


def of(
    name: str,
    digest: str,
    images: Sequence[PlatformImage],
    bundle: Bundle,
    *,
    files: Sequence[Content],
    inputs: Mapping[str, Any],
    source: str | None,
    run: str | None,
) -> bytes:
    """The statement about the image ``digest`` in the repository ``name``.

    ``files``: the model's. ``inputs``: what was asked for. ``source``: the Git repository's address. ``run``: the
    address of the CI run.
    """
    description = bundle.description
    git = {"gitCommit": description.commit}
    dependencies: list[dict[str, Any]] = [
        {"uri": f"git+{source}@{description.commit}" if source else f"git:{description.commit}", "digest": git},
        *({"uri": f"docker://{image.base.name}", "digest": _sha256(image.base.manifest),
           "annotations": {"platform": str(image.platform)}} for image in images),
        {"uri": bundle.server.name, "digest": _sha256(f"sha256:{_wheel(bundle)}")},
        *({"name": f"model/{file.path}", "digest": {"sha256": file.sha256}} for file in files),
        *({"uri": f"pkg:pypi/{name}@{version}"} for name, version in _packages(images)),
    ]  # fmt: skip
    return encode(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": _sha256(digest)}],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "artifact": description.name,
                        "version": description.version,
                        "commit": description.commit,
                        **inputs,
                    },
                    "internalParameters": {"bundle": description.digest},
                    "resolvedDependencies": dependencies,
                },
                "runDetails": {
                    "builder": {"id": BUILDER},
                    **({"metadata": {"invocationId": run}} if run else {}),
                },
            },
        }
    )


def _packages(images: Sequence[PlatformImage]) -> list[tuple[str, str]]:
    return sorted({(package.name, package.version) for image in images for package in image.packages})


def _sha256(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _wheel(bundle: Bundle) -> str:
    return file_sha256(bundle.server)
