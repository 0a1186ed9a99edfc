"""What uv has installed: the distributions, their files, what they ask for, and scripts with the image's own Python."""

from __future__ import annotations

import base64
import csv
import email.parser
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.images import places
from deployers.wrapping.images.documents import Platform
from deployers.wrapping.images.layers import Entry

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Go's word for an architecture → Python's."""


class Package(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One installed distribution. ``license``: as its metadata has it, or empty."""

    name: str
    version: str
    license: str = ""
    summary: str = ""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """``packages``, sorted; ``owners``: file (relative to the prefix) → name of the package it came with."""

    packages: tuple[Package, ...]
    requires: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, str]


def survey(prefix: Path, site: Path) -> Installed:
    """Read the metadata of everything in a site directory."""
    packages: list[Package] = []
    requires: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for metadata in sorted(site.glob("*.dist-info/METADATA")):
        said = email.parser.BytesParser().parsebytes(metadata.read_bytes(), headersonly=True)
        name = str(said["Name"])
        packages.append(Package(name=name, version=str(said["Version"]), license=_license(said), summary=""))
        requires[name] = tuple(str(line) for line in said.get_all("Requires-Dist", []))
        for path, _, _ in _rows(metadata.with_name("RECORD")):
            file = PurePosixPath(site.relative_to(prefix).as_posix(), path)
            owners[_normal(file)] = name
    return Installed(packages=tuple(sorted(packages)), requires=requires, owners=owners)


def check_complete(found: Installed, platform: Platform, python: str) -> None:
    """See that every requirement for this platform is there: the lock may have been made on another one.

    Raises `ConfigurationError` naming what is missing.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    there = {canonicalize_name(package.name) for package in found.packages}
    minor = ".".join(python.split(".")[:2])
    target = {
        "python_version": minor, "python_full_version": python if python.count(".") == 2 else f"{minor}.0",
        "platform_machine": MACHINES[platform.architecture], "sys_platform": "linux", "platform_system": "Linux",
        "os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": "",
    }  # fmt: skip
    for name, lines in sorted(found.requires.items()):
        for line in lines:
            try:
                wanted = Requirement(line)
            except InvalidRequirement:
                continue
            if canonicalize_name(wanted.name) in there or (wanted.marker and not wanted.marker.evaluate(target)):
                continue
            raise ConfigurationError(
                f"on {platform} {name} needs {wanted.name} as well, and the model's lock does not have it",
                where="requirements",
                hint=f"The lock was made on another platform. List {wanted.name} among the artifact's requirements.",
            )


def entries(prefix: Path, site: Path, minor: str, interpreter: Path) -> Iterator[Entry]:
    """The prefix as entries of a layer: in the image's place, scripts and RECORD files as they belong there."""
    scripts: dict[str, bytes] = {}
    for path in sorted((prefix / "bin").glob("*")):
        scripts[path.name] = _script(path.read_bytes(), interpreter)
    for path in sorted(prefix.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise RefusedError("a package is neither file nor folder here", where=str(path.relative_to(prefix)))
        if path == prefix / ".lock" or path.suffix == ".pyc":
            continue
        within = path.is_relative_to(site)
        place = f"{places.site_packages(minor)}/{path.relative_to(site).as_posix()}" if within else (
            f"{places.VENV}/{path.relative_to(prefix).as_posix()}"
        )  # fmt: skip
        executable = bool(path.stat().st_mode & 0o100)
        name = places.inside(place)
        if path.parent == prefix / "bin":
            yield Entry(path=name, content=scripts[path.name], executable=True)
        elif within and path.name == "RECORD" and path.parent.suffix == ".dist-info":
            yield Entry(path=name, content=_record(path, scripts))
        else:
            yield Entry(path=name, source=path, executable=executable)


def script(target: str) -> bytes:
    """A console script for an entry point, ``module:function``."""
    module, _, function = target.partition(":")
    lines = [f"#!{places.PYTHON}", "import sys", f"from {module} import {function}", f"sys.exit({function}())", ""]
    return "\n".join(lines).encode()


def record_row(path: str, content: bytes) -> list[str]:
    """One row of a RECORD (PEP 376)."""
    sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [path, f"sha256={sha256}", str(len(content))]


def rows(table: list[list[str]]) -> bytes:
    """The bytes of a RECORD."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(table))
    return out.getvalue().encode()


def _record(path: Path, scripts: Mapping[str, bytes]) -> bytes:
    table = []
    for name, sha256, size in _rows(path):
        tail = name.rpartition("/")[2]
        ours = name.startswith("../") and name.rpartition("/")[0].endswith("/bin") and tail in scripts
        table.append(record_row(name, scripts[tail]) if ours else [name, sha256, size])
    return rows(table)


def _script(content: bytes, interpreter: Path) -> bytes:
    """A script with the image's Python in its first line; uv wrote the one that it was told of, or a shell's detour."""
    lines = content.split(b"\n")
    own = f"#!{places.PYTHON}".encode()
    if lines[0].startswith(b"#!") and str(interpreter).encode() in lines[0]:
        return b"\n".join([own, *lines[1:]])
    if lines[0] == b"#!/bin/sh" and len(lines) > 3 and str(interpreter).encode() in lines[1]:
        return b"\n".join([own, *lines[3:]])
    return content


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) == 3:
                yield row[0], row[1], row[2]


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _license(said: email.message.Message) -> str:
    text = str(said.get("License-Expression") or said.get("License") or "").strip()
    return text if text and "\n" not in text and len(text) < 100 else ""
