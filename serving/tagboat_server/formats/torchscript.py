"""PyTorch models as ``torch.jit.save`` writes them.

``forward`` is called ``predict``; every other exported method keeps its name. A script tells neither shapes nor dtypes:
numbers become the dtype of the model's weights, and whole ones where they are looked up in an embedding. A traced
function tells the dtype and the rank of what it was traced with. A ``signature.json`` among the archive's extra files
tells everything.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.formats.torch_tensors import SIGNATURE, Call, declared, import_torch, name_of, signature_of
from tagboat_server.formats.torchscript_traces import Traced, traces_of
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Method, NamedTensor

ENDINGS = {".pt", ".pth", ".ts", ".torchscript"}

LOOKUPS = {"aten::embedding", "aten::embedding_bag"}
"""Operations that take whole numbers."""


class TorchscriptFormat:
    """See `Format`."""

    name = "torchscript"

    def recognises(self, path: Path) -> bool:
        """By the ending, also of what is no script: loading it says why."""
        return path.is_file() and path.suffix in ENDINGS

    def load(self, path: Path) -> LoadedModel:
        """Load with PyTorch."""
        check(path)
        with explained(path) as warnings:
            torch = import_torch()
            extra = {SIGNATURE: ""}
            module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)
            module.eval()
            signatures = declared(extra[SIGNATURE], path)
            traces = traces_of(path)
            methods = {}
            for name in names_of(module):
                public = "predict" if name == "forward" else name
                methods[public] = method(torch, module, name, signatures.get(public), traces.get(name))
        return LoadedModel(self.name, methods, tuple(warnings), forkable=threads.forkable())


def check(path: Path) -> None:
    """Refuse what is no script: most often weights, or a whole module pickled by ``torch.save``."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        found = False
    if not found:
        raise ModelError(
            "this is no TorchScript archive",
            where=path.name,
            hint="torch.save writes weights or a pickle, which need the model's own code: save the model with "
            "torch.jit.save or torch.export.save, or put a predictor.py beside it.",
        )


def names_of(module: Any) -> list[str]:
    """The methods of a script that take tensors, ``forward`` first."""
    names = [name for name in module._c._method_names() if not name.startswith("_")]  # noqa: SLF001 - no other way
    return sorted(names, key=lambda name: (name != "forward", name))


def method(
    torch: Any, module: Any, name: str, declared: Optional[Method], traced: Optional[Sequence[Traced]]
) -> LoadedMethod:
    """One method of the script."""
    function = getattr(module, name)
    names = arguments_of(function)
    dtypes: Sequence[Any]
    signature = Method(Anything())
    if traced is not None and len(traced) == len(names):
        dtypes = [getattr(torch, each.dtype) for each in traced]
        tensors = [
            NamedTensor(argument, name_of(dtype), (None,) * each.rank)
            for argument, dtype, each in zip(names, dtypes, traced)
        ]
        signature = Method(signature_of(tensors))
    else:
        dtypes = [dtype_of(torch, module, function, place) for place in range(len(names))]
    call = Call(torch, function, names, dtypes, checked=declared is not None)
    return LoadedMethod(call, declared or signature, quick=True)


def arguments_of(function: Any) -> list[str]:
    """The arguments that a call must give, after the module itself."""
    arguments = function.schema.arguments[1:]
    return [argument.name for argument in arguments if not argument.has_default_value()] or [
        argument.name for argument in arguments[:1]
    ]


def dtype_of(torch: Any, module: Any, function: Any, place: int) -> Any:
    """The dtype of an argument: what it is first used for, or else the weights'."""
    argument = list(function.inlined_graph.inputs())[place + 1]
    uses = {use.user.kind() for use in argument.uses()}
    if uses & LOOKUPS:
        return torch.int64
    return next((weight.dtype for weight in module.parameters() if weight.is_floating_point()), None)


FORMAT = TorchscriptFormat()
