"""report: what a change does to the models, as a pull request's comment shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from entrypoint.pull_requests.document import ChangeReport

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("base", required=False)
@click.argument("head", default="HEAD")
@click.option("--offline", is_flag=True, help="Read Git alone: ask no target, no DVC remote, wrap no model.")
@click.option("--out", type=FILE, help="Write the report to FILE, for --from.")
@click.option("--from", "given", type=FILE, help="Show the report in FILE instead; whoever wrote it.")
@config_option
@json_option
@pass_context
def report(
    context: Context, base: str | None, head: str, offline: bool, out: Path | None, given: Path | None, config: str
) -> None:
    """Report on HEAD against BASE: metrics, parameters, data and models, requirements, and the plan, as Markdown.

    BASE is the remote's default branch unless it is named. The plan says what registering and assigning the model
    would change in each target: with the model wrapped where the target can be asked, by settings where it cannot.
    """
    import msgspec

    from entrypoint.errors import UsageError
    from entrypoint.pull_requests import document
    from entrypoint.pull_requests.page import SUMMARY, Place, page

    if given is not None and (base is not None or out is not None or offline):
        raise UsageError("--from shows a report that is there", hint="Leave BASE, --out and --offline out.")
    found = document.read(given) if given is not None else _gather(context, base, head, config, offline=offline)
    if out is not None:
        document.write(out, found)
        context.console.print(f"written to {out}", markup=False)
        return
    context.out(msgspec.to_builtins(found), lambda: _print(context, page(found, Place(), SUMMARY)))


def _print(context: Context, text: str) -> None:
    context.stdout.write(text)


def _gather(context: Context, base: str | None, head: str, config: str, *, offline: bool) -> ChangeReport:
    from entrypoint.comparison import called
    from entrypoint.errors import UsageError
    from entrypoint.pull_requests.gathering import Asked, gather
    from entrypoint.pull_requests.opening import fork_point, open_workspace
    from entrypoint.report.console import progress_for
    from entrypoint.request import Command, Request

    request = Request(
        command=Command.REPORT,
        directory=context.directory,
        environment=context.environment,
        config=config,
        dry_run=True,
        fetch=not offline,
        clock=context.clock,
        progress=progress_for(context.stderr),
    )
    workspace = open_workspace(request)
    repository = workspace.repository
    ends = []
    for revision in (base, head):
        commit = repository.default_branch_tip() if revision is None else repository.commit(revision)
        if commit is None:
            raise UsageError("this names no commit", where=revision)
        ends.append(commit)
    label = called(base, ends[0]) if base else "the default branch"
    asked = Asked(base=fork_point(repository, *ends), head=ends[1], label=label, offline=offline)
    return gather(workspace, workspace.read_registry(), asked)
