"""Large matrices of numbers, read without a Python object for every cell, where pysimdjson is installed.

simdjson flattens what it is asked to read as numbers, so what it must not swallow is looked for beside it: rows of
another width, rows in rows, keys beside ``data``. Whatever is not plainly a matrix is left to the decoder that says
what is wrong.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy

LARGE = 8 * 1024
"""Bytes of a body from which on this is quicker than reading cell by cell."""


class MatrixReader:
    """Reads ``{"data": [[…], …]}`` with rows of one width. Safe to call from several threads."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.simdjson = import_simdjson()
        self.parsers: list[Any] = []

    def __call__(self, body: bytes) -> Optional[numpy.ndarray[Any, Any]]:
        """The matrix, or None where this is not for us to read."""
        if self.simdjson is None or len(body) < LARGE:
            return None
        try:
            parser = self.parsers.pop()
        except IndexError:
            parser = self.simdjson.Parser()
        try:
            found = self.matrix(parser.parse(body), body)
        except (AttributeError, ValueError, TypeError, KeyError, RuntimeError):
            return None
        if found is not None:
            # After anything else the parser may still be held by what it has made.
            self.parsers.append(parser)
        return found

    def matrix(self, document: Any, body: bytes) -> Optional[numpy.ndarray[Any, Any]]:
        """The matrix in a parsed body. Raises what simdjson raises for cells that are no numbers."""
        if type(document) is not self.simdjson.Object or list(document.keys()) != ["data"]:
            return None
        rows = document["data"]
        if set(map(len, rows)) != {self.width} or body.count(b"[") != len(rows) + 1:
            return None
        cells = numpy.frombuffer(rows.as_buffer(of_type="d"), numpy.float64)
        return cells.reshape(len(rows), self.width).copy()


def import_simdjson() -> Optional[Any]:
    """The module, or None where the model's environment has none."""
    try:
        import simdjson
    except ImportError:
        return None
    return simdjson
