"""Put an image together: its configuration, manifest and index, from a base and our layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployers.wrapping.images import documents, places
from deployers.wrapping.images.base import Base
from deployers.wrapping.images.documents import Descriptor, Index, Manifest, Platform
from deployers.wrapping.images.installed import Package
from deployers.wrapping.images.layers import Layer

INPUTS = "io.tagboat.inputs"
"""Annotation: the key of everything that the image was made from."""

BUNDLE = "io.tagboat.bundle"
"""Label and annotation: the bundle's digest."""

NAMES = ("environment", "server", "model")


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image. ``layers``: ours, above the base's, in the order of `NAMES`."""

    platform: Platform
    base: Base
    layers: tuple[Layer, ...]
    packages: tuple[Package, ...]
    config: bytes
    manifest: bytes

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's, as an index lists it."""
        said = {"architecture": self.platform.architecture, "os": self.platform.os}
        return documents.described(self.manifest, documents.MANIFEST, platform=said)


def platform_image(
    base: Base,
    layers: Sequence[Layer],
    packages: Sequence[Package],
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> PlatformImage:
    """An image of the base and our layers."""
    config = documents.encode(_config(base, layers, labels))
    ours = [Descriptor(media_type=documents.LAYER, digest=layer.digest, size=layer.size) for layer in layers]
    manifest = Manifest(
        schema_version=2,
        media_type=documents.MANIFEST,
        config=documents.described(config, documents.CONFIG),
        layers=(*base.layers, *ours),
        annotations=annotations,
    )
    return PlatformImage(
        platform=base.platform, base=base, layers=tuple(layers), packages=tuple(packages), config=config,
        manifest=documents.encode(manifest),
    )  # fmt: skip


def index(images: Sequence[PlatformImage], annotations: Mapping[str, str]) -> bytes:
    """The index of several platforms."""
    return documents.encode(
        Index(
            schema_version=2,
            media_type=documents.INDEX,
            manifests=tuple(image.descriptor for image in images),
            annotations=annotations,
        )
    )


def _config(base: Base, layers: Sequence[Layer], labels: Mapping[str, str]) -> dict[str, Any]:
    """The base's configuration with ours over it. No user: SageMaker wants root, a pod says its own by number."""
    before = base.config.get("config") or {}
    variables = base.variables
    path = variables.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    variables = {"LANG": "C.UTF-8", **variables, "PATH": f"{places.VENV}/bin:{path}"}
    created = base.config.get("created") or "1980-01-01T00:00:00Z"
    said = base.config.get("history") or []
    if sum(1 for one in said if not one.get("empty_layer")) != len(base.layers):
        said = [{"created": created} for _ in base.layers]  # podman builds on nothing whose history does not add up
    history = [
        *said,
        *({"created": created, "created_by": f"tagboat: {name}"} for name in NAMES[: len(layers)]),
    ]
    dropped = {"Cmd", "Entrypoint", "ArgsEscaped", "Image", "Hostname", "Healthcheck", "OnBuild"}
    return {
        "architecture": base.platform.architecture,
        "os": base.platform.os,
        **{name: base.config[name] for name in ("variant", "os.version") if base.config.get(name)},
        "created": created,  # the base's: a time of ours would make every build another image
        "config": {
            **{name: value for name, value in before.items() if name not in dropped and value is not None},
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Entrypoint": list(places.ENTRYPOINT),
            "Cmd": list(places.COMMAND),
            "WorkingDir": "/",
            "ExposedPorts": {f"{places.PORT}/tcp": {}},
            "Labels": {**(before.get("Labels") or {}), **labels},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [*base.diff_ids, *(layer.diff_id for layer in layers)]},
        "history": history,
    }
