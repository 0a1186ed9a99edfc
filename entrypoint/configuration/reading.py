"""From the tree of a file to the structs of the schema, collecting every mistake on the way.

msgspec's own conversion stops at the first mistake and knows no lines; so the walk is ours and the types are
msgspec's. It knows what a settings struct may be built of: structs, mappings with text keys, lists, text, numbers,
truth values, enumerations, literals, unions of one of each kind, and open JSON.
"""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, UnsetType

from entrypoint.configuration import documents
from entrypoint.configuration.documents import Node, Scalar
from entrypoint.configuration.mistakes import Mistake, Place, quoted, suggestion
from entrypoint.configuration.scalars import MeaningError, as_json, as_measure, as_number, as_text, as_truth, is_nothing
from entrypoint.configuration.shapes import broken, called, described, description, fits, is_list, is_mapping, stripped

INVALID: Any = object()
"""Stands for a value that could not be read; the mistake is recorded."""

Path = tuple[str | int, ...]
Special = Callable[["Reader", Node, Path], Any]


class Reader:
    """Reads nodes as types. ``special`` maps a type to the function that reads it instead of the walk below."""

    def __init__(self, special: Mapping[type, Special] | None = None) -> None:
        self.mistakes: list[Mistake] = []
        self.places: dict[Path, Place] = {}
        self._special = special or {}

    def wrong(self, place: Place, path: Path, message: str, hint: str | None = None) -> Any:
        """Record a mistake; gives `INVALID`, so that a reader can end with it."""
        self.mistakes.append(Mistake(place, dotted(path), message, hint))
        return INVALID

    def read(self, node: Node, annotation: Any, path: Path = ()) -> Any:
        """The value of a node as this type, or `INVALID`."""
        self.places.setdefault(path, node.place)
        kind, metas = stripped(annotation)
        if kind in self._special:
            return self._special[kind](self, node, path)
        if kind is Any:
            return self._open(node, path)
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            return self._union(node, [member for member in get_args(kind) if member is not UnsetType], metas, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(node, kind, path)
        if is_mapping(kind):
            return self._mapping(node, get_args(kind), path)
        if is_list(kind):
            return self._list(node, kind, metas, path)
        if not isinstance(node, Scalar):
            return self._expected(node, kind, metas, path)
        return self._scalar(node, kind, metas, path)

    def struct(self, node: Node, kind: type[msgspec.Struct], path: Path, *, beside: Sequence[str] = ()) -> Any:
        """Read a mapping as a struct; ``beside`` are keys that somebody else has read already."""
        if isinstance(node, Scalar) and is_nothing(node):
            node = documents.Mapping(node.place, {}, {})
        if not isinstance(node, documents.Mapping):
            return self._expected(node, kind, [], path)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        sound = True
        for key, child in node.items.items():
            if key in beside:
                continue
            self.places[(*path, key)] = node.keys[key]
            if key not in fields:
                hint = suggestion(key, [*fields, *beside], "keys")
                self.wrong(node.keys[key], path, f"there is no key {quoted(key)} here", hint)
                sound = False
                continue
            value = self.read(child, fields[key].type, (*path, key))
            sound = sound and value is not INVALID
            values[fields[key].name] = value
        for name, field in fields.items():
            if field.default is NODEFAULT and field.default_factory is NODEFAULT and name not in node.items:
                told = description(stripped(field.type)[1])
                self.wrong(node.place, path, f"the key {quoted(name)} is missing", told)
                sound = False
        if not sound:
            return INVALID
        try:
            return kind(**values)
        except ValueError as error:
            return self.wrong(self.places[path], path, *_message_and_hint(error))

    def _mapping(self, node: Node, arguments: tuple[Any, ...], path: Path) -> Any:
        if isinstance(node, Scalar) and is_nothing(node):
            return {}
        if not isinstance(node, documents.Mapping):
            return self._expected(node, dict, [], path)
        key_metas = stripped(arguments[0])[1]
        values = {}
        for key, child in node.items.items():
            self.places[(*path, key)] = node.keys[key]
            problem = broken(key, key_metas)
            if problem is not None:
                self.wrong(node.keys[key], (*path, key), problem, description(key_metas))
            values[key] = self.read(child, arguments[1], (*path, key))
        return INVALID if any(value is INVALID for value in values.values()) else values

    def _list(self, node: Node, kind: Any, metas: Sequence[Meta], path: Path) -> Any:
        if isinstance(node, Scalar) and is_nothing(node):  # all its items are commented out
            node = documents.Sequence(node.place, [])
        if not isinstance(node, documents.Sequence):
            return self._expected(node, list, metas, path)
        arguments = get_args(kind)
        values = [self.read(item, arguments[0], (*path, index)) for index, item in enumerate(node.items)]
        if any(value is INVALID for value in values):
            return INVALID
        problem = broken(values, metas)
        if problem is not None:
            return self.wrong(node.place, path, problem, description(metas))
        return tuple(values) if get_origin(kind) is tuple else values

    def _union(self, node: Node, members: Sequence[Any], metas: Sequence[Meta], path: Path) -> Any:
        if type(None) in members and isinstance(node, Scalar) and is_nothing(node):
            return None
        fitting = [member for member in members if member is not type(None) and fits(node, member)]
        if not fitting:
            return self._expected(node, [member for member in members if member is not type(None)], metas, path)
        if len(fitting) > 1 and isinstance(node, documents.Mapping):
            return self._tagged(node, fitting, path)
        if len(fitting) == 1:
            return self.read(node, Annotated[fitting[0], *metas] if metas else fitting[0], path)
        before = len(self.mistakes)  # several kinds of scalar: the first that takes it; text stands last
        for member in sorted(fitting, key=lambda member: stripped(member)[0] is str):
            del self.mistakes[before:]
            value = self.read(node, Annotated[member, *metas] if metas else member, path)
            if value is not INVALID:
                return value
        return INVALID

    def _tagged(self, node: documents.Mapping, kinds: Sequence[type[msgspec.Struct]], path: Path) -> Any:
        """One of several structs, which a key of the mapping tells apart (msgspec's ``tag_field``)."""
        key = kinds[0].__struct_config__.tag_field or ""
        by_tag = {str(kind.__struct_config__.tag): kind for kind in kinds}
        tag = node.items.get(key)
        if tag is None:
            return self.wrong(node.place, path, f"the key {quoted(key)} is missing", f"One of: {', '.join(by_tag)}.")
        if not isinstance(tag, Scalar) or tag.text not in by_tag:
            hint = suggestion(tag.text if isinstance(tag, Scalar) else "", by_tag, "kinds")
            return self.wrong(tag.place, (*path, key), f"{described(tag)} is none of: {', '.join(by_tag)}", hint)
        return self.struct(node, by_tag[tag.text], path, beside=(key,))

    def _scalar(self, node: Scalar, kind: Any, metas: Sequence[Meta], path: Path) -> Any:
        extra = {key: value for meta in metas if meta.extra for key, value in meta.extra.items()}
        try:
            value = _meaning(node, kind, extra)
        except MeaningError as error:
            return self.wrong(node.place, path, error.message, error.hint or description(metas))
        problem = broken(value, metas)
        if problem is not None:
            return self.wrong(node.place, path, problem, description(metas))
        return value

    def _open(self, node: Node, path: Path) -> Any:
        """Any JSON value."""
        if isinstance(node, documents.Mapping):
            for key in node.items:
                if "${env:" in key:
                    self.wrong(node.keys[key], path, "${env:NAME} is not read in keys")
            return {key: self._open(child, (*path, key)) for key, child in node.items.items()}
        if isinstance(node, documents.Sequence):
            return [self._open(item, (*path, index)) for index, item in enumerate(node.items)]
        try:
            return as_json(node)
        except MeaningError as error:
            return self.wrong(node.place, path, error.message, error.hint)

    def _expected(self, node: Node, kind: Any, metas: Sequence[Meta], path: Path) -> Any:
        wanted = " or ".join(dict.fromkeys(called(member) for member in (kind if isinstance(kind, list) else [kind])))
        return self.wrong(
            node.place, path, f"{wanted} is needed here, and this is {described(node)}", description(metas)
        )


def dotted(path: Path) -> str:
    """A path as people write it: ``artifacts.iris.smoke[0].input``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def written(settings: msgspec.Struct) -> dict[str, Any]:
    """What of a struct differs from its defaults, as JSON: the form that enters a release's identity."""
    document = {}
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
        if value != default:
            document[field.encode_name] = _plain(value)
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return written(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def _meaning(node: Scalar, kind: Any, extra: Mapping[str, Any]) -> Any:
    if "unit" in extra:
        return as_measure(node, extra["unit"])
    if kind is str:
        return as_text(node, extra)
    if kind is bool:
        return as_truth(node)
    if kind in (int, float):
        number = as_number(node, whole=kind is int)
        return number if kind is int else float(number)
    if get_origin(kind) is Literal:
        return _one_of(node, {str(word): word for word in get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _one_of(node, {str(member.value): member for member in kind})
    try:
        return msgspec.convert(as_json(node), kind, strict=False)
    except msgspec.ValidationError as error:
        raise MeaningError(str(error)) from None


def _one_of(node: Scalar, words: Mapping[str, Any]) -> Any:
    if node.text in words:
        return words[node.text]
    raise MeaningError(f"{quoted(node.text)} is none of: {', '.join(words)}", suggestion(node.text, words, "words"))


def _message_and_hint(error: ValueError) -> tuple[str, str | None]:
    """What a struct's own check raised: a message, and a hint where it gave one."""
    message, hint, *_ = (*error.args, None, None)
    return str(message), None if hint is None else str(hint)
