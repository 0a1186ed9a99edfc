"""How many bytes an array takes, told from the description of its dtype in a pickle."""

from __future__ import annotations

import re
from typing import Any


def itemsize(arguments: tuple[Any, ...], state: Any) -> tuple[int | None, bool]:
    """(bytes of one item, whether items are pickled objects) of a dtype, from its arguments and state.

    NumPy pickles a dtype as ``dtype('f8', False, True)`` and the state ``(3, '<', None, None, None, -1, -1, 0)``; for a
    structured one the state holds item size and flags (`numpy/_core/src/multiarray/descriptor.c`, arraydescr_reduce),
    whose lowest bit says that there are objects in it.
    """
    if not arguments or not isinstance(arguments[0], str):
        return None, False
    kind = re.fullmatch(r"[<>|=]?([a-zA-Z])([0-9]{0,9})", arguments[0], re.ASCII)
    if kind is None:
        return None, False
    letter, digits = kind[1], kind[2]
    if letter == "O":
        return None, True
    state = state if isinstance(state, tuple) else ()
    if letter == "V":
        flags = state[7] if len(state) > 7 else 0
        size = state[5] if len(state) > 5 and isinstance(state[5], int) and state[5] >= 0 else None
        if not isinstance(flags, int):
            return None, False
        return (size if size is not None else int(digits or 0)), bool(flags & 1)
    if not digits:
        return None, False
    return int(digits) * (4 if letter == "U" else 1), False
