"""The methods of a MLEM model as its server shows them: names, arguments, and the document at ``/interface.json``.

``mlem serve`` shows two methods, `predict` and `predict_proba`, each with one argument, `data`, whatever the model's
own are called, unless it is told ``--standardize false`` (`mlem.runtime.server.ServerInterface` of MLEM 0.4.14).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Optional

Described = Mapping[str, Any]
"""A data type in the words of MLEM's metadata: ``{"type": "ndarray", "shape": [null, 4], "dtype": "float64"}``."""

VERSION = "0.4.14"
"""The version of MLEM whose server we answer like; MLEM was archived with it."""

STANDARD = ("predict", "predict_proba")
DATA = "data"

SERIALIZERS = {"list": "_tuple_like", "tuple": "_tuple_like"}
"""Data types whose serializer has another name than they have."""

OPTIONAL = {"ndarray": ("shape",), "array": ("size",)}
"""What MLEM leaves out of its files where it is None, and names in its answers."""


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a method. ``own``: its name in the model's code."""

    name: str
    own: str
    described: Described
    required: bool = True
    default: Any = None
    keyword: bool = False


@dataclasses.dataclass(frozen=True)
class Exposed:
    """A method as clients see it. ``own``: its name in the model."""

    name: str
    own: str
    arguments: tuple[Argument, ...]
    returns: Described

    @property
    def several(self) -> bool:
        """Whether it cannot be called with its first argument alone."""
        return sum(argument.required for argument in self.arguments) > 1


@dataclasses.dataclass(frozen=True)
class Interface:
    """A model's methods under their own names. ``meta``: what its author has put beside the model."""

    methods: Mapping[str, Exposed]
    meta: Any = None

    def standard(self) -> Interface:
        """As ``mlem serve`` shows it by default.

        A method with several required arguments keeps all of them: MLEM's server shows the first alone, and fails
        each call.
        """
        shown: dict[str, Exposed] = {}
        used = set()
        usable = [name for name, method in self.methods.items() if method.arguments]
        for name in STANDARD:
            free = [own for own in usable if own not in used]
            if not free:
                break
            own = name if name in free else free[0]
            used.add(own)
            method = self.methods[own]
            arguments = method.arguments
            if not method.several:
                arguments = (dataclasses.replace(arguments[0], name=DATA),)
            shown[name] = dataclasses.replace(method, name=name, arguments=arguments)
        return dataclasses.replace(self, methods=shown)

    def document(self) -> dict[str, Any]:
        """What ``/interface.json`` answers."""
        return {
            "methods": {name: method_document(method) for name, method in self.methods.items()},
            "version": VERSION,
            "meta": self.meta,
        }


def method_document(method: Exposed) -> dict[str, Any]:
    """One method in the words of ``/interface.json``."""
    arguments = [
        {
            **typed(argument.described),
            "name": argument.name,
            "required": argument.required,
            "default": argument.default,
        }
        for argument in method.arguments
    ]
    return {"name": method.name, "args": arguments, "returns": typed(method.returns)}


def typed(described: Described) -> dict[str, Any]:
    """A data type and the serializer that MLEM takes for it."""
    kind = str(described.get("type"))
    return {"data_type": completed(described), "serializer": {"type": SERIALIZERS.get(kind, kind)}}


def completed(described: Described) -> dict[str, Any]:
    """A data type with what MLEM's files leave out."""
    kind = str(described.get("type"))
    full = {**dict.fromkeys(OPTIONAL.get(kind, ())), **described}
    for name, part in full.items():
        if isinstance(part, Mapping):
            nested = "type" in part
            full[name] = completed(part) if nested else {key: completed(each) for key, each in part.items()}
        elif name == "items":
            full[name] = [completed(each) for each in part]
    return full


def interface_of(
    processors: Mapping[str, Any], orders: Mapping[str, Any], names: Mapping[str, Any], meta: Any
) -> Optional[Interface]:
    """The interface that the metadata describes; None where a type is not told, as MLEM's server refuses to start.

    ``orders``: for each public method the processors and methods it is a chain of; ``names``: the methods that are
    there. Raises KeyError, IndexError or TypeError where the metadata is not as MLEM writes it.
    """
    if any(kind == "unspecified" for kind in types_in(processors)):
        return None
    found: dict[str, Exposed] = {}
    for name, chain in orders.items():
        if name not in names:
            continue
        first = processors[chain[0][0]]["methods"][chain[0][1]]
        last = processors[chain[-1][0]]["methods"][chain[-1][1]]
        found[name] = Exposed(name, name, tuple(arguments_of(first)), last["returns"])
    return Interface(found, meta)


def arguments_of(signature: Mapping[str, Any]) -> Iterator[Argument]:
    """The arguments of one method; a variable number of them counts as one where there is no other."""
    for argument in signature.get("args") or ():
        yield Argument(
            name=argument["name"],
            own=argument["name"],
            described=argument["type_"],
            required=argument.get("required", True),
            default=argument.get("default"),
            keyword=argument.get("kw_only", False),
        )
    varargs = signature.get("varargs")
    if not signature.get("args") and varargs and signature.get("varargs_type"):
        yield Argument(name=varargs, own=varargs, described=signature["varargs_type"], required=False)


def types_in(part: Any) -> Iterator[str]:
    """The names of all types in a part of the metadata."""
    if isinstance(part, Mapping):
        if isinstance(part.get("type"), str):
            yield part["type"]
        for value in part.values():
            yield from types_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from types_in(value)
