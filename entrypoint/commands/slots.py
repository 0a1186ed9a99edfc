"""``tagboat status``, ``rollback``, ``remove`` and ``release-hold``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.deploy import fetch_option, run_request
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from entrypoint.survey import SlotStatus


@click.command()
@click.option("--artifact", help="Only this artifact's slots.")
@click.option("--stage", help="Only this stage's slots.")
@config_option
@json_option
@pass_context
def status(context: Context, artifact: str | None, stage: str | None, config: str) -> None:
    """Show what is really served in every slot: asked of the targets, not remembered.

    Held and failed slots are shown, and orphans: what runs where nothing is assigned any more.
    """
    from entrypoint.report.console import progress_for
    from entrypoint.request import Command, Request
    from entrypoint.survey import survey
    from entrypoint.workspace import Workspace

    request = Request(
        command=Command.RECONCILE,
        directory=context.directory,
        environment=context.environment,
        clock=context.clock,
        config=config,
        fetch=False,
        progress=progress_for(context.stderr),
    )
    workspace = Workspace.open(request)
    seen = survey(workspace, workspace.read_registry(), artifact=artifact, stage=stage, awaited=True)
    context.out({"slots": [one.to_document() for one in seen]}, lambda: _print(context, seen))


@click.command()
@click.argument("slot", metavar="ARTIFACT#STAGE")
@click.option("--to", "version", metavar="VERSION", help="This version, instead of the one verified before.")
@click.option(
    "--tag/--no-tag", default=True, help="Write the assignment that says so, or hold the slot.  [default: tag]"
)
@click.option("--push/--no-push", default=True, help="Push the tag, where there is a remote.  [default: push]")
@config_option
@fetch_option
@json_option
@pass_context
def rollback(context: Context, slot: str, version: str | None, tag: bool, push: bool, config: str, fetch: bool) -> int:
    """Serve again what was verified before, from the target's own stored bundle.

    Writes the assignment tag that says so, so that the registry and the target go on agreeing. With --no-tag the slot
    is held instead: events and reconcile leave it alone until tagboat release-hold.
    """
    return run_request(context, "rollback", ref=slot, version=version, tag=tag, push=push, config=config, fetch=fetch)


@click.command()
@click.argument("slot", metavar="ARTIFACT#STAGE")
@click.option(
    "--tag/--no-tag", default=True, help="Write the unassignment that says so, or hold the slot.  [default: tag]"
)
@click.option("--push/--no-push", default=True, help="Push the tag, where there is a remote.  [default: push]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@fetch_option
@json_option
@pass_context
def remove(context: Context, slot: str, tag: bool, push: bool, yes: bool, config: str, fetch: bool) -> int:
    """Take a slot down on every target, and only what is ours.

    Writes the unassignment tag that says so. With --no-tag the slot is held instead, so that reconcile does not bring
    it back.
    """
    if not yes and context.stdout.isatty() and not context.json:
        click.confirm(f"Take {slot} down?", abort=True)
    return run_request(context, "remove", ref=slot, tag=tag, push=push, config=config, fetch=fetch)


@click.command()
@click.argument("slot", metavar="ARTIFACT#STAGE")
@click.option("--push/--no-push", default=True, help="Push the tag, where there is a remote.  [default: push]")
@config_option
@fetch_option
@json_option
@pass_context
def release_hold(context: Context, slot: str, push: bool, config: str, fetch: bool) -> int:
    """Let events and reconcile at a held slot again, and promotions into it. Deploys nothing by itself.

    A version that was taken out of a stage is not promoted there again until then; this writes a tag that says so, for
    the version that waits in the stage before.
    """
    return run_request(context, "release-hold", ref=slot, config=config, fetch=fetch, push=push)


def _print(context: Context, seen: Sequence[SlotStatus]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not seen:
        context.page.print(
            "No slots: nothing is assigned that tagboat.yaml deploys, and no target has anything of ours."
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("SLOT", "TARGET", "ASSIGNED", "SERVED", "HEALTH", "SINCE", "URL", "NOTES"):
        table.add_column(heading, overflow="fold")
    for one in seen:
        row = one.to_document()
        since = datetime.fromtimestamp(row["since"], UTC).strftime("%Y-%m-%d %H:%MZ") if row["since"] else "–"
        cells = (f"{one.slot.artifact}#{one.slot.stage}", one.slot.target, row["assigned"] or "–",
                 row["served"] or "–", row["health"] or "unknown", since, row["url"] or "–", _notes(one))  # fmt: skip
        table.add_row(*(Text(str(cell)) for cell in cells), style=_style(one))
    context.page.print(table)


def _notes(one: SlotStatus) -> str:
    """What a person should know of the slot, in few words."""
    observed = one.observed
    if one.failure is not None or observed is None:
        return f"could not be asked: {one.failure}"
    notes = list(observed.reasons)
    if observed.held is not None:
        notes.append(f"held by {observed.held.by}: {observed.held.reason}")
    if one.promotion_hold is not None:
        notes.append(f"promotion held: {one.promotion_hold.reason}")
    notes += [f"{failed.release.version} failed: {failed.reason}" for failed in observed.failed[:1]]
    if one.orphan:
        notes.append("orphan: nothing is assigned here")
    elif one.drift:
        notes.append("drift: not what the registry says")
    if observed.unfinished:
        notes.append("a run stopped half-way")
    return "; ".join(notes)


def _style(one: SlotStatus) -> str:
    if one.failure is not None or (one.observed is not None and one.observed.health.value == "failing"):
        return "red"
    return "yellow" if one.drift or one.orphan or (one.observed and one.observed.held) else ""
