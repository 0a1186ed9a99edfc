"""What TorchScript and exported programs have in common: arrays in, tensors for the model, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec
import numpy

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.signature import Anything, Method, NamedTensor, Signature, Tensor, Tensors

SIGNATURE = "signature.json"
"""The file inside an archive that may say what each method takes: ``{"predict": {"input": …, "output": …}}``."""


def import_torch() -> Any:
    """PyTorch, held to the threads that it may have."""
    import torch

    torch.set_num_threads(threads.allowed())
    return torch


def declared(text: Any, path: Path) -> dict[str, Method]:
    """The signatures that an archive brings along, by method; none where it brings none."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Method])
    except msgspec.DecodeError as error:
        raise ModelError(f"{SIGNATURE} is no signature: {error}", where=path.name) from None


def name_of(dtype: Any) -> str:
    """NumPy's name of a dtype of PyTorch's; what NumPy lacks is asked for as float32."""
    name = str(dtype).rpartition(".")[2]
    return name if name in numpy.sctypeDict or name == "bool" else "float32"


def signature_of(inputs: Sequence[NamedTensor]) -> Signature:
    """The signature of some tensors; one alone needs no name."""
    if not inputs:
        return Anything()
    if len(inputs) == 1:
        return Tensor(inputs[0].dtype, inputs[0].shape)
    return Tensors(tuple(inputs))


class Call:
    """One function of the model. ``names``: its arguments'; ``dtypes``: PyTorch's, None for what the values are of."""

    def __init__(
        self, torch: Any, function: Callable[..., Any], names: Sequence[str], dtypes: Sequence[Any], *, checked: bool
    ) -> None:
        self.torch = torch
        self.function = function
        self.names = tuple(names)
        self.dtypes = tuple(dtypes)
        self.checked = checked

    def __call__(self, value: Any) -> Any:
        """Call it. What PyTorch says of an input that no signature has checked is for its sender."""
        with self.torch.inference_mode():
            arguments = [self.tensor(part, dtype) for part, dtype in zip(self.parts(value), self.dtypes)]
            try:
                return plain(self.function(*arguments))
            except (RuntimeError, IndexError, AssertionError) as error:
                if self.checked and not isinstance(error, (IndexError, AssertionError)):
                    raise
                raise ValueError(last_line(error)) from error

    def parts(self, value: Any) -> Sequence[Any]:
        """The arguments in their order."""
        if len(self.names) == 1 and not isinstance(value, Mapping):
            return [value]
        if not isinstance(value, Mapping) or set(value) != set(self.names):
            raise ValueError(f"this method takes an object with {', '.join(self.names)}")
        return [value[name] for name in self.names]

    def tensor(self, value: Any, dtype: Any) -> Any:
        """A tensor of the dtype. NumPy's array is copied where it may not be written to."""
        array = numpy.ascontiguousarray(value)
        if array.dtype.kind not in "biufc":
            raise ValueError("the model takes numbers")
        tensor = self.torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor if dtype is None else tensor.to(dtype)


def plain(result: Any) -> Any:
    """Tensors as arrays, wherever they stand in a result."""
    if isinstance(result, (list, tuple)):
        return [plain(part) for part in result]
    if isinstance(result, Mapping):
        return {str(name): plain(part) for name, part in result.items()}
    if not hasattr(result, "detach"):
        return result
    tensor = result.detach().cpu()
    tensor = tensor.to_dense() if tensor.is_sparse else tensor
    try:
        return tensor.numpy()
    except TypeError:  # a dtype that NumPy lacks, such as bfloat16
        return tensor.float().numpy()


def last_line(error: BaseException) -> str:
    """What PyTorch found, without the listing of the model's code before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def shape_of(sizes: Sequence[Any]) -> tuple[Optional[int], ...]:
    """A shape, None for every size that may vary."""
    return tuple(size if isinstance(size, int) else None for size in sizes)
