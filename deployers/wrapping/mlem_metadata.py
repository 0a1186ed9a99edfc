"""What a model's `.mlem` file says it needs, read as plain YAML: MLEM itself lives in the model's environment only.

The requirements in it (MLEM 0.4.14, mlem/core/requirements.py) are ``installable`` packages, ``custom`` modules whose
source stands in the file (base64 of zlib; a package as a JSON mapping of such), single ``file``s and ``unix`` packages.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

import msgspec
import yaml

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping import requirement_lines, safe_paths
from deployers.wrapping.requirement_lines import Line

MAXIMUM_BYTES = 8_000_000
MAXIMUM_SOURCE = 64_000_000
"""Bytes of one packed source, unpacked: a bomb stops here."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """``code``: modules and files by their path under the bundle's ``code/``. ``notes``: for a person to see."""

    path: str
    lines: tuple[Line, ...]
    code: dict[str, bytes]
    notes: tuple[str, ...]


def read(path: str, content: bytes) -> Metadata:
    """Read a `.mlem` file. Raises `ConfigurationError` or `RefusedError`, naming the entry."""
    document = _document(path, content)
    entries = document.get("requirements") or []
    if not isinstance(entries, list):
        raise ConfigurationError("its requirements are no list", where=path)
    lines: list[Line] = []
    code: dict[str, bytes] = {}
    notes: list[str] = []
    for index, entry in enumerate(entries):
        where = f"{path}: requirements[{index}]"
        if not isinstance(entry, dict):
            raise ConfigurationError("not a mapping", where=where)
        kind = entry.get("type", "installable")
        if kind == "installable":
            lines.append(_package(entry, where))
        elif kind in {"custom", "file"}:
            code.update(_sources(entry, kind, where))
        elif kind == "unix":
            notes.append(f"{where}: the system package {str(entry.get('package_name'))[:100]!r} is not installed")
        else:
            raise ConfigurationError(f"requirements of the kind {str(kind)[:100]!r} are unknown", where=where)
    return Metadata(path=path, lines=tuple(lines), code=code, notes=tuple(notes))


class _Loader(yaml.SafeLoader):
    """Plain data, with no aliases: through merge keys they grow without end (billion laughs)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def _document(path: str, content: bytes) -> dict[str, Any]:
    if len(content) > MAXIMUM_BYTES:
        raise RefusedError(f"larger than {MAXIMUM_BYTES} bytes", where=path)
    try:
        document = yaml.load(content.decode("utf-8"), Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"not readable as MLEM metadata: {reason}", where=path) from error
    if not isinstance(document, dict):
        raise ConfigurationError("not MLEM metadata: no mapping", where=path)
    return document


def _package(entry: dict[Any, Any], where: str) -> Line:
    name = entry.get("package_name") or entry.get("module")
    if not isinstance(name, str):
        raise ConfigurationError("it names no package", where=where)
    for key, instead in (("vcs", "a wheel"), ("source_url", "a wheel"), ("extra_index", "the index")):
        if entry.get(key):
            raise RefusedError(
                f"{name}: {key} of a model's metadata is not followed",
                where=where,
                hint=f"Publish {instead} and name it in tagboat.yaml: `requirements:` and `indexes:`.",
            )
    version = entry.get("version")
    return requirement_lines.parse(name if version is None else f"{name}=={version}", where)


def _sources(entry: dict[Any, Any], kind: str, where: str) -> dict[str, bytes]:
    name, packed = entry.get("name"), entry.get("source64zip")
    if not isinstance(name, str) or not isinstance(packed, str):
        raise ConfigurationError("name or source64zip is missing", where=where)
    source = _unpacked(packed, where)
    if kind == "file":
        return {safe_paths.checked(name, where=where): source}
    if not entry.get("is_package"):
        return {safe_paths.checked(name.replace(".", "/") + ".py", where=where): source}
    try:
        files = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError("its packed package is not readable", where=where) from error
    if not isinstance(files, dict):
        raise ConfigurationError("its packed package is not readable", where=where)
    code, size = {}, 0
    for path, content in files.items():
        code[safe_paths.checked(str(path), where=where)] = unpacked = _unpacked(str(content), where)
        size += len(unpacked)
        if size > MAXIMUM_SOURCE:
            raise RefusedError(f"packed sources of more than {MAXIMUM_SOURCE} bytes", where=where)
    return code


def _unpacked(packed: str, where: str) -> bytes:
    try:
        inflate = zlib.decompressobj()
        source = inflate.decompress(base64.b64decode(packed, validate=True), MAXIMUM_SOURCE)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ConfigurationError("its packed source is not readable", where=where) from error
    if inflate.unconsumed_tail:
        raise RefusedError(f"packed sources of more than {MAXIMUM_SOURCE} bytes", where=where)
    if not inflate.eof:
        raise ConfigurationError("its packed source is cut off", where=where)
    return source
