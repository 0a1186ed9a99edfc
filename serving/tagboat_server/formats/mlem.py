"""Models saved by MLEM: a ``.mlem`` file of YAML beside the data; methods and signatures are the metadata's.

MLEM itself (archived, pydantic 1) is needed only for what is its own: models of other libraries, chains of
processors, functions. A scikit-learn model or pipeline is a pickle, and is loaded as one, as MLEM would.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy
from msgspec import structs

from tagboat_server.codecs import Decoder
from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.formats import estimators, threads
from tagboat_server.formats.features import input_of
from tagboat_server.formats.unpickling import explained
from tagboat_server.mlem.arguments import Given, Several, Single
from tagboat_server.mlem.interface import Argument
from tagboat_server.mlem.metadata import (
    arguments_in,
    interface_in,
    metadata_file,
    methods_in,
    orders_of,
    processors_of,
    read,
)
from tagboat_server.mlem.reading import REQUIREMENT, reader_for
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Frame, Method, Signature, Tensor

PICKLED = {"sklearn", "sklearn_pipeline", "sklearn_transformer"}
"""MLEM's model types that are one pickle and nothing more."""


class MlemFormat:
    """See `Format`."""

    name = "mlem"

    def recognises(self, path: Path) -> bool:
        """By the ``.mlem`` file: the path itself, or its neighbour."""
        return metadata_file(path) is not None

    def load(self, path: Path) -> LoadedModel:
        """Load the model that the metadata describes."""
        file = metadata_file(path)
        if file is None:
            raise ModelError("there is no .mlem file", where=path.name, hint="MLEM writes it beside the model's data.")
        document = read(file)
        described = methods_in(document, file)
        with explained(file) as warnings:
            model = unpickled(document, file)
            methods = offered(model, described) if model is not None else {}
            if set(methods) != set(described):
                model, methods = None, with_mlem(file, described, document)
        interface = interface_in(document, methods, file)
        if "__call__" in methods and "predict" not in methods:
            methods = {**methods, "predict": methods["__call__"]}
        # What MLEM imports (fsspec) may have started threads.
        forkable = model is not None and threads.forkable()
        return LoadedModel(self.name, methods, tuple(warnings), estimator=model, forkable=forkable, interface=interface)


def unpickled(document: Mapping[str, Any], file: Path) -> Any:
    """The scikit-learn object, where the model is one pickle; None where MLEM itself is needed."""
    processors = processors_of(document)
    model = processors.get("model", {})
    artifacts = document.get("artifacts")
    plain = (
        set(processors) == {"model"}
        and model.get("type") in PICKLED
        and (model.get("io") or {}).get("type", "simple_pickle") == "simple_pickle"
        and all(len(chain) == 1 for chain in orders_of(document).values())
        and isinstance(artifacts, dict)
        and set(artifacts) == {"data"}
    )
    if not plain:
        return None
    data = (file.parent / str(artifacts["data"]["uri"])).resolve()
    if file.parent.resolve() not in data.parents or not data.is_file():
        return None
    import pickle

    with data.open("rb") as stream:
        loaded = pickle.load(stream)  # noqa: S301 - here is the model's own environment, without credentials
    estimators.make_fit(loaded)
    return loaded


def offered(model: Any, described: Mapping[str, Method]) -> dict[str, LoadedMethod]:
    """The methods of the unpickled object; where it was saved without sample data, the estimator tells its input."""
    methods: dict[str, LoadedMethod] = {}
    told = input_of(model)
    for name, method in described.items():
        found = estimators.offer(model, name)
        if callable(found):
            taken = told if isinstance(method.input, Anything) else with_missing(method.input, told)
            methods[name] = LoadedMethod(found, Method(taken, method.output))
    return methods


def with_missing(described: Signature, told: Signature) -> Signature:
    """A described input that takes missing values where the estimator shows that it was made for them.

    MLEM's description has no word for that, and its server takes ``null`` everywhere.
    """
    if isinstance(described, Frame) and isinstance(told, Frame):
        nullable = {column.name for column in told.columns if column.nullable}
        columns = (structs.replace(each, nullable=each.name in nullable) for each in described.columns)
        return structs.replace(described, columns=tuple(columns))
    if isinstance(described, Tensor) and isinstance(told, Tensor):
        return structs.replace(described, nullable=told.nullable)
    return described


def with_mlem(file: Path, described: Mapping[str, Method], document: Mapping[str, Any]) -> dict[str, LoadedMethod]:
    """Each method by MLEM's own machinery."""
    try:
        # MLEM reports each load to a server that its makers no longer run.
        os.environ.setdefault("MLEM_NO_ANALYTICS", "true")
        os.environ.setdefault("ITERATIVE_DO_NOT_TRACK", "true")
        from mlem.core.metadata import load_meta
        from mlem.core.objects import MlemModel
    except ModuleNotFoundError:
        kind = processors_of(document).get("model", {}).get("type", "unknown")
        raise MissingLibraryError(
            REQUIREMENT, where=file.name, reason=f"the model is of MLEM's type {kind!r}"
        ) from None
    meta = load_meta(str(file), force_type=MlemModel, load_value=True)
    methods = {}
    for name, method in described.items():
        arguments = arguments_in(document, name)
        call = Call(meta, name, arguments)
        methods[name] = LoadedMethod(call, method, decode=decoder_of(arguments, method))
    return methods


def decoder_of(arguments: Sequence[Argument], method: Method) -> Optional[Decoder]:
    """Reads a body of our own protocol by MLEM's description, where the signature does not tell enough."""
    if sum(argument.required for argument in arguments) > 1:
        return Several(arguments)
    needed = next((argument for argument in arguments if argument.required), arguments[0])
    if not isinstance(method.input, Anything) or needed.described.get("type") == "unspecified":
        return None
    return Single(reader_for(needed.described))


class Call:
    """One method called through MLEM."""

    def __init__(self, meta: Any, name: str, arguments: Sequence[Argument]) -> None:
        self.meta = meta
        self.name = name
        self.arguments = tuple(arguments)
        self.several = sum(argument.required for argument in arguments) > 1

    def __call__(self, value: Any) -> Any:
        """Call the chain. ``value``: the one argument, or several by their names."""
        method = getattr(self.meta, self.name)
        if isinstance(value, numpy.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, Given) and not (self.several and isinstance(value, dict)):
            return method(value)
        # By place where that can be: MLEM takes `name` and `self` for itself.
        places = []
        for argument in self.arguments:
            if argument.keyword or argument.own not in value:
                break
            places.append(value[argument.own])
        rest = {
            argument.own: value[argument.own] for argument in self.arguments[len(places) :] if argument.own in value
        }
        return method(*places, **rest)


FORMAT = MlemFormat()
