"""Models saved by MLEM: a ``.mlem`` file of YAML beside the data; methods and signatures are the metadata's.

MLEM itself (archived, pydantic 1) is needed only for what is its own: models of other libraries, chains of
processors, functions. A scikit-learn model or pipeline is a pickle, and is loaded as one, as MLEM would.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.formats import estimators, threads
from tagboat_server.formats.features import input_of
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Column, Frame, Method, Signature, Tensor

PICKLED = {"sklearn", "sklearn_pipeline", "sklearn_transformer"}
"""MLEM's model types that are one pickle and nothing more."""

PRIMITIVES = {"bool": "bool", "float": "float64", "int": "int64", "str": "str"}
"""MLEM's single values, and our dtypes."""

REQUIREMENT = "tagboat-server[mlem]"


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
        if "__call__" in methods and "predict" not in methods:
            methods = {**methods, "predict": methods["__call__"]}
        # What MLEM imports (fsspec) may have started threads.
        forkable = model is not None and threads.forkable()
        return LoadedModel(self.name, methods, tuple(warnings), estimator=model, forkable=forkable)


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
            needed = [argument for argument in first["args"] if argument.get("required", True)] or first["args"]
            taken = data_type(needed[0]["type_"]) if len(needed) == 1 else Anything()
            found[str(name)] = Method(taken, data_type(last.get("returns") or {}))
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(f"the metadata lacks {error}", where=file.name) from None
    if not found:
        raise ModelError("the metadata names no method", where=file.name)
    return found


def data_type(described: Mapping[str, Any]) -> Signature:
    """A signature from MLEM's description of a type; `Anything` for what has no place in ours."""
    kind = described.get("type")
    if kind == "dataframe":
        columns = tuple(
            Column(name if isinstance(name, int) else str(name), str(dtype))
            for name, dtype in zip(described["columns"], described["dtypes"])
        )
        return Frame(columns, tuple(described.get("index_cols") or ()))
    if kind == "ndarray" and described.get("shape") is not None:
        return Tensor(str(described["dtype"]), tuple(described["shape"]))
    if kind == "primitive" and described.get("ptype") in PRIMITIVES:
        return Tensor(PRIMITIVES[described["ptype"]], ())
    return Anything()


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
    for name, method in described.items():
        found = estimators.offer(model, name)
        if callable(found):
            taken = input_of(model) if isinstance(method.input, Anything) else method.input
            methods[name] = LoadedMethod(found, Method(taken, method.output))
    return methods


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
    return {name: LoadedMethod(Call(meta, name, method), method) for name, method in described.items()}


class Call:
    """One method called through MLEM; input of a type that only MLEM knows is read by MLEM."""

    def __init__(self, meta: Any, name: str, method: Method) -> None:
        self.meta = meta
        self.name = name
        self.types: dict[str, Any] = {}
        if isinstance(method.input, Anything):
            first = meta.call_orders[name][0] if name in meta.call_orders else ("model", name)
            signature = meta.processors[first[0]].methods[first[1]]
            self.types = {argument.name: argument.type_ for argument in signature.args}

    def __call__(self, value: Any) -> Any:
        """Call the chain. Several arguments come as one object, by their names."""
        method = getattr(self.meta, self.name)
        if isinstance(value, numpy.ndarray) and value.ndim == 0:
            value = value.item()
        if len(self.types) > 1:
            if not isinstance(value, dict) or not set(value) <= set(self.types):
                raise ValueError(f"this method takes an object with {', '.join(self.types)}")
            return method(**{name: self.read(name, part) for name, part in value.items()})
        if self.types:
            value = self.read(next(iter(self.types)), value)
        return method(value)

    def read(self, name: str, value: Any) -> Any:
        """A JSON value as the type that the metadata gives an argument."""
        described = self.types[name]
        if type(described).__name__ == "UnspecifiedDataType":
            return value
        from mlem.core.errors import DeserializationError

        try:
            return described.get_serializer().deserialize(value)
        except DeserializationError as error:
            raise ValueError(f"{name}: {error}") from error


FORMAT = MlemFormat()
