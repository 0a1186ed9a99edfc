"""Write the server's wheel from its sources: the same bytes on every machine, with nothing but the standard library.

The bundle digest covers the wheel, so two machines must come to the same bytes. A build through hatchling does not:
its version stands in the wheel, and the deflated bytes depend on the machine's zlib. It would also have to be
installed, or fetched, wherever a checkout is used. The distribution is a plain one (packages, metadata, no compiled
part), so the wheel is written here, and whatever this file does not know in serving/pyproject.toml is an error rather
than a silent difference. A test holds the result against hatchling's own.

hatch_build.py loads this file by its path while Tagboat itself is being built: it must import nothing of Tagboat's.
Formats: https://packaging.python.org/en/latest/specifications/binary-distribution-format/ and …/core-metadata/.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the earliest that a zip can say."""

WHEEL = b"Wheel-Version: 1.0\nGenerator: tagboat\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

KNOWN = {
    "project": {"name", "version", "description", "license", "requires-python", "dependencies",
                "optional-dependencies", "scripts", "classifiers", "keywords", "readme", "urls"},
    "wheel": {"packages"},
}  # fmt: skip


def sources(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file that the wheel of the distribution in ``folder`` is made from: (name in the wheel, path), sorted."""
    for package in _wheel_settings(_pyproject(folder))["packages"]:
        root = folder / package
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".pyo"}:
                yield f"{root.name}/{path.relative_to(root).as_posix()}", path


def fingerprint(folder: Path) -> str:
    """64 hexadecimal digits that change with anything that the wheel of ``folder`` is made from, or this writer."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name, path in [("pyproject.toml", folder / "pyproject.toml"), *_readme(folder), *sources(folder)]:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def write(folder: Path, destination: Path) -> Path:
    """Write the wheel of the distribution in ``folder`` into the folder ``destination``; returns its path.

    Reads ``folder`` and writes nothing there. Raises ValueError for a pyproject.toml that asks for what this writer
    does not do.
    """
    project = _checked(_pyproject(folder))
    stem = f"{re.sub(r'[-_.]+', '_', project['name'])}-{project['version']}"
    members = [(name, path.read_bytes()) for name, path in sources(folder)]
    records = f"{stem}.dist-info"
    members.append((f"{records}/METADATA", _metadata(project, folder).encode()))
    members.append((f"{records}/WHEEL", WHEEL))
    if project.get("scripts"):
        scripts = "".join(f"{name} = {target}\n" for name, target in sorted(project["scripts"].items()))
        members.append((f"{records}/entry_points.txt", f"[console_scripts]\n{scripts}".encode()))
    members.append((f"{records}/RECORD", _record(members, f"{records}/RECORD")))
    wheel = destination / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system = 3  # Unix, also where this runs elsewhere
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return wheel


def _pyproject(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def _wheel_settings(pyproject: dict[str, Any]) -> dict[str, Any]:
    wheel: dict[str, Any] = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    return wheel


def _checked(pyproject: dict[str, Any]) -> dict[str, Any]:
    project: dict[str, Any] = pyproject["project"]
    for where, found in (("project", project), ("wheel", _wheel_settings(pyproject))):
        if unknown := sorted(set(found) - KNOWN[where]):
            message = f"serving/pyproject.toml: deployers/wrapping/wheel_writing.py cannot do {', '.join(unknown)}"
            raise ValueError(message)
    return project


def _readme(folder: Path) -> list[tuple[str, Path]]:
    readme = _pyproject(folder)["project"].get("readme")
    return [("readme", folder / readme)] if readme else []


def _metadata(project: dict[str, Any], folder: Path) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        *(f"Project-URL: {label}, {url}" for label, url in sorted(project.get("urls", {}).items())),
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        *([f"Keywords: {','.join(sorted(project['keywords']))}"] if "keywords" in project else []),
        *(f"Classifier: {classifier}" for classifier in sorted(project.get("classifiers", []))),
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {dependency}" for dependency in sorted(project.get("dependencies", []))),
    ]
    for extra, dependencies in sorted(project.get("optional-dependencies", {}).items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_only_for(extra, dependency)}" for dependency in sorted(dependencies)]
    if readme := _readme(folder):
        lines += ["Description-Content-Type: text/markdown", "", readme[0][1].read_text(encoding="utf-8")]
    return "\n".join(lines) + "\n"


def _only_for(extra: str, dependency: str) -> str:
    requirement, _, marker = (part.strip() for part in dependency.partition(";"))
    condition = f"extra == '{extra}'"
    return f"{requirement}; ({marker}) and {condition}" if marker else f"{requirement}; {condition}"


def _record(members: list[tuple[str, bytes]], name: str) -> bytes:
    lines = []
    for member, content in members:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{member},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{name},,\n"]).encode()
