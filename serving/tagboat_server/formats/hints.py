"""What a predictor's type hint tells of its input: one value, or lists of values in lists, of JSON's own types.

    def shout(text: str) -> str                 {"data": "abc"}
    def lengths(texts: list[str]) -> list[int]  {"data": ["abc", "de"]}
    def means(rows: list[list[float]])          {"data": [[1, 2], [3, 4]]}

Such input is checked before the function is called, and is given to it as what the hint says. Any other hint, that of
an array or a dataframe say, tells nothing about what is in it: `SIGNATURES` does.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Optional

from tagboat_server.signature import Signature, Tensor

DTYPES = {bool: "bool", float: "float64", int: "int64", str: "str"}


class Hinted:
    """A function that is given plain Python values, which its hint asks for."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, value: Any) -> Any:
        """Call it with an array's values."""
        return self.function(value.tolist())


def hinted(function: Callable[[Any], Any]) -> Optional[Signature]:
    """The input's signature by the hint of the only parameter; None where it tells nothing."""
    try:
        hints = typing.get_type_hints(function)
        first = next(iter(inspect.signature(function).parameters))
    except Exception:  # noqa: BLE001 - hints are the model's own code, and may name what is not there
        return None
    hint, depth = hints.get(first), 0
    while typing.get_origin(hint) is list:
        (hint,) = typing.get_args(hint)
        depth += 1
    return Tensor(DTYPES[hint], (None,) * depth) if hint in DTYPES else None
