"""Every key of tagboat.yaml as Markdown tables, in the order of the schema."""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UnsetType

from entrypoint.configuration.schema import Configuration, Target
from entrypoint.configuration.shapes import description, is_list, is_mapping, stripped

TARGET_KEYS = ("deployer", "prune")


def reference(deployers: Mapping[str, type[msgspec.Struct]]) -> str:
    """One table for each mapping of the file."""
    tables = []
    done: set[type] = set()
    for path, kind in _mappings(Configuration, "", done):
        tables.append(_table(path, kind, TARGET_KEYS if kind is Target else None))
        if kind is Target:
            for name, settings in deployers.items():
                tables.append(_table(f"{path}` with `deployer: {name}", settings))
                nested = [(below, inner) for below, inner in _mappings(settings, path, done) if inner is not settings]
                tables += [_table(below, inner) for below, inner in nested]
    return "\n".join(tables)


def keys(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Every key that a struct and those below it can hold; for the test that the reference is complete."""
    for _, struct in _mappings(kind, "", set()):
        for field in msgspec.structs.fields(struct):
            if struct is not Target or field.encode_name in TARGET_KEYS:
                yield field.encode_name


def _mappings(kind: type[msgspec.Struct], path: str, done: set[type]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The struct and all below it, each once, by the shortest path to it, the widest first."""
    waiting = [(path, kind)]
    while waiting:
        path, kind = waiting.pop(0)
        if kind in done:
            continue
        done.add(kind)
        yield path, kind
        for field in msgspec.structs.fields(kind):
            if kind is not Target or field.encode_name in TARGET_KEYS:
                below = f"{path}.{field.encode_name}".lstrip(".")
                waiting += [(below + suffix, inner) for suffix, inner in _structs(field.type)]


def _structs(annotation: Any) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    kind = stripped(annotation)[0]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        config = kind.__struct_config__
        yield f"` with `{config.tag_field}: {config.tag}" if config.tag_field else "", kind
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _structs(member)
    elif is_list(kind) and get_args(kind):
        for suffix, inner in _structs(get_args(kind)[0]):
            yield f"[]{suffix}", inner
    elif is_mapping(kind) and get_args(kind):
        for suffix, inner in _structs(get_args(kind)[1]):
            yield f".<name>{suffix}", inner


def _table(path: str, kind: type[msgspec.Struct], only: tuple[str, ...] | None = None) -> str:
    heading = f"### `{path}`" if path else "### The file"
    lines = [heading, ""]
    if path and kind.__doc__:
        lines += [kind.__doc__.split("\n\n")[0].strip().replace("\n    ", " "), ""]
    lines += ["| key | value | default | |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        if only is not None and field.encode_name not in only:
            continue
        told = description(stripped(field.type)[1]) or ""
        cells = [f"`{field.encode_name}`", _value(field.type), default_of(field), told]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _value(annotation: Any) -> str:
    """A type in a few words."""
    kind, metas = stripped(annotation)
    extra = {key: value for meta in metas if meta.extra for key, value in meta.extra.items()}
    if "unit" in extra:
        return "size" if extra["unit"] == "bytes" else "duration"
    if "secret" in extra:
        return "`${env:NAME}`"
    if "connection" in extra:
        return "text, may hold `${env:NAME}`"
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for member in get_args(kind) if member not in (type(None), UnsetType)]
        return " or ".join(dict.fromkeys(_value(member) for member in members))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    if is_list(kind):
        return f"list of: {_value(get_args(kind)[0])}" if get_args(kind) else "list"
    if is_mapping(kind):
        return "mapping"
    words = {str: "text", bool: "true or false", int: "whole number", float: "number", Any: "any JSON"}
    return words.get(kind, "text")


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """A key's default as it would be written in the file, or nothing where the absent key has none."""
    if field.required:
        return "required"
    default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
    if default is None or isinstance(default, (UnsetType, msgspec.Struct)) or default in ((), {}, []):
        return ""
    unit = {key: value for meta in stripped(field.type)[1] if meta.extra for key, value in meta.extra.items()}.get(
        "unit"
    )
    if unit is not None:
        return (
            f"{default / 1e9:g}GB"
            if unit == "bytes" and default >= 1e9
            else f"{default:g}{'s' if unit == 'seconds' else ''}"
        )
    return f"`{msgspec.json.encode(default).decode().strip(chr(34))}`"
