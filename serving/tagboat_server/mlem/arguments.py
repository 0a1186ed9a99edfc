"""The arguments of a MLEM method, taken from one body; `reading` knows each type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tagboat_server.codecs import Input
from tagboat_server.codecs.decoding import Body
from tagboat_server.errors import Rejection
from tagboat_server.mlem.interface import Argument, Described
from tagboat_server.mlem.reading import Decoded, Read, check_object, reader_for
from tagboat_server.mlem.signatures import signature_of
from tagboat_server.signature import Anything


class Given(dict[str, Any]):
    """Several arguments of one call, by the names that they have in the model's code."""


class Single(NamedTuple):
    """Reads the one argument of a method from a body of our own protocol."""

    read: Read
    body: Body = Body(Any)

    def __call__(self, body: bytes) -> Input:
        """The checked argument."""
        taken = self.read(self.body(body), "data")
        return Input(taken, rows_of(taken))


class Several:
    """Reads several arguments from a body of our own protocol: ``{"data": {"left": …, "right": …}}``.

    Tables and arrays are written as everywhere in that protocol, other types as MLEM writes them.
    """

    def __init__(self, arguments: Sequence[Argument]) -> None:
        self.body = Body(Any)
        self.required = {argument.own for argument in arguments if argument.required}
        self.readers = {argument.own: native_reader(argument.described) for argument in arguments}

    def __call__(self, body: bytes) -> Input:
        """The checked arguments."""
        value = self.body(body)
        check_object(value, "data")
        check_names(value, self.readers, self.required, "data.")
        given = Given({name: self.readers[name](part, f"data.{name}") for name, part in value.items()})
        return Input(given, rows_of_all(given))


def check_names(given: Any, known: Any, required: Any, prefix: str) -> None:
    """Refuse unknown arguments, and the lack of needed ones."""
    for name in given:
        if name not in known:
            shown = name[:100]
            message = f"the argument {shown!r} is unknown"
            hint = f"This method takes {', '.join(known)}."
            raise Rejection(422, message, path=prefix + shown, hint=hint, reason="unknown-column")
    for name in known:
        if name in required and name not in given:
            message = f"the argument {name!r} is missing"
            raise Rejection(422, message, path=prefix + name, reason="missing-column")


def native_reader(described: Described) -> Read:
    """Reads an argument as our own protocol writes it: tables and arrays by our signatures."""
    signature = signature_of(described)
    if isinstance(signature, Anything):
        return reader_for(described)
    return Decoded(signature, scalar=described.get("type") == "primitive")


def rows_of_all(given: Mapping[str, Any]) -> int:
    """How many rows several arguments have: those of the longest."""
    return max((rows_of(value) for value in given.values()), default=1)


def rows_of(value: Any) -> int:
    """How many rows a value has, for the figures: a list's or a table's length, otherwise one."""
    if isinstance(value, (str, bytes, dict)) or getattr(value, "ndim", 1) == 0 or not hasattr(value, "__len__"):
        return 1
    return len(value)
