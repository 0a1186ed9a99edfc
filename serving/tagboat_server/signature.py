"""What a model's method takes and gives back, in the words of ``model.json``.

    {"kind": "dataframe", "columns": [{"name", "dtype", "nullable"?, "optional"?}], "index"?: [name]}
    {"kind": "tensor", "dtype", "shape": [null, 30], "nullable"?}
    {"kind": "tensors", "inputs": [{"name", "dtype", "shape"}]}
    {"kind": "any"}

A dtype is a name of NumPy's or pandas', or ``any`` where the model's files do not tell. ``null`` in a shape is
any length.
"""

from __future__ import annotations

from typing import Optional, Union

import msgspec


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column of a dataframe. ``optional``: the model ignores it, it may be absent."""

    name: Union[str, int]
    dtype: str
    nullable: bool = False
    optional: bool = False


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="dataframe"):
    """A table with named columns. ``index``: the columns that become the frame's index."""

    columns: tuple[Column, ...]
    index: tuple[Union[str, int], ...] = ()


class Tensor(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="tensor"):
    """An array of one dtype."""

    dtype: str
    shape: tuple[Optional[int], ...]
    nullable: bool = False


class NamedTensor(msgspec.Struct, frozen=True):
    """One of several arrays."""

    name: str
    dtype: str
    shape: tuple[Optional[int], ...]


class Tensors(msgspec.Struct, frozen=True, tag_field="kind", tag="tensors"):
    """Several arrays, each by its name."""

    inputs: tuple[NamedTensor, ...]

    @property
    def columnar(self) -> bool:
        """Whether every input is one value a row, so that together they are the columns of a table."""
        return all(tensor.shape in {(None,), (None, 1)} for tensor in self.inputs)


class Anything(msgspec.Struct, frozen=True, tag_field="kind", tag="any"):
    """The model's files do not say."""


Signature = Union[Frame, Tensor, Tensors, Anything]


class Method(msgspec.Struct, frozen=True):
    """Input and output of one method."""

    input: Signature
    output: Optional[Signature] = None
