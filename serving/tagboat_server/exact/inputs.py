"""The gate: which batches are plain enough for a fast path, and the array that scikit-learn would make of them.

scikit-learn's own checks refuse a wrong width, wrong names, text, NaN and infinity, and convert the rest. Here only
what those checks let through unchanged is let through; everything else goes to the public method, which refuses it in
its own words or knows what to do.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

import numpy

from tagboat_server.exact.programs import Array, PassOn

PLAIN = frozenset(
    numpy.dtype(name)
    for name in ("float64", "float32", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
)
"""Native dtypes that ``check_array`` takes as they are. Not float16, which some versions keep and others widen."""


def check_array(batch: Array, width: int) -> None:
    """Raise `PassOn` unless this is a plain table of numbers with the right number of columns and at least one row."""
    if type(batch) is not numpy.ndarray or batch.dtype not in PLAIN or batch.ndim != 2:
        raise PassOn
    if batch.shape[1] != width or not batch.shape[0]:
        raise PassOn


def is_frame(batch: Any) -> bool:
    """Whether this is exactly a pandas dataframe, no subclass. Does not import pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(batch) is pandas.DataFrame


def check_frame(frame: Any, names: Optional[list[Any]], dtypes: bool) -> None:
    """Raise `PassOn` unless the columns are the fitted ones in their order, and with ``dtypes`` plain numbers."""
    if names is None or frame.columns.tolist() != names or not len(frame):
        raise PassOn
    if dtypes and not all(dtype in PLAIN for dtype in frame.dtypes.tolist()):
        raise PassOn


def array_of(frame: Any) -> Array:
    """The array that ``check_array`` makes of a dataframe of plain numbers, memory layout included.

    The layout decides which BLAS routine multiplies it, and so the last bits of a linear model.
    """
    array = numpy.asarray(frame)
    if type(array) is not numpy.ndarray or array.dtype not in PLAIN:
        raise PassOn
    return array
