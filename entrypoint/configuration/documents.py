"""YAML as a tree of texts with places, within limits, and nothing that YAML can do beyond that.

Built from PyYAML's events in one loop: no constructor ever runs, nesting cannot exhaust the stack, and a file that is
too large, too deep or too rich is refused before it costs anything. Anchors, aliases, tags and merge keys are refused
(C11: ten aliases of ten aliases make a billion nodes), so are duplicate keys, which YAML itself forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from entrypoint.configuration.mistakes import InvalidConfigurationError, Mistake, Place, quoted

MAXIMUM_SIZE = 256 * 1024
"""Bytes of one file. A tagboat.yaml of a hundred artifacts has about 20,000."""
MAXIMUM_DEPTH = 32
MAXIMUM_NODES = 20_000

START = Place(1, 1)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Scalar:
    """A text. ``plain``: it stood without quotes, so that it may mean a number, a truth value or nothing."""

    place: Place
    text: str
    plain: bool


@dataclass(frozen=True)
class Sequence:
    """A list."""

    place: Place
    items: list[Node]


@dataclass(frozen=True)
class Mapping:
    """Keys and their nodes, in the order of the file. A key is always its text: `on`, `no` and `1.0` stay that."""

    place: Place
    items: dict[str, Node]
    keys: dict[str, Place]


Node = Scalar | Sequence | Mapping


def compose(content: bytes, file: str) -> Node:
    """Read one YAML document. Raises `InvalidConfigurationError`."""
    if len(content) > MAXIMUM_SIZE:
        raise _invalid(
            file, START, f"the file is larger than {MAXIMUM_SIZE // 1024} KiB", "Is this really a tagboat.yaml?"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _invalid(file, Place(line, 1), "the file is not UTF-8 text") from None
    try:
        return _Composer(file).tree(text)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        context = f" {error.context}" if error.context else ""
        raise _invalid(file, place, f"this is not YAML: {error.problem or 'unreadable'}{context}") from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", None) or str(error).splitlines()[0]
        raise _invalid(file, START, f"this is not YAML: {reason}") from None


class _Composer:
    """Builds the tree from the parser's events, holding the open collections on a stack of its own."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._root: Node | None = None
        self._open: list[Sequence | Mapping] = []
        self._waiting: list[tuple[str, Place] | None] = []  # for each open mapping, the key that has no value yet
        self._nodes = self._documents = 0

    def tree(self, text: str) -> Node:
        """The document's only node; an empty document is an empty text."""
        for event in yaml.parse(text, Loader=LOADER):
            place = _place(event.start_mark)
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    raise _invalid(self._file, place, "a second document begins here", "One file holds one document.")
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._open.pop()
                self._waiting.pop()
            elif isinstance(event, yaml.NodeEvent):
                self._take(event, place)
        return self._root or Scalar(START, "", plain=True)

    def _take(self, event: yaml.NodeEvent, place: Place) -> None:
        _refuse_riches(event, self._file, place)
        self._nodes += 1
        if self._nodes > MAXIMUM_NODES:
            raise _invalid(self._file, place, f"the file has more than {MAXIMUM_NODES} values")
        parent = self._open[-1] if self._open else None
        if isinstance(parent, Mapping) and self._waiting[-1] is None:
            self._waiting[-1] = (_key(event, parent, self._file, place), place)
            return
        node = _node(event, place)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif isinstance(parent, Mapping) and (waiting := self._waiting[-1]) is not None:
            parent.items[waiting[0]], parent.keys[waiting[0]] = node, waiting[1]
            self._waiting[-1] = None
        else:
            self._root = node
        if not isinstance(node, Scalar):
            self._open.append(node)
            self._waiting.append(None)
            if len(self._open) > MAXIMUM_DEPTH:
                raise _invalid(self._file, place, f"the file nests deeper than {MAXIMUM_DEPTH} levels")


def _node(event: yaml.NodeEvent, place: Place) -> Node:
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(place, event.value, plain=event.implicit[0])
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(place, [])
    return Mapping(place, {}, {})


def _place(mark: Any) -> Place:
    """PyYAML's mark, or its C twin's, which count from 0."""
    return START if mark is None else Place(mark.line + 1, mark.column + 1)


def _key(event: yaml.NodeEvent, mapping: Mapping, file: str, place: Place) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise _invalid(file, place, "a list or a mapping stands where a key belongs")
    key: str = event.value
    if key == "<<" and event.implicit[0]:
        raise _invalid(file, place, "merge keys are not read here", "Write the keys out.")
    if key in mapping.items:
        first = mapping.keys[key]
        raise _invalid(file, place, f"the key {quoted(key)} stands here twice", f"The first is on line {first.line}.")
    return key


def _refuse_riches(event: yaml.NodeEvent, file: str, place: Place) -> None:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
        raise _invalid(
            file,
            place,
            f"anchors and aliases ({sign}{event.anchor}) are not read here",
            "Write the value out, or put it in quotes if it is a text that begins with & or *.",
        )
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise _invalid(file, place, f"tags ({quoted(tag)}) are not read here", "Leave it out, or quote the text.")


def _invalid(file: str, place: Place, message: str, hint: str | None = None) -> InvalidConfigurationError:
    return InvalidConfigurationError(file, [Mistake(place, "", message, hint)])
