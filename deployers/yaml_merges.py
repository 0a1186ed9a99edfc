"""How large YAML becomes by its merge keys, before anything is made of it."""

from __future__ import annotations

from typing import Any


def merged_size(root: Any) -> int:
    """The entries of all mappings, nodes as the parser composes them, once their merge keys are followed.

    The parser copies what is merged, again for each alias: nine aliases on each of nine levels are a thousand million
    entries out of some 500 bytes.
    """
    sizes: dict[int, int] = {}
    todo = [root]
    while todo:
        node = todo[-1]
        pairs = node.value if isinstance(getattr(node, "value", None), list) else []
        inner = [part for pair in pairs for part in (pair if isinstance(pair, tuple) else (pair,))]
        waiting = [part for part in inner if id(part) not in sizes]
        if id(node) not in sizes and waiting:
            sizes[id(node)] = 0  # a node that stands in itself counts once
            todo += waiting
            continue
        todo.pop()
        merged = [value for pair in pairs if isinstance(pair, tuple) for key, value in [pair] if key.value == "<<"]
        each = [part for value in merged for part in (value.value if value.id == "sequence" else [value])]
        sizes[id(node)] = len(pairs) + sum(sizes[id(part)] for part in each)
    return sum(sizes.values())
