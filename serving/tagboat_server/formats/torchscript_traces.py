"""What a traced function was traced with: an archive of TorchScript keeps those tensors in ``traced_inputs.pkl``.

PyTorch reads them only to fix their shapes in the graph, which then is wrong for others; so their types and ranks are
read from the pickle here, and nothing in it is run.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

FILE = "/traced_inputs.pkl"

DTYPES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
}
"""PyTorch's names of what holds a tensor's numbers, and of their dtypes."""


class Traced(NamedTuple):
    """A tensor that a function was traced with."""

    dtype: str
    rank: int


class Types(pickle.Unpickler):
    """Reads tensors as their types; knows no function but stand-ins."""

    def find_class(self, _: str, name: str) -> Callable[..., Any]:
        """A stand-in for what the pickle names."""
        if name.endswith("Storage"):
            return lambda: name
        return tensor_of if name == "_rebuild_tensor_v2" else first

    def persistent_load(self, identity: Any) -> Optional[str]:
        """The dtype of a storage."""
        return DTYPES.get(identity[1]())


def tensor_of(dtype: Optional[str], _offset: Any, sizes: Any, *_: Any) -> Optional[Traced]:
    """In the place of PyTorch's function that makes a tensor."""
    return Traced(dtype, len(sizes)) if dtype is not None else None


def first(value: Any = None, *_: Any) -> Any:
    """In the place of any other function, such as the one that tells a list's type."""
    return value


def traces_of(path: Path) -> Mapping[str, list[Traced]]:
    """The types of each traced function's arguments, by its name; those that are no plain tensors are left out."""
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith(FILE)), None)
        if name is None:
            return {}
        with archive.open(name) as file:
            try:
                found = Types(file).load()
            except Exception:  # noqa: BLE001 - whatever is wrong with it, the model itself may be loaded
                return {}
    if not isinstance(found, dict):
        return {}
    return {
        function: examples
        for function, examples in found.items()
        if isinstance(examples, list) and all(isinstance(example, Traced) for example in examples)
    }
