"""MLflow's ``dataframe_split``: rows, the names of their columns in any order, and an index that says nothing here.

``pandas.DataFrame.to_json(orient="split")`` and MLflow's clients write it. Without names the columns are in the model's
order. A model without column names takes none, but the numbers that pandas gives columns without names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Optional, Union

import msgspec
import numpy

from tagboat_server.codecs import Decoder, Fitting, Input
from tagboat_server.codecs.decoding import Body
from tagboat_server.codecs.matrices import MatrixReader
from tagboat_server.errors import Rejection
from tagboat_server.invocations import moved
from tagboat_server.signature import Anything, Column, Frame, Signature, Tensor, Tensors

FORM = "dataframe_split"


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """The document."""

    data: msgspec.Raw
    columns: Optional[list[Union[str, int]]] = None
    index: Optional[list[Any]] = None


class Alone(msgspec.Struct, forbid_unknown_fields=True):
    """A body with nothing but such a document."""

    dataframe_split: Split


class SplitReader:
    """Reads ``dataframe_split`` for one method."""

    def __init__(self, decode: Decoder, fitting: Fitting, signature: Signature) -> None:
        self.decode = decode
        self.fitting = fitting
        self.signature = signature
        self.columns = columns_of(signature)
        self.names = tuple(str(column.name) for column in self.columns or ())
        self.body = Body(Split)
        self.alone = msgspec.json.Decoder(Alone)
        self.rows = Body(list[list[msgspec.Raw]])
        self.quick: dict[int, MatrixReader] = {}

    def __call__(self, raw: bytes) -> Input:
        """The checked input of a document. Raises `Rejection`."""
        try:
            split: Split = self.body(b'{"data":' + raw + b"}")
        except Rejection as rejection:
            raise told(rejection) from None
        return self.read(split)

    def parsed(self, body: bytes) -> Optional[Split]:
        """The document of a body that has nothing else, or None where it has, or something is wrong with it."""
        try:
            return self.alone.decode(body).dataframe_split
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def read(self, split: Split) -> Input:
        """The checked input of a document in its parts. Raises `Rejection`."""
        names = None if split.columns is None else [str(name) for name in split.columns]
        taken = self.rows_of(bytes(split.data), names, split.columns)
        if split.index is not None and len(split.index) != taken.rows:
            message = f"the index has {len(split.index)} values for {taken.rows} rows"
            raise Rejection(422, message, path=f"{FORM}.index", reason="ragged")
        return taken

    def rows_of(self, rows: bytes, names: Optional[list[str]], given: Optional[Sequence[Any]]) -> Input:
        """The rows, by the names of their columns."""
        if names is not None and isinstance(self.signature, Anything):
            return self.by_name(rows, names)
        if self.columns is None:
            if given is not None and list(given) != list(range(len(given))):
                raise Rejection(
                    422,
                    "the model has no column names",
                    path=f"{FORM}.columns",
                    hint=f"Leave columns away in {FORM}, or send inputs.",
                    reason="unknown-column",
                )
            names = None
        if names is None or names == list(self.names):
            return self.in_order(rows)
        self.check_names(names)
        return self.by_name(rows, names)

    def in_order(self, rows: bytes) -> Input:
        """Rows whose columns are in the model's order."""
        try:
            return self.decode(b'{"data":' + rows + b"}")
        except Rejection as rejection:
            raise moved(rejection, lambda path: f"{FORM}.{path}") from None

    def by_name(self, rows: bytes, names: list[str]) -> Input:
        """Rows whose columns are in another order, or some of which the model can do without."""
        body = b'{"data":' + rows + b"}"
        if self.columns and names:
            matrix = self.quick.setdefault(len(names), MatrixReader(len(names)))(body)
            if matrix is not None:
                return self.from_matrix(matrix, names)
        try:
            cells: list[list[msgspec.Raw]] = self.rows(body)
            for place, row in enumerate(cells):
                if len(row) != len(names):
                    message = f"expected a list of {len(names)} values, got {len(row)}"
                    raise Rejection(422, message, path=f"data[{place}]", reason="width")
            return self.decode(as_columns(cells, names) if self.columns else as_records(cells, names))
        except Rejection as rejection:
            raise moved(rejection, lambda path: in_rows(path, names)) from None

    def from_matrix(self, matrix: numpy.ndarray[Any, Any], names: list[str]) -> Input:
        """A matrix of numbers, column by column."""
        columns = {name: matrix[:, place] for place, name in enumerate(names)}
        try:
            return self.fitting.columns(columns, "data")
        except Rejection as rejection:
            raise moved(rejection, lambda path: in_rows(path, names)) from None

    def check_names(self, names: list[str]) -> None:
        """Refuse names that are unknown, doubled or missing."""
        for place, name in enumerate(names):
            path = f"{FORM}.columns[{place}]"
            if name not in self.names:
                raise Rejection(422, f"the column {name[:100]!r} is unknown", path=path, reason="unknown-column")
            if name in names[:place]:
                raise Rejection(422, f"the column {name[:100]!r} is there twice", path=path, reason="layout")
        for column in self.columns or ():
            if str(column.name) not in names and not column.optional:
                message = f"the column {str(column.name)!r} is missing"
                raise Rejection(422, message, path=f"{FORM}.columns", reason="missing-column")


def columns_of(signature: Signature) -> Optional[tuple[Column, ...]]:
    """The columns of what is a table, or None where the input has no column names."""
    if isinstance(signature, Frame):
        return signature.columns
    if isinstance(signature, Tensors) and signature.columnar:
        return tuple(Column(tensor.name, tensor.dtype) for tensor in signature.inputs)
    return None


def width_of(signature: Signature) -> Optional[int]:
    """How many values a row has; None where any number will do, or the input is no table."""
    columns = columns_of(signature)
    if columns is not None:
        return len(columns)
    if isinstance(signature, Tensor) and len(signature.shape) == 2:
        return signature.shape[1]
    return None


def as_columns(rows: list[list[msgspec.Raw]], names: list[str]) -> bytes:
    """Our own protocol's body: an object of columns."""
    columns = zip(*rows) if rows else ([] for _ in names)
    parts = [
        msgspec.json.encode(name) + b":[" + b",".join(map(bytes, cells)) + b"]" for name, cells in zip(names, columns)
    ]
    return b'{"data":{' + b",".join(parts) + b"}}"


def as_records(rows: list[list[msgspec.Raw]], names: list[str]) -> bytes:
    """Our own protocol's body: a list of records."""
    return msgspec.json.encode({"data": [dict(zip(names, row)) for row in rows]})


def in_rows(path: str, names: Sequence[str]) -> str:
    """A place in an object of columns as one in the rows that were sent."""
    found = re.fullmatch(r"data\.(.*)\[(\d+)\]", path, re.DOTALL)
    if found and found[1] in names:
        return f"{FORM}.data[{found[2]}][{names.index(found[1])}]"
    return f"{FORM}.{path}"


def told(rejection: Rejection) -> Rejection:
    """A refusal of the document itself, in words that are not of tables."""
    path = rejection.path or ""
    key = path[len("data.") :]
    if rejection.reason == "missing-column":
        rejection.message = f"{FORM} needs {key!r}"
    elif rejection.reason == "unknown-column":
        rejection.message = f"unknown key {key!r} in {FORM}"
    rejection.reason = "body" if rejection.reason.endswith("-column") else rejection.reason
    return moved(rejection, lambda found: FORM + found[len("data") :] if found.startswith("data") else found)
