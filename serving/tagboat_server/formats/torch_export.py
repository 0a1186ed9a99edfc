"""PyTorch models as ``torch.export.save`` writes them: one function, whose inputs the program describes itself.

A dimension that was exported without ``dynamic_shapes`` is of one size for ever, the number of rows included.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.formats.torch_tensors import (
    SIGNATURE,
    Call,
    declared,
    import_torch,
    name_of,
    shape_of,
    signature_of,
)
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Method, NamedTensor


class ExportFormat:
    """See `Format`."""

    name = "torch-export"

    def recognises(self, path: Path) -> bool:
        """By the ending."""
        return path.is_file() and path.suffix == ".pt2"

    def load(self, path: Path) -> LoadedModel:
        """Load with PyTorch."""
        if not zipfile.is_zipfile(path):
            raise ModelError("this is no exported program", where=path.name, hint="Save it with torch.export.save.")
        with explained(path) as warnings:
            torch = import_torch()
            # It logs a traceback for each way of reading that fails, and raises besides.
            logging.getLogger("torch.export").setLevel(logging.CRITICAL)
            extra = {SIGNATURE: ""}
            program = import_module("torch.export").load(str(path), extra_files=extra)
            declared_methods = declared(extra[SIGNATURE], path)
            inputs = inputs_of(program)
            signature = declared_methods.get("predict") or Method(signature_of([taken for taken, _ in inputs]))
            call = Call(
                torch,
                Program(program),
                [taken.name for taken, _ in inputs],
                [dtype for _, dtype in inputs],
                checked=True,
            )
        methods = {"predict": LoadedMethod(call, signature, quick=True)}
        return LoadedModel(self.name, methods, tuple(warnings), forkable=threads.forkable())


def inputs_of(program: Any) -> list[tuple[NamedTensor, Any]]:
    """The tensors that the program takes, and their dtypes of PyTorch's, in their order."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for name in tensors_of(program):
        value = nodes[name].meta["val"]
        found.append((NamedTensor(name, name_of(value.dtype), shape_of(value.shape)), value.dtype))
    return found


def tensors_of(program: Any) -> list[str]:
    """The names of the inputs that are tensors; others are constants of the program."""
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    return [spec.arg.name for spec in specs if type(spec.arg).__name__ == "TensorArgument"]


class Program:
    """The program as a function of its tensors, whatever structure it wants them in."""

    def __init__(self, program: Any) -> None:
        from torch.utils import _pytree

        self.unflatten = _pytree.tree_unflatten
        self.module = program.module()
        self.structure = program.call_spec.in_spec
        specs = [spec for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
        self.constants = [getattr(spec.arg, "value", None) for spec in specs]
        names = set(tensors_of(program))
        self.is_tensor = [spec.arg.name in names for spec in specs]

    def __call__(self, *tensors: Any) -> Any:
        """Call the program."""
        given: Sequence[Any] = iter(tensors)  # type: ignore[assignment]
        flat = [
            next(given) if is_tensor else constant  # type: ignore[call-overload]
            for is_tensor, constant in zip(self.is_tensor, self.constants)
        ]
        arguments, named = self.unflatten(flat, self.structure)
        return self.module(*arguments, **named)


FORMAT = ExportFormat()
