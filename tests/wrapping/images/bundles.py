"""Bundles small enough to be made on the spot, of packages from the tests' own index: what is built, not what runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deployers.wrapping import bundle
from deployers.wrapping.bundle import Bundle, Content, Description
from deployers.wrapping.server_wheel import server_wheel
from tests.wrapping import indexes

COMMIT = "c0ffee" * 6 + "c0ff"


def lock_of(*wheels: tuple[str, bytes]) -> str:
    """A lock of these wheels (file name, content); several of one version are one entry."""
    hashes: dict[str, list[str]] = {}
    for name, content in wheels:
        project, version, *_ = name.split("-")
        hashes.setdefault(f"{project.replace('_', '-')}=={version}", []).append(hashlib.sha256(content).hexdigest())
    return "".join(
        " \\\n".join([line, *(f"    --hash=sha256:{value}" for value in sorted(values))]) + "\n"
        for line, values in sorted(hashes.items())
    )


def small(
    folder: Path,
    lock: str,
    *,
    model: Mapping[str, bytes] | None = None,
    version: str = "v1.0.0",
    python: str = "3.11",
    code: Mapping[str, bytes] | None = None,
    base_image: str | None = None,
    at: str = "iris.joblib",
    format_: str = "sklearn-joblib",
) -> Bundle:
    """A bundle with this lock, written as wrap writes it; unless one is given, the model is text that nothing loads."""
    files = {"model/iris.joblib": b"a model"} if model is None else {f"model/{k}": v for k, v in model.items()}
    files |= {f"code/{path}": text for path, text in (code or {}).items()}
    server = server_wheel(folder / "cache")
    files |= {f"server/{server.path.name}": server.path.read_bytes(), bundle.LOCK: lock.encode()}
    made = folder / f"bundle-{version}"
    for path, content in files.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_bytes(content)
    identity = bundle.digest(
        model=_under(made / "model"), code=_under(made / "code"), lock=lock, server=server.sha256, python=python,
        format=format_, path=at, base_image=base_image,
    )  # fmt: skip
    description = Description(
        schema=bundle.SCHEMA, name="iris", version=version, commit=COMMIT, digest=identity, format=format_,
        model=at, python=python, requirements=bundle.LOCK, server=f"server/{server.path.name}", methods={},
        libraries={}, code=sorted(code or {}), scan={}, base_image=base_image,
    )  # fmt: skip
    (made / bundle.DESCRIPTION).write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2))
    return bundle.load(made)


def _under(folder: Path) -> list[Content]:
    return bundle.contents(folder)


def one(version: str = "1.0") -> tuple[str, bytes]:
    """The usual package."""
    return indexes.wheel("one", version)
