"""``tagboat init``: the first tagboat.yaml and the workflows."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import json_option

if TYPE_CHECKING:
    from entrypoint.configuration.kinds import Kinds

EXAMPLE = "iris"
STAGES = ("dev", "prod")


@click.command()
@click.option("--deployer", metavar="KIND", help="The kind of target; asked for when several are installed.")
@click.option("--target", metavar="NAME", help="Your name for the target.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the target; repeatable.")
@click.option("--stage", "stages", multiple=True, metavar="STAGE", help="A stage to deploy; repeatable.")
@click.option("--workflows/--no-workflows", default=True, help="Write the GitHub workflows too.  [default: yes]")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing; options and defaults count.")
@json_option
@pass_context
def init(
    context: Context,
    *,
    deployer: str | None,
    target: str | None,
    settings: tuple[str, ...],
    stages: tuple[str, ...],
    workflows: bool,
    force: bool,
    yes: bool,
) -> None:
    """Write a commented tagboat.yaml, the workflow for tags, and the scheduled reconcile.

    Asks for a target. Without a terminal, with --yes or with --json it asks nothing. The stages and artifacts that
    the registry's tags name already are taken over.
    """
    from entrypoint import scaffolding
    from entrypoint.configuration import parse
    from entrypoint.configuration.kinds import InstalledKinds
    from entrypoint.registry.repository import Repository

    repository = Repository(context.directory, context.environment)
    root = repository.root
    kinds = InstalledKinds()
    ask = not (yes or context.json) and sys.stdin.isatty()
    kind = _kind(deployer, kinds, ask=ask)
    artifacts, known_stages = scaffolding.registered(repository)
    answers = scaffolding.Answers(
        deployer=kind,
        target=target or (_ask("Your name for the target", "here" if kind == "local" else kind) if ask else kind),
        stages=stages or _stages(known_stages or STAGES, ask=ask),
        artifacts=artifacts or (EXAMPLE,),
        settings=_settings(settings, kind, kinds, ask=ask),
        workflows=workflows,
    )
    files = scaffolding.render(answers, kinds)
    parse(files[scaffolding.CONFIGURATION].encode(), kinds=kinds)
    fates = scaffolding.write(root, files, force=force)
    written = [{"path": path, "status": fate} for path, fate in fates.items()]
    next_steps = scaffolding.next_steps(answers)
    context.out({"root": str(root), "files": written, "next": next_steps}, lambda: _tell(fates, root, next_steps))


def _kind(given: str | None, kinds: Kinds, *, ask: bool) -> str:
    from entrypoint.configuration.mistakes import quoted, suggestion
    from entrypoint.errors import UsageError

    names = kinds.names()
    if not names:
        raise UsageError("no deployer is installed", hint="Install tagboat anew.")
    if given is not None:
        if given not in names:
            hint = suggestion(given, names, "installed deployers")
            raise UsageError(f"there is no deployer {quoted(given)}", where="--deployer", hint=hint)
        return given
    usual = "local" if "local" in names else names[0]
    if ask and len(names) > 1:
        return str(click.prompt("Where to", type=click.Choice(names), default=usual, err=True))
    return usual


def _settings(given: tuple[str, ...], kind: str, kinds: Kinds, *, ask: bool) -> dict[str, str]:
    """The target's keys from ``--set``, and those that must be there from the person."""
    from entrypoint.configuration.mistakes import quoted, suggestion
    from entrypoint.errors import UsageError
    from entrypoint.scaffolding import known_keys, required_keys

    known = known_keys(kinds, kind)
    values = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{quoted(pair)} is not KEY=VALUE", where="--set")
        if key not in known:
            raise UsageError(f"no key {quoted(key)}", where="--set", hint=suggestion(key, known, "keys"))
        values[key] = value
    for key, meaning in required_keys(kinds, kind).items():
        if key in values:
            continue
        if not ask:
            raise UsageError(f"the deployer {kind} needs the key {key}", where="--set", hint=f"--set {key}=… {meaning}")
        values[key] = _ask(f"{key} ({meaning.rstrip('.')})" if meaning else key)
    return values


def _stages(known: tuple[str, ...], *, ask: bool) -> tuple[str, ...]:
    if not ask:
        return known
    return tuple(part for part in re.split(r"[\s,]+", _ask("Stages to deploy", ", ".join(known))) if part)


def _ask(question: str, default: str | None = None) -> str:
    return str(click.prompt(question, default=default, err=True)).strip()


def _tell(fates: dict[str, str], root: Path, next_steps: list[str]) -> None:
    for path, fate in fates.items():
        click.echo(f"{fate:>11}  {path}")
    click.echo(f"\nIn {root}. Next:")
    for number, step in enumerate(next_steps, start=1):
        click.echo(f"  {number}. {step}")
