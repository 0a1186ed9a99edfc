"""``tagboat plan``, ``deploy`` and ``reconcile``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option

FILE = click.Path(dir_okay=False, path_type=Path)


def run_request(context: Context, command: str, *, out: Path | None = None, **asked: Any) -> int:
    """Run what was asked on this checkout, show the verdict, and return the exit code. ``out``: save the plan there."""
    from entrypoint.report.console import progress_for, show
    from entrypoint.request import Command, Request
    from entrypoint.run import run

    request = Request(
        command=Command(command),
        directory=context.directory,
        environment=context.environment,
        clock=context.clock,
        progress=progress_for(context.stderr),
        **asked,
    )
    verdict = run(request)
    if out is not None:
        from entrypoint.saved_plan import SavedPlan, write

        write(out, SavedPlan.of(request.ref or "", verdict))
    context.out(verdict.to_document(), lambda: show(verdict, context.page))
    return verdict.exit_code


def fetch_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--no-fetch``: take the tags as they lie here."""
    return click.option(
        "--fetch/--no-fetch",
        default=True,
        help="Fetch the tags from the remote first, where there is one.  [default: fetch]",
    )(command)


def promote_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--no-promote``: bring slots to what the registry says, and leave the registry as it is."""
    return click.option(
        "--promote/--no-promote",
        default=True,
        help="Go on with the promotions that tagboat.yaml calls automatic.  [default: promote]",
    )(command)


@click.command()
@click.argument("ref")
@click.option("--out", type=FILE, help="Save the plan, for `tagboat deploy REF --plan FILE`.")
@config_option
@fetch_option
@json_option
@pass_context
def plan(context: Context, ref: str, out: Path | None, config: str, fetch: bool) -> int:
    """Show what deploying REF would change, slot by slot; changes nothing."""
    return run_request(context, "plan", out=out, ref=ref, config=config, fetch=fetch, dry_run=True)


@click.command()
@click.argument("ref")
@click.option("--dry-run", is_flag=True, help="The same as tagboat plan REF.")
@click.option("--plan", "saved", type=FILE, help="Do what `tagboat plan REF --out FILE` said, or refuse.")
@promote_option
@config_option
@fetch_option
@json_option
@pass_context
def deploy(
    context: Context, ref: str, dry_run: bool, saved: Path | None, promote: bool, config: str, fetch: bool
) -> int:
    """Bring live what the registry says of REF, prove it, or roll back.

    A stage (churn#prod, churn#prod#3) is brought to what the registry says of it now. A version (churn@v1.4.0) is
    only tried: downloaded, wrapped, started, asked and taken down again.

    Exit code: 0 done or nothing to do, 1 the release failed and the last verified one serves, 2 usage or
    configuration, 3 refused, 4 something was unreachable (try again), 5 the way back failed too.
    """
    from entrypoint.saved_plan import read

    plan = read(saved, ref) if saved is not None else None
    return run_request(context, "deploy", ref=ref, config=config, fetch=fetch, dry_run=dry_run, saved=plan,
                       promote=promote)  # fmt: skip


@click.command()
@click.option("--artifact", help="Only this artifact's slots.")
@click.option("--stage", help="Only this stage's slots.")
@click.option("--retry", is_flag=True, help="Try releases again that failed before.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@promote_option
@config_option
@fetch_option
@json_option
@pass_context
def reconcile(
    context: Context,
    artifact: str | None,
    stage: str | None,
    retry: bool,
    dry_run: bool,
    promote: bool,
    config: str,
    fetch: bool,
) -> int:
    """Bring every slot to what the registry says, with no event at all; then try the automatic promotions.

    What is live already is left alone; held slots too; a release that failed before is not tried again without
    --retry. One slot's failure stops no other.
    """
    return run_request(context, "reconcile", artifact=artifact, stage=stage, retry=retry, dry_run=dry_run,
                       promote=promote, config=config, fetch=fetch)  # fmt: skip
