"""``tagboat doctor``: what is wrong, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from entrypoint.doctor import Report

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 2 for warnings too.")
@config_option
@json_option
@pass_context
def doctor(context: Context, *, strict: bool, config: str) -> int:
    """Say what is wrong in tags, annotations, tagboat.yaml and workflows, each with its mend.

    Exit code 0: nothing, or warnings and notes only; 2: errors. Reads the checkout as it lies there and the tags that
    are here; asks GitHub for its rules for tags when GITHUB_TOKEN or GH_TOKEN is set.
    """
    from entrypoint.doctor import Patient, examine
    from entrypoint.doctor.rules import ask_github
    from entrypoint.registry.repository import Repository

    repository = Repository(context.directory, context.environment)
    report = examine(Patient(repository, context.environment, ask_github, config))
    context.out(report.document(), lambda: _show(context, report))
    return report.exit_code(strict=strict)


def _show(context: Context, report: Report) -> None:
    from rich.text import Text

    page = context.page
    for finding in report.findings:
        line = Text.assemble(
            (f"{finding.severity.value:>7} ", f"bold {COLOURS[finding.severity.value]}"), (_line(finding.where), "bold")
        )
        page.print(line, soft_wrap=True)
        page.print(Text(f"        {_line(finding.message)}"), soft_wrap=True)
        page.print(Text(f"        → {_line(finding.mend)}", style="green"), soft_wrap=True)
    for unchecked in report.unchecked:
        page.print(
            Text(f"      ? {unchecked.check} not checked: {_line(unchecked.reason)}", style="dim"), soft_wrap=True
        )
        if unchecked.mend:
            page.print(Text(f"        → {_line(unchecked.mend)}", style="dim"), soft_wrap=True)
    said = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in report.counts.items() if count)
    page.print(Text(said or "Nothing is wrong."), soft_wrap=True)


def _line(text: str) -> str:
    """Text that may come from the repository: on one line, without what steers a terminal."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in " ".join(text.split()))
