"""The model as the protocol sees it: one name for each method, its inputs and outputs, and how inputs become a call.

``<artifact>`` is the default method, ``<artifact>:<method>`` each of them. The only version is the release's, as it is
tagged (``v1.4.0``) and without the letter (``1.4.0``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

import numpy

from tagboat_server.calling import Call
from tagboat_server.codecs import Input
from tagboat_server.errors import Rejection
from tagboat_server.protocols.base import Context
from tagboat_server.protocols.open_inference.datatypes import datatype_named, datatype_of, dimensions
from tagboat_server.protocols.open_inference.outputs import tensors_of
from tagboat_server.signature import Anything, Frame, Signature, Tensor, Tensors

Arrays = Mapping[str, "numpy.ndarray[Any, Any]"]

SINGLE = "input"
"""The name of the only input of a method that takes one array; such a method takes it by any name."""


class TensorMetadata(NamedTuple):
    """An input or output: its name, datatype, and shape with -1 for any length."""

    name: str
    datatype: str
    shape: list[int]


class Model:
    """One method of the artifact under one of its names."""

    def __init__(self, context: Context, name: str, call: Call) -> None:
        identity = context.identity
        self.name = name
        self.call = call
        self.state = context.state
        self.platform = context.model.format
        self.version = identity.version
        self.versions = versions_of(identity.version)
        self.inputs = described(call.signature.input, SINGLE)
        self.parameters = release_parameters(context)

    @property
    def outputs(self) -> list[TensorMetadata]:
        """What the signature says, else what the answer to the sample has shown, else nothing."""
        output = self.call.signature.output
        if output is not None and not isinstance(output, Anything):
            return described(output, self.call.name)
        if self.call.sample_answer is None:
            return []
        tensors = self.tensors(self.call.sample_answer)
        return [
            TensorMetadata(name, datatype_of(array.dtype), [-1, *array.shape[1:]]) for name, array in tensors.items()
        ]

    def fit(self, arrays: Arrays) -> Input:
        """What the method is called with. Raises `Rejection` 422 where the inputs do not fit its signature.

        A single input with the name of no column is a matrix of all columns.
        """
        fitting, taken = self.call.fitting, self.call.signature.input
        if len(arrays) == 1:
            (name, array), *_ = arrays.items()
            if isinstance(taken, Anything):
                array = readable(array)
            if name not in self.call.fields:
                return fitting.matrix(array, f"inputs.{name[:100]}")
        elif isinstance(taken, Anything):
            arrays = {name: readable(array) for name, array in arrays.items()}
        return fitting.columns(arrays, "inputs")

    def tensors(self, result: Any) -> dict[str, numpy.ndarray[Any, Any]]:
        """The method's answer as tensors by name. Raises `Rejection` 500 for what has no form in any datatype."""
        made: dict[str, numpy.ndarray[Any, Any]] = self.call.guarded(
            lambda value: tensors_of(value, self.call.name), result, of_input=False
        )
        return made


def models_of(context: Context) -> dict[str, Model]:
    """Every name that can be asked for."""
    artifact = context.identity.artifact
    found = {f"{artifact}:{name}": Model(context, f"{artifact}:{name}", call) for name, call in context.calls.items()}
    if context.default is not None:
        found[artifact] = Model(context, artifact, context.calls[context.default])
    return found


def versions_of(version: Optional[str]) -> list[str]:
    """The names of a version."""
    if version is None:
        return []
    return [version, version[1:]] if version[:1] == "v" and version[1:2].isdigit() else [version]


def release_parameters(context: Context) -> dict[str, str]:
    """Which release answers, as parameters of the answer."""
    identity = context.identity
    given = {"release": identity.release, "version": identity.version, "stage": identity.stage}
    return {name: value for name, value in given.items() if value is not None}


def absent(models: Mapping[str, Model], name: str, version: Optional[str]) -> Rejection:
    """The answer to a model, or a version of it, that is not here."""
    model = models.get(name)
    if model is None:
        known = ", ".join(sorted(models))
        return Rejection(404, f"there is no model {name[:100]!r} here", hint=f"There is {known[:500]}.")
    here = f"this is {model.version}" if model.version is not None else "this one has no version"
    return Rejection(404, f"the version {(version or '')[:50]!r} of {name} is not served here, {here}")


def described(signature: Signature, single: str) -> list[TensorMetadata]:
    """The tensors of a signature, ``single`` being the name of one that has none; columns one by one.

    Optional columns are left out: the model ignores them.
    """
    if isinstance(signature, Frame):
        return [
            TensorMetadata(str(column.name), datatype_named(column.dtype), [-1])
            for column in signature.columns
            if not column.optional
        ]
    if isinstance(signature, Tensors):
        return [
            TensorMetadata(tensor.name, datatype_named(tensor.dtype), dimensions(tensor.shape))
            for tensor in signature.inputs
        ]
    if isinstance(signature, Tensor):
        return [TensorMetadata(single, datatype_named(signature.dtype), dimensions(signature.shape))]
    return []


def readable(array: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Text as text, for a method whose signature does not say that it wants text; other bytes as they are."""
    if array.dtype.kind != "O":
        return array
    made = numpy.empty(array.shape, dtype=object)
    made.reshape(-1)[:] = [text_of(value) for value in array.reshape(-1).tolist()]
    return made


def text_of(value: Any) -> Any:
    """Bytes in UTF-8 as text."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
