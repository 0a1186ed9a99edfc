"""Lists: filters, order and pages, the same for every kind of object."""

from __future__ import annotations

import base64
from typing import Any

from tests.fakes.sagemaker.errors import invalid
from tests.fakes.sagemaker.store import Stored

Document = dict[str, Any]

PAGE = 10
"""Objects on a page where nothing is said (AWS: 10)."""


def chosen(objects: list[Stored], given: Document, default_order: str = "Descending") -> list[Stored]:
    """Those that the filters of a List call want, in its order."""
    limits = {
        "CreationTimeBefore": lambda each, limit: each.created < limit,
        "CreationTimeAfter": lambda each, limit: each.created > limit,
        "LastModifiedTimeBefore": lambda each, limit: each.modified < limit,
        "LastModifiedTimeAfter": lambda each, limit: each.modified > limit,
        "NameContains": lambda each, part: part.lower() in each.name.lower(),
    }
    found = [each for each in objects if all(test(each, given[key]) for key, test in limits.items() if key in given)]
    by_name = given.get("SortBy") == "Name"
    found.sort(key=lambda each: (each.name,) if by_name else (each.created,))
    return found[::-1] if given.get("SortOrder", default_order) == "Descending" else found


def page(found: list[Any], given: Document, size: int = PAGE) -> tuple[list[Any], Document]:
    """One page of a list, and the NextToken of the next, where there is one."""
    try:
        start = int(base64.b64decode(given["NextToken"])) if "NextToken" in given else 0
    except ValueError:
        raise invalid("Invalid NextToken.") from None
    end = start + given.get("MaxResults", size)
    token = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(found) else {}
    return found[start:end], token
