"""From JSON to a method's argument, by MLEM's description of its type, and strictly.

MLEM converts what it can: ``"3"`` is a number to it, and so is ``true``. Here a value must be what the description
says, as everywhere else in this server. `replies` knows what MLEM would have refused, and how.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Callable, Optional

import msgspec

from tagboat_server.codecs import Input, decoder_for
from tagboat_server.codecs.cells import WORDS
from tagboat_server.errors import MissingLibraryError, Rejection
from tagboat_server.mlem.interface import Described
from tagboat_server.mlem.signatures import frame_of, signature_of
from tagboat_server.signature import Anything, Signature, Tensor

REQUIREMENT = "tagboat-server[mlem]"

HIGHEST_RANK = 32
"""Dimensions of an array; NumPy 1 has no more."""

Read = Callable[[Any, str], Any]
"""From a JSON value at a path to what the method takes. Raises `Rejection`."""


def reader_for(described: Described) -> Read:
    """Reads one type. Raises `MissingLibraryError` for a type that MLEM alone knows, where it is not installed."""
    kind = described.get("type")
    if kind == "dataframe":
        return FrameReader(described)
    if kind == "series":
        return SeriesReader(described)
    if kind == "ndarray" and described.get("shape") is None:
        return AnyShape(str(described["dtype"]))
    if kind == "number":
        return NumberReader(str(described["dtype"]))
    if kind == "array":
        return ListReader(reader_for(described["dtype"]), described.get("size"))
    if kind in {"list", "tuple"}:
        return ItemsReader([reader_for(item) for item in described["items"]], tuple if kind == "tuple" else list)
    if kind == "dict":
        return KeysReader({str(key): (key, reader_for(item)) for key, item in described["item_types"].items()})
    if kind == "d_dict":
        return MappingReader(str(described["key_type"]["ptype"]), reader_for(described["value_type"]))
    if kind == "binary":
        return read_base64
    if kind == "unspecified":
        return read_anything
    if kind == "primitive" and described.get("ptype") == "NoneType":
        return read_none
    signature = signature_of(described)
    return ForeignReader(described) if isinstance(signature, Anything) else Decoded(signature, kind == "primitive")


class Decoded:
    """Reads what our own signatures have a word for. ``scalar``: hand on a single value instead of an array of none."""

    def __init__(self, signature: Signature, scalar: bool = False) -> None:
        self.decode = decoder_for(signature)
        self.scalar = scalar

    def __call__(self, value: Any, path: str) -> Any:
        """A dataframe or an array."""
        taken = at(path, self.decode, {"data": value}).value
        return taken.item() if self.scalar else taken


class FrameReader:
    """Reads ``{"values": [records]}``."""

    def __init__(self, described: Described) -> None:
        self.decode = decoder_for(frame_of(described))

    def __call__(self, value: Any, path: str) -> Any:
        """A dataframe."""
        return at(f"{path}.values", self.decode, {"data": values_of(value, path)}).value


class SeriesReader:
    """Reads a list of records."""

    def __init__(self, described: Described) -> None:
        self.decode = decoder_for(frame_of(described))

    def __call__(self, value: Any, path: str) -> Any:
        """A series."""
        series = at(path, self.decode, {"data": value}).value.iloc[:, 0]
        if series.index.name == "":
            series.index.name = None
        return series


class NumberReader:
    """Reads one of NumPy's numbers."""

    def __init__(self, dtype: str) -> None:
        self.decode = decoder_for(Tensor(dtype, ()))

    def __call__(self, value: Any, path: str) -> Any:
        """A NumPy scalar."""
        return at(path, self.decode, {"data": value}).value[()]


