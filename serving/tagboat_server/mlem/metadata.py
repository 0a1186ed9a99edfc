"""MLEM's metadata files: a ``.mlem`` file of YAML, read without MLEM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.mlem.interface import Argument, Interface, arguments_of, interface_of
from tagboat_server.mlem.reading import REQUIREMENT
from tagboat_server.mlem.signatures import signature_of
from tagboat_server.signature import Anything, Method


def metadata_file(path: Path) -> Optional[Path]:
    """The ``.mlem`` file of the model that ``path`` names, or None."""
    candidates = (path, path.with_name(path.name + ".mlem"), path / ".mlem")
    return next((file for file in candidates if file.name.endswith(".mlem") and file.is_file()), None)


def read(file: Path) -> dict[str, Any]:
    """The metadata as plain YAML."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingLibraryError(REQUIREMENT, where=file.name, reason="the model was saved with MLEM") from None
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"no YAML: {error}", where=file.name) from None
    if not isinstance(document, dict) or document.get("object_type") != "model":
        raise ModelError("this is no model of MLEM's (object_type: model)", where=file.name)
    return document


def processors_of(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The processors by name; MLEM before 0.4.3 had one, as ``model_type``."""
    processors = document.get("processors")
    if isinstance(processors, dict) and processors:
        return processors
    return {"model": document.get("model_type") or {}}


def orders_of(document: Mapping[str, Any]) -> Mapping[str, list[list[str]]]:
    """For each public method, the processors and methods it is a chain of."""
    orders = document.get("call_orders")
    if isinstance(orders, dict) and orders:
        return orders
    methods = processors_of(document).get("model", {}).get("methods") or {}
    return {name: [["model", name]] for name in methods}


def methods_in(document: Mapping[str, Any], file: Path) -> dict[str, Method]:
    """Each public method's signature: the first link's input, the last link's output."""
    processors = processors_of(document)
    found: dict[str, Method] = {}
    try:
        for name, chain in orders_of(document).items():
            first = processors[chain[0][0]]["methods"][chain[0][1]]
            last = processors[chain[-1][0]]["methods"][chain[-1][1]]
            arguments = tuple(arguments_of(first))
            needed = [argument for argument in arguments if argument.required] or arguments
            taken = signature_of(needed[0].described) if len(needed) == 1 else Anything()
            found[str(name)] = Method(taken, signature_of(last.get("returns") or {}))
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(f"the metadata lacks {error}", where=file.name) from None
    if not found:
        raise ModelError("the metadata names no method", where=file.name)
    return found


def arguments_in(document: Mapping[str, Any], name: str) -> tuple[Argument, ...]:
    """The arguments of a public method, whether their types are told or not."""
    first = orders_of(document)[name][0]
    return tuple(arguments_of(processors_of(document)[first[0]]["methods"][first[1]]))


def interface_in(document: Mapping[str, Any], names: Mapping[str, Any], file: Path) -> Optional[Interface]:
    """The interface as MLEM's own server would show it; None where a type is not told. ``names``: what is there."""
    try:
        return interface_of(processors_of(document), orders_of(document), names, document.get("params") or {})
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(f"the metadata lacks {error}", where=file.name) from None
