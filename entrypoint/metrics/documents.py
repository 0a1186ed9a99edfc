"""JSON, YAML and TOML of a commit, flattened within limits: whoever may open a pull request writes these files.

Dotted names as DVC writes them (``train.loss``). What is too large, too deep or no document at all is an
`UnreadableError` of that file alone; a text or list that is too long is shortened, and a number that is too long to be
one becomes text.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from entrypoint.downloading.documents import read_yaml
from entrypoint.errors import UnsafeContentError
from entrypoint.metrics.figures import Value

LARGEST = 1_000_000
"""Bytes of one file."""
MOST_VALUES = 2_000
"""Values of one file."""
DEEPEST = 24
"""Levels of one file."""
LONGEST_TEXT = 200
"""Characters of one value or name."""
LONGEST_NUMBER = 40
"""Digits; a float has at most 17 that count."""
ENDINGS = (".json", ".yaml", ".yml", ".toml")

_INTEGER = re.compile(r"[-+]?(?:0b(?P<two>[01_]+)|0o(?P<eight>[0-7_]+)|0x(?P<sixteen>[0-9a-fA-F_]+)|[0-9][0-9_]*)")
_BASES = {"two": 2, "eight": 8, "sixteen": 16}
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_WORDS: Mapping[str, Value] = {"true": True, "false": False, "null": None, "~": None, "": None}


class UnreadableError(Exception):
    """Why a file holds no figures, in half a sentence."""


def flatten(content: bytes, path: str) -> dict[str, Value]:
    """The values of a file by their dotted names. Raises `UnreadableError`."""
    if len(content) > LARGEST:
        raise UnreadableError(f"it is larger than {LARGEST:,} bytes")
    try:
        document = _parsed(content, posixpath.splitext(path)[1].lower())
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, UnsafeContentError) as error:
        raise UnreadableError(" ".join(str(error).split())[:LONGEST_TEXT] or "it cannot be read") from None
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise UnreadableError("it maps no names to values")
    found: dict[str, Value] = {}
    for name, value in _walk(document):
        found[name] = value
        if len(found) > MOST_VALUES:
            raise UnreadableError(f"it has more than {MOST_VALUES:,} values")
    return found


def _parsed(content: bytes, ending: str) -> Any:
    if ending == ".json":
        return json.loads(content.decode("utf-8-sig"), parse_int=_integer, object_pairs_hook=_mapping)
    if ending == ".toml":
        if any(line.partition(b"=")[0].count(b".") > 64 for line in content.splitlines()):
            raise ValueError("a line has too many dots")  # tomllib takes quadratic time for them
        return tomllib.loads(content.decode("utf-8-sig"), parse_float=float)
    if ending in {".yaml", ".yml"}:
        return _yaml(content)
    raise ValueError(f"only {', '.join(ENDINGS)} are read")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping; a name that is there twice says two things, and so nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the name {twice[:LONGEST_TEXT]!r} is there twice")
    return found


def _yaml(content: bytes) -> Any:
    """YAML 1.2's core schema, as DVC reads it; merge keys stay names, and aliases are counted as they are walked."""
    import yaml

    read_yaml(content, where="it")  # the limits of events, before anything is built
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    budget = [MOST_VALUES * 10]

    def built(node: Any, depth: int) -> Any:
        budget[0] -= 1
        if budget[0] < 0 or depth > DEEPEST:
            raise ValueError("it has too many values, or nests them too deeply")
        if isinstance(node, yaml.MappingNode):
            return _mapping([(str(built(key, depth + 1)), built(value, depth + 1)) for key, value in node.value])
        if isinstance(node, yaml.SequenceNode):
            return [built(item, depth + 1) for item in node.value]
        return node.value if node.style else _scalar(node.value)

    node = yaml.compose(content, Loader=loader)
    return None if node is None else built(node, 0)


def _scalar(text: str) -> Value:
    """A plain scalar by YAML 1.2's core schema, with the underscores that ruamel.yaml takes in numbers."""
    if text.lower() in _WORDS and (text.islower() or text.istitle() or text.isupper() or text in {"", "~"}):
        return _WORDS[text.lower()]
    if len(text) > LONGEST_NUMBER:
        return text
    if match := _INTEGER.fullmatch(text):
        digits = (match.group(match.lastgroup) if match.lastgroup else text.lstrip("+-")).replace("_", "")
        number = int(digits, _BASES.get(match.lastgroup or "", 10)) if digits else 0
        return -number if text.startswith("-") else number
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return float(_SPECIAL[text.lower()]) if text.lower() in _SPECIAL else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def _walk(document: Mapping[Any, Any]) -> Iterator[tuple[str, Value]]:
    todo: list[tuple[str, Any, int]] = [("", document, 0)]
    while todo:
        name, value, depth = todo.pop()
        if depth > DEEPEST:
            raise UnreadableError("it is nested too deeply")
        if isinstance(value, Mapping):
            inner = [(f"{name}.{key}" if name else str(key), item, depth + 1) for key, item in value.items()]
            todo += reversed(inner)
        else:
            yield _shortened(name), _flat(value)


def _flat(value: Any) -> Value:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(10**LONGEST_NUMBER) < value < 10**LONGEST_NUMBER else "a number of too many digits"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _shortened(_listed(value))
    return _shortened(str(value))


def _listed(values: Sequence[Any]) -> str:
    """A list as one text, cut where it is too long anyway."""
    shown: list[str] = []
    room = LONGEST_TEXT
    for value in values:
        if room <= 0:
            shown.append("…")
            break
        text = _inner(value)
        shown.append(text)
        room -= len(text)
    return f"[{', '.join(shown)}]"


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    return str(_flat(value))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
