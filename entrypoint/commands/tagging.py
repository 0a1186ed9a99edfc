"""register, assign, unassign, deregister, deprecate: one tag each, by GTO's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import json_option
from entrypoint.commands.registry import open_registry
from entrypoint.errors import UsageError

if TYPE_CHECKING:
    from entrypoint.registry.repository import Repository
    from entrypoint.registry.state import Registry
    from entrypoint.registry.writing import Written

Command = TypeVar("Command", bound=Callable[..., Any])


def writing_options(command: Command) -> Command:
    """What the five commands share."""
    options = (
        click.option("-m", "--message", help="What the tag says; by default GTO's own words."),
        click.option("--push", is_flag=True, help="Fetch the remote's tags first, then push the new one."),
        click.option("--sign/--no-sign", default=None,
                     help="Sign the tag, or don't. By default: where Git's own settings have a key."),
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("artifact")
@click.argument("ref", default="HEAD")
@click.option("--version", help="The version, such as v1.4.0; by default the next one.")
@click.option("--bump", type=click.Choice(["major", "minor", "patch"]), help="Which part of the version to raise.")
@writing_options
@pass_context
def register(
    context: Context, /, artifact: str, ref: str, version: str | None, bump: str | None, **options: Any
) -> None:
    """Register a version of ARTIFACT at REF (any commit; HEAD by default)."""
    from entrypoint.registry import writing
    from entrypoint.registry.versions import Bump

    if version and bump:
        raise UsageError("name a version or a part to raise, not both")
    repository, registry, means = _begin(context, **options)
    part = Bump(bump) if bump else None
    written = writing.register(repository, registry, artifact, version, ref=ref, part=part, **means)
    _done(context, written, f"{artifact} {written.version} is registered at {written.commit[:7]}")


@click.command()
@click.argument("artifact")
@click.argument("ref", required=False)
@click.option("--stage", required=True, help="The stage, such as prod.")
@click.option("--version", help="The version to put there, instead of what REF has.")
@writing_options
@pass_context
def assign(
    context: Context, /, artifact: str, ref: str | None, stage: str, version: str | None, **options: Any
) -> None:
    """Put a version of ARTIFACT in a stage.

    The version is named with --version, or is that of the commit REF; a commit that has none gets the next one
    registered first, as GTO does.
    """
    from entrypoint.registry import writing

    repository, registry, means = _begin(context, **options)
    version = version or _version_of(repository, registry, artifact, ref or "HEAD")
    if version is None:
        registered = writing.register(repository, registry, artifact, ref=ref or "HEAD", **{**means, "message": None})
        registry, version = registered.registry, registered.version
        context.console.print(f"registered {registered.name}", markup=False)
    written = writing.assign(repository, registry, artifact, version or "", stage, **means)
    _done(context, written, f"{artifact} {version} is in {stage}")


@click.command()
@click.argument("artifact")
@click.argument("ref", required=False)
@click.option("--stage", required=True, help="The stage, such as prod.")
@click.option("--version", help="The version to take out; by default the one that is in the stage.")
@writing_options
@pass_context
def unassign(
    context: Context, /, artifact: str, ref: str | None, stage: str, version: str | None, **options: Any
) -> None:
    """Take a version of ARTIFACT out of a stage; the one that was there before comes back."""
    from entrypoint.registry import writing

    repository, registry, means = _begin(context, **options)
    if ref and not version:
        version = _version_of(repository, registry, artifact, ref) or ref
    written = writing.unassign(repository, registry, artifact, stage, version, **means)
    now = written.registry.artifact(artifact).stages.get(stage)
    _done(context, written, f"{artifact} {written.version} is out of {stage}; "
                            f"{f'{now} is there now' if now else 'nothing is there now'}")  # fmt: skip


@click.command()
@click.argument("artifact")
@click.argument("ref", required=False)
@click.option("--version", help="The version; by default that of the commit REF.")
@writing_options
@pass_context
def deregister(context: Context, /, artifact: str, ref: str | None, version: str | None, **options: Any) -> None:
    """Take a version's registration back; it leaves every stage."""
    from entrypoint.registry import writing

    if not (version or ref):
        raise UsageError("say which version", hint="--version v1.4.0, or the commit that has it.")
    repository, registry, means = _begin(context, **options)
    version = version or _version_of(repository, registry, artifact, ref or "")
    if version is None:
        raise UsageError(f"no version of {artifact} is registered there", where=ref)
    written = writing.deregister(repository, registry, artifact, version, **means)
    _done(context, written, f"{artifact} {version} is deregistered")


@click.command()
@click.argument("artifact")
@writing_options
@pass_context
def deprecate(context: Context, /, artifact: str, **options: Any) -> None:
    """Retire ARTIFACT: it is in no stage any more, until a later event revives it."""
    from entrypoint.registry import writing

    repository, registry, means = _begin(context, **options)
    written = writing.deprecate(repository, registry, artifact, **means)
    _done(context, written, f"{artifact} is deprecated")


def _begin(
    context: Context, message: str | None, push: bool, sign: bool | None
) -> tuple[Repository, Registry, dict[str, Any]]:
    repository, registry = open_registry(context)
    if push:
        from entrypoint.registry.state import read

        repository.fetch_tags()
        registry = read(repository)
    return repository, registry, {"message": message, "push": push, "sign": sign, "clock": context.clock}


def _version_of(repository: Repository, registry: Registry, artifact: str, ref: str) -> str | None:
    """The version that REF means: a version by its name, or that of a commit."""
    from entrypoint.registry.tags import is_version
    from entrypoint.registry.writing import version_at

    if is_version(ref):
        return ref
    commit = repository.commit(ref)
    if commit is None:
        raise UsageError("this names no commit", where=ref)
    found = version_at(registry.artifacts.get(artifact), commit)
    return found.version if found else None


def _done(context: Context, written: Written, said: str) -> None:
    document = {
        "tag": written.name,
        "artifact": written.tag.artifact,
        "action": written.tag.action.value,
        "version": written.version,
        "stage": written.tag.stage,
        "commit": written.commit,
        "created": written.created,
        "pushed": written.pushed,
    }

    def human() -> None:
        context.page.print(said if written.created else f"{said} already", markup=False)
        context.page.print(f"tag {written.name}{' pushed' if written.pushed else ''}", markup=False)
        if not written.pushed:
            context.console.print(f"to publish it: git push origin 'refs/tags/{written.name}'", markup=False)

    context.out(document, human)
