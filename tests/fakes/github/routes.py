"""Which requests the fake GitHub answers, and what a token must be allowed for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.fakes.github.store import Document, Holder, Refusal, Store

REPOSITORY = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Call:
    """One request, read: path values unquoted, query, body, and whose token came with it."""

    store: Store
    values: Mapping[str, str]
    query: Mapping[str, str]
    body: Document
    holder: Holder
    api: str

    def number(self, name: str) -> int:
        """A path value that is a number."""
        return int(self.values[name]) if self.values[name].isdigit() else -1

    def at(self, *parts: object) -> str:
        """The address of something in this repository."""
        return "/".join([f"{self.api}/repos/{self.store.name}", *(str(part) for part in parts)])


class Answer(NamedTuple):
    """A status and a document; None is an answer without a body."""

    status: int
    document: Any


class Page(NamedTuple):
    """A list that is handed out page by page; ``key`` where GitHub wraps it into an object."""

    items: list[Document]
    key: str | None = None


Handler = Callable[[Call], Answer | Page]


class Route(NamedTuple):
    """``needs``: a permission and whether it must be write, as GitHub's documentation names them."""

    method: str
    template: str
    pattern: re.Pattern[str]
    needs: tuple[str, ...]
    handler: Handler


class Routes:
    """A table that modules add their part to."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(self, method: str, template: str, *needs: str) -> Callable[[Handler], Handler]:
        """Answer ``method template`` so; ``needs``: alternatives such as ``issues=write``."""
        full = template if template.startswith("/user") or template == "/rate_limit" else REPOSITORY + template
        wide = {"ref": ".+", "path": ".*"} if "/git/" in template or "/contents/" in template else {}
        parts = re.split(r"\{(\w+)\}", full)
        pattern = "".join(
            f"(?P<{part}>{wide.get(part, '[^/]+')})" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, full, re.compile(rf"{pattern}\Z"), needs, handler))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a quoted path. Raises `Refusal` (404)."""
        from urllib.parse import unquote

        for route in self.routes:
            if route.method == method and (match := route.pattern.match(path)):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        raise Refusal(404, "Not Found")

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Everything that is answered, as GitHub's description names it."""
        return [(route.method, route.template) for route in self.routes]


def allowed(route: Route, holder: Holder) -> bool:
    """Whether one of the route's alternatives is among what the token may."""
    ranks = {"read": 1, "write": 2}
    wanted = [need.partition("=") for need in route.needs]
    return not wanted or any(ranks[level] <= ranks.get(holder.permissions.get(name, ""), 0)
                             for name, _, level in wanted)  # fmt: skip


def existing(things: Mapping[Any, Document], key: object) -> Document:
    """The thing of that key. Raises `Refusal` (404)."""
    if key not in things:
        raise Refusal(404, "Not Found")
    return things[key]
