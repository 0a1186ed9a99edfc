"""Tables of untrusted text for a person, as wide as the terminal, or in a pipe as wide as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrypoint.commands.context import Context

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 240
"""Columns that a table may take where no terminal limits it."""

FOLDED = frozenset({"by", "stages", "gates"})
"""Columns that may take several lines."""


def new_table(*columns: str) -> Table:
    """An empty table; columns of names are never cut."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column not in FOLDED, overflow="fold")
    return table


def print_table(context: Context, table: Table) -> None:
    """Print it on stdout."""
    if not context.page.is_terminal:
        context.page.width = WIDE
    context.page.print(table)


def text(value: object) -> Any:
    """Untrusted text for a terminal: no markup, no control characters."""
    from rich.text import Text

    shown = "" if value is None else str(value)
    return Text("".join(character if character.isprintable() else " " for character in shown))


def minute(when: str | None) -> str:
    """ISO 8601 in UTC, shortened for a person."""
    return when[:16].replace("T", " ") if when else ""


def short(version: str | None) -> str:
    """A version, or the beginning of the commit that stands for one."""
    from entrypoint.registry.tags import is_commit

    return version[:7] if version and is_commit(version) else version or "-"
