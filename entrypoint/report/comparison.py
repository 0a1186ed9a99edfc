"""The faces of a comparison: terminal, Markdown, JSON, and a page of HTML that needs no network."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec

from entrypoint.comparison.compare import Comparison
from entrypoint.comparison.tables import Cell, Table, tables
from entrypoint.report.escaping import Markdown, code, plain, text
from entrypoint.report.templating import render

if TYPE_CHECKING:
    from rich.console import Console

ROWS: Final = 200
"""Rows of one table, in Markdown."""

MARKS: Final = {True: " ✅", False: " ❌", None: ""}
STYLES: Final = {True: "green", False: "red", None: ""}
WORDS: Final = {True: " better", False: " worse", None: ""}


def document(comparison: Comparison) -> dict[str, Any]:
    """What ``compare --json`` answers (docs/commands.md gives its shape)."""
    built: dict[str, Any] = msgspec.to_builtins(comparison)
    for key in ("metrics", "params"):
        for row, one in zip(built[key], getattr(comparison, key), strict=True):
            row["changed"] = one.changed
    return built


def markdown(comparison: Comparison) -> str:
    """The tables as Markdown, every text of the repository made harmless."""
    return render(
        "comparison/page.md.j2",
        comparison=comparison,
        tables=[Markdown(table_of(table.shortened(ROWS))) for table in tables(comparison)],
    )


def html(comparison: Comparison) -> str:
    """The tables as one page that holds all it needs: no script, no font, no address."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    source = files("templates").joinpath("comparison", "page.html.j2").read_text("utf-8")
    return environment.from_string(source).render(comparison=comparison, tables=tables(comparison), words=WORDS)


def show(comparison: Comparison, page: Console) -> None:
    """The tables on a terminal."""
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    found = tables(comparison)
    for table in found:
        grid = Grid(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in table.columns:
            right = column.startswith(">")
            grid.add_column(Text(plain(column.lstrip(">"))), justify="right" if right else "left", overflow="fold")
        for row in table.rows:
            grid.add_row(*(Text(plain(cell.text) + WORDS[cell.good], style=STYLES[cell.good]) for cell in row))
        page.print(grid)
        if table.more:
            page.print(f"  and {table.more} more, unchanged", markup=False)
    if not found:
        page.print("No metrics, parameters, data, models or requirements on either side, or none that differ.")
    for note in comparison.notes:
        page.print(Text(f"note: {plain(note)}", style="yellow"), soft_wrap=True)


def table_of(table: Table) -> str:
    """One table of Markdown, without its title."""
    headings = " | ".join(str(text(column.lstrip(">"))) for column in table.columns)
    rulers = " | ".join("--:" if column.startswith(">") else ":--" for column in table.columns)
    lines = [f"| {headings} |", f"| {rulers} |"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table.rows]
    more = f"\n_and {table.more:,} more._\n" if table.more else ""
    return "\n".join(lines) + "\n" + more


def titled(table: Table) -> str:
    """One table under its title."""
    return f"#### {table.title}\n\n{table_of(table)}\n"


def _cell(cell: Cell) -> str:
    shown = code(cell.text) if cell.name else text(cell.text, 300)
    return f"{shown}{MARKS[cell.good]}"


def _visible(value: object) -> object:
    """Text with what shows nothing, or turns the text around, spelled out; jinja2 escapes it afterwards."""
    return plain(value) if type(value) is str else value
