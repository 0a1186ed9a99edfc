"""What a method gives back, as named tensors.

An array is one output of the method's own name; a dataframe or a mapping is one for each of its parts, by their names;
several arrays side by side (a forest of several outputs) are ``<method>_0``, ``<method>_1``, … What no datatype has
(records, mixed values, dates) is text: ISO 8601 for times, JSON for the rest.
"""

from __future__ import annotations

from typing import Any

import numpy

from tagboat_server.codecs.encoding import encode, key_of, of_array, of_sparse, plain

Array = numpy.ndarray


def tensors_of(result: Any, method: str) -> dict[str, Array]:
    """The outputs by name. Raises `TypeError` for what has no form in any datatype."""
    if isinstance(result, numpy.ndarray):
        if result.dtype.names:
            return named((name, result[name]) for name in result.dtype.names)
        return {method: of_plain_array(result)}
    if isinstance(result, dict):
        return named(result.items())
    if isinstance(result, (list, tuple)):
        if result and all(isinstance(part, numpy.ndarray) and part.ndim for part in result):
            return {f"{method}_{place}": of_plain_array(part) for place, part in enumerate(result)}
        return {method: of_list(list(result))}
    if type(result).__module__.partition(".")[0] in {"polars", "pyarrow"} and hasattr(result, "to_pandas"):
        result = result.to_pandas()
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return named((name, result.iloc[:, place]) for place, name in enumerate(result.columns))
    return {method: array_of(result)}


def named(parts: Any) -> dict[str, Array]:
    """Outputs from pairs of a name and a value."""
    found: dict[str, Array] = {}
    for key, value in parts:
        name = key_of(key)
        if name in found:
            raise TypeError(f"two outputs have the name {name!r}")
        found[name] = array_of(value)
    return found


def array_of(value: Any) -> Array:
    """One value as an array of a datatype's dtype."""
    if hasattr(value, "toarray") and hasattr(value, "shape"):
        return of_plain_array(numpy.asarray(of_sparse(value)))
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, (list, tuple)):
        return of_list(list(value))
    if isinstance(value, dict):
        return texts([encode(value)])
    array = value if isinstance(value, numpy.ndarray) else of_list([plain(value)])
    return of_plain_array(array)


def of_plain_array(array: Array) -> Array:
    """An array as one of a datatype's dtype, of at least one dimension."""
    array = array.reshape(1) if not array.ndim else array
    kind = array.dtype.kind
    if kind in "biu" or (kind == "f" and array.dtype.itemsize <= 8):
        return array
    if kind == "f":
        return array.astype(numpy.float64)
    if kind in "OUS":
        return of_objects(array.astype(object))
    if kind in "Mm":
        listed = of_array(array)
        return of_objects(numpy.array(listed, dtype=object)) if kind == "M" else numpy.array(listed)
    return of_objects(numpy.array(plain(array), dtype=object))


def of_list(values: list[Any]) -> Array:
    """A list: of numbers or text, nested or not, as they are; of anything else as JSON, element by element."""
    try:
        array = numpy.array(values)
    except ValueError:
        return texts([encode(value) for value in values])
    if array.dtype.kind in "biuf":
        return of_plain_array(array)
    if array.dtype.kind in "US":
        # NumPy makes text of numbers that stand beside text.
        return of_objects(numpy.array(values, dtype=object))
    if array.dtype.kind == "O" and array.ndim == 1:
        return of_objects(array)
    return texts([encode(value) for value in values])


def of_objects(array: Array) -> Array:
    """Objects as numbers where all are, as text where all are; else each as JSON. A missing number is NaN."""
    values = [None if missing(value) else own(value) for value in array.reshape(-1).tolist()]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str, bytes, numpy.str_, numpy.bytes_}:
        made = numpy.empty(len(values), dtype=object)
        made[:] = values
    elif kinds == {bool} and None not in values:
        made = numpy.array(values, dtype=bool)
    elif kinds == {int} and None not in values and all(-(2**63) <= value < 2**63 for value in values):
        made = numpy.array(values, dtype=numpy.int64)
    elif kinds <= {int, float} and all(type(value) is not int or abs(value) <= 2**53 for value in values):
        made = numpy.array(values, dtype=object).astype(numpy.float64)
    else:
        made = texts([encode(value) for value in values])
    return made.reshape(array.shape)


def own(value: Any) -> Any:
    """A number or text of NumPy's as Python's own; anything else as it is."""
    return value.item() if isinstance(value, numpy.generic) and value.dtype.kind in "biufUS" else value


def missing(value: Any) -> bool:
    """Whether a value is a word for none, pandas' own among them."""
    return type(value).__name__ in {"NAType", "NaTType"} or (type(value) is float and value != value)


def texts(parts: list[bytes]) -> Array:
    """Elements of text."""
    made = numpy.empty(len(parts), dtype=object)
    made[:] = parts
    return made