class AnyShape:
    """Reads an array of any rank."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.cells: dict[int, Any] = {}

    def __call__(self, value: Any, path: str) -> Any:
        """An array."""
        rank, inner = 0, value
        while isinstance(inner, list):
            rank += 1
            inner = inner[0] if inner else None
        if not 0 < rank <= HIGHEST_RANK:
            raise wrong(path, "a list", value)
        decode = self.cells.setdefault(rank, decoder_for(Tensor(self.dtype, (None,) * rank)))
        return at(path, decode, {"data": value}).value


class ListReader:
    """Reads a list of values of one type."""

    def __init__(self, item: Read, size: Optional[int]) -> None:
        self.item = item
        self.size = size

    def __call__(self, value: Any, path: str) -> Any:
        """A list."""
        check_list(value, self.size, path)
        return [self.item(each, f"{path}[{place}]") for place, each in enumerate(value)]


class ItemsReader:
    """Reads a list whose places have types of their own."""

    def __init__(self, items: list[Read], made: type) -> None:
        self.items = items
        self.made = made

    def __call__(self, value: Any, path: str) -> Any:
        """A list or a tuple."""
        check_list(value, len(self.items), path)
        return self.made(read(each, f"{path}[{place}]") for place, (read, each) in enumerate(zip(self.items, value)))


class KeysReader:
    """Reads an object of certain keys."""

    def __init__(self, items: Mapping[str, tuple[Any, Read]]) -> None:
        self.items = items

    def __call__(self, value: Any, path: str) -> Any:
        """A dict."""
        check_object(value, path)
        for name in self.items:
            if name not in value:
                raise Rejection(422, f"the key {name!r} is missing", path=f"{path}.{name}", reason="missing-column")
        for name in value:
            if name not in self.items:
                shown = name[:100]
                raise Rejection(422, f"the key {shown!r} is unknown", path=f"{path}.{shown}", reason="unknown-column")
        return {key: read(value[name], f"{path}.{name}") for name, (key, read) in self.items.items()}


class MappingReader:
    """Reads an object of any keys."""

    def __init__(self, keys: str, item: Read) -> None:
        self.key: Any = {"int": int, "float": float}.get(keys, str)
        self.item = item

    def __call__(self, value: Any, path: str) -> Any:
        """A dict."""
        check_object(value, path)
        found = {}
        for name, part in value.items():
            place = f"{path}.{name[:100]}"
            try:
                key = self.key(name)
            except ValueError:
                raise Rejection(422, f"the key is no {self.key.__name__}", path=place, reason="type") from None
            found[key] = self.item(part, place)
        return found


class ForeignReader:
    """Reads a type that MLEM alone knows, by MLEM's own serializer."""

    def __init__(self, described: Described) -> None:
        self.serializer = foreign(described)

    def __call__(self, value: Any, path: str) -> Any:
        """Whatever MLEM makes of it."""
        from mlem.core.errors import DeserializationError

        try:
            return self.serializer.deserialize(value)
        except (DeserializationError, ValueError, TypeError) as error:
            raise Rejection(422, str(error)[:300], path=path, reason="type") from error


def foreign(described: Described) -> Any:
    """MLEM's own serializer of a type."""
    try:
        from mlem.core.data_type import DataType
        from pydantic import parse_obj_as
    except ModuleNotFoundError:
        raise MissingLibraryError(REQUIREMENT, reason=f"MLEM's type {described.get('type')!r} is used") from None
    return parse_obj_as(DataType, dict(described)).get_serializer()


def read_none(value: Any, path: str) -> None:
    """Reads null."""
    if value is not None:
        raise wrong(path, "null", value)


def read_anything(value: Any, path: str) -> Any:  # noqa: ARG001 - the others need the path
    """Reads what nothing is known of."""
    return value


def read_base64(value: Any, path: str) -> bytes:
    """Reads bytes, which JSON has as text in base 64."""
    if not isinstance(value, str):
        raise wrong(path, "text in base 64", value)
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise Rejection(422, "expected text in base 64", path=path, reason="type") from None


def values_of(value: Any, path: str) -> Any:
    """The rows of ``{"values": …}``, which must be records, or an object of columns."""
    check_object(value, path)
    for name in value:
        if name != "values":
            shown = name[:100]
            raise Rejection(422, f'unknown key {shown!r} beside "values"', path=f"{path}.{shown}", reason="body")
    if "values" not in value:
        raise Rejection(422, 'a table is {"values": [records]}', path=f"{path}.values", reason="body")
    rows = value["values"]
    if isinstance(rows, list):
        for place, row in enumerate(rows):
            if not isinstance(row, dict):
                raise wrong(f"{path}.values[{place}]", "an object", row)
    return rows


def check_list(value: Any, size: Optional[int], path: str) -> None:
    """Refuse what is no list, or one of another length."""
    if not isinstance(value, list):
        raise wrong(path, "a list", value)
    if size is not None and len(value) != size:
        raise Rejection(422, f"expected a list of {size} values, got {len(value)}", path=path, reason="width")


def check_object(value: Any, path: str) -> None:
    """Refuse what is no object."""
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)


def wrong(path: str, expected: str, value: Any) -> Rejection:
    """The answer to a value of another type."""
    kinds = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}
    got = WORDS[kinds[type(value)]]
    return Rejection(422, f"expected {expected}, got {got}", path=path, reason="type")


def at(path: str, decode: Callable[[bytes], Input], document: Any) -> Input:
    """Decode a document of our own protocol; a refusal names the place in the sender's."""
    try:
        return decode(msgspec.json.encode(document))
    except Rejection as rejection:
        raise moved(rejection, path) from None


def moved(rejection: Rejection, path: str) -> Rejection:
    """A refusal whose path begins elsewhere."""
    if rejection.path is not None and rejection.path.startswith("data"):
        rejection.path = path + rejection.path[len("data") :]
    return rejection
