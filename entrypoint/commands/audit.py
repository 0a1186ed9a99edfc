"""``tagboat audit``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TextIO

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option
from entrypoint.errors import TagboatError, UsageError
from entrypoint.report.escaping import plain

if TYPE_CHECKING:
    from entrypoint.audit import Entry
    from entrypoint.survey import SlotStatus

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DEPLOYMENTS = 5_000
"""The most deployments that are read from GitHub, a hundred with each request."""

FORMULA = re.compile(r"[\s'\"]*[=+\-@＝＋－＠|%]")
"""How a cell begins that a spreadsheet takes for a formula, or for a call of another program."""


@click.command()
@click.argument("artifact", required=False)
@click.option("--stage", help="Only what happened in this stage.")
@click.option("--since", metavar="WHEN", help="Since a day (2026-01-31), a moment (ISO 8601, UTC), or for 30d, 12h.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option(
    "--targets/--no-targets", default=True, help="Ask the targets for what they remember.  [default: targets]"
)
@config_option
@json_option
@pass_context
def audit(
    context: Context, artifact: str | None, stage: str | None, since: str | None, form: str, targets: bool, config: str
) -> None:
    """Say who put what where, when, by which gates, from which run, newest first.

    From the registry's tags, from what the targets remember, and with GITHUB_TOKEN (or GH_TOKEN) and
    GITHUB_REPOSITORY set from GitHub's deployments.
    """
    from entrypoint.audit import entries, of_tags, of_targets
    from entrypoint.commands.registry import open_registry

    context.json = context.json or form == "json"
    begin = moment_of(since, context.clock()) if since else 0.0
    _, registry = open_registry(context)
    if artifact is not None:
        registry.artifact(artifact)
    found = list(of_tags(registry))
    if targets:
        found += of_targets(_survey(context, config, artifact, stage))
    found += _deployments(context, begin)
    chosen = entries(found, artifact=artifact, stage=stage, since=begin)
    if form == "csv" and not context.json:
        write_csv(chosen, context.stdout)
        return
    context.out({"entries": [one.to_document() for one in chosen]}, lambda: _print(context, chosen))


def moment_of(text: str, now: float) -> float:
    """Unix seconds of a day or moment in UTC, or of so long before ``now``. Raises `UsageError` for anything else."""
    ago = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if ago:
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        hint = "Such as 2026-01-31, 2026-01-31T12:00:00Z, 30d or 12h."
        raise UsageError("not a point in time", where="--since", hint=hint) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def write_csv(chosen: Iterable[Entry], stream: TextIO) -> None:
    """A line for each entry, under a line of names. No cell begins as a spreadsheet's formula does."""
    from entrypoint.audit import Entry

    names = list(Entry(at=0, event="", artifact="", source="").to_document())
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for one in chosen:
        document = one.to_document()
        writer.writerow([cell("; ".join(value) if isinstance(value, list) else value)
                         for value in document.values()])  # fmt: skip


def cell(value: object) -> str:
    """Untrusted text as a cell: one line, and text even where it looks like a formula."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else plain(value, lines=True)
    text = " ".join(text.split())
    return f"'{text}" if FORMULA.match(text) else text


def _survey(context: Context, config: str, artifact: str | None, stage: str | None) -> Iterator[SlotStatus]:
    """Every slot with what its target says, where tagboat.yaml names targets at all."""
    from entrypoint.configuration import NoConfigurationError
    from entrypoint.report.console import progress_for
    from entrypoint.request import Command, Request
    from entrypoint.survey import survey
    from entrypoint.workspace import Workspace

    request = Request(command=Command.RECONCILE, directory=context.directory, environment=context.environment,
                      clock=context.clock, config=config, fetch=False,
                      progress=progress_for(context.stderr))  # fmt: skip
    try:
        workspace = Workspace.open(request)
    except NoConfigurationError:
        return
    for status in survey(workspace, workspace.read_registry(), artifact=artifact, stage=stage):
        if status.failure is not None:
            context.warn(f"{status.slot}: {plain(status.failure.message)}")
        yield status


def _deployments(context: Context, since: float) -> list[Entry]:
    """What GitHub remembers of our runs, where there is a token; where it does not answer the rest is told all the
    same."""
    environment = context.environment
    token = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN")
    if not token or not environment.get("GITHUB_REPOSITORY"):
        return []
    from entrypoint.audit import of_deployments
    from entrypoint.github.client import connect
    from entrypoint.github.deployments import recorded

    try:
        with closing(connect(environment, token)) as github:
            return list(of_deployments(islice(recorded(github), DEPLOYMENTS), since))
    except TagboatError as error:
        context.warn(plain(error.message))
        return []


def _print(context: Context, chosen: Iterable[Entry]) -> None:
    from entrypoint.commands.tables import minute, new_table, print_table, short, text

    page = new_table("when", "event", "artifact", "version", "stage", "target", "by", "tag", "gates", "run")
    details = []
    for one in chosen:
        cells = (minute(one.to_document()["timestamp"]), one.event, one.artifact, short(one.version), one.stage,
                 one.target, one.by, one.tag, ", ".join(one.gates), (one.run or "").rpartition("/")[2])  # fmt: skip
        page.add_row(*(text(each) for each in cells))
        if one.detail and one.source == "target":
            details.append(f"{minute(one.to_document()['timestamp'])} {one.event} on {one.target}: {one.detail}")
    print_table(context, page)
    for line in details:
        context.page.print(text(line), soft_wrap=True)
