"""parse, show, history, resolve: what the registry says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import json_option
from entrypoint.commands.tables import minute, new_table, print_table, short, text
from entrypoint.registry.tags import Tag
from entrypoint.registry.tags import parse as parse_tag

if TYPE_CHECKING:
    from entrypoint.promotion.holds import PromotionHold
    from entrypoint.registry.events import Event
    from entrypoint.registry.repository import Repository
    from entrypoint.registry.resolve import Resolution
    from entrypoint.registry.state import ArtifactState, Registry


@click.command()
@click.argument("tag")
@json_option
@pass_context
def parse(context: Context, /, tag: str) -> None:
    """Take TAG apart, by the grammar alone; no repository is needed.

    A text that is no registry tag ends with exit code 2; one that only looks like a registry tag, or is a dangerous
    one, with 3.
    """
    parsed = parse_tag(tag)
    context.out(tag_document(parsed), lambda: _print_pairs(context, tag_document(parsed)))


@click.command()
@click.argument("ref", required=False)
@json_option
@pass_context
def show(context: Context, /, ref: str | None) -> None:
    """Show what is registered, and what is in which stage.

    With a REF (an artifact, churn#prod, churn@latest, churn@v1.4.0 or a full tag) only what it is about.
    """
    _, registry = open_registry(context)
    states = _chosen(registry, ref)
    held = [hold for hold in _holds(context, registry) if hold.artifact in {state.name for state in states}]
    document = {
        "artifacts": [artifact_document(state) for state in states],
        "holds": [hold.to_document() for hold in held],
        "problems": [{"tag": problem.tag, "reason": problem.reason} for problem in registry.problems],
        "warnings": list(registry.warnings),
    }

    def human() -> None:
        if ref is None:
            _print_overview(context, registry)
        else:
            for state in states:
                _print_artifact(context, state)

    context.out(document, human)
    if not context.json:
        for hold in held:
            context.warn(f"{hold.artifact} is not promoted into {hold.stage}: {hold.reason}. {hold.hint}")
        for problem in registry.problems:
            context.warn(f"{problem.tag}: {problem.reason}")
        for warning in registry.warnings:
            context.warn(warning)


@click.command()
@click.argument("artifact", required=False)
@click.option("--ascending", is_flag=True, help="Oldest first.")
@json_option
@pass_context
def history(context: Context, /, artifact: str | None, ascending: bool) -> None:
    """Show every event of the registry (of one ARTIFACT), newest first, in the order that decides."""
    _, registry = open_registry(context)
    events: Iterable[Event] = registry.artifact(artifact).events if artifact else registry.events
    ordered = list(events) if ascending else list(events)[::-1]
    document = {
        "events": [event_document(happened) for happened in ordered],
        "problems": [{"tag": problem.tag, "reason": problem.reason} for problem in registry.problems],
        "warnings": list(registry.warnings),
    }
    context.out(document, lambda: _print_events(context, ordered))


@click.command()
@click.argument("ref")
@json_option
@pass_context
def resolve(context: Context, /, ref: str) -> None:
    """Say which release REF stands for: artifact, version, stage, commit, and where its files are."""
    from entrypoint.registry.resolve import resolve as resolve_ref

    repository, registry = open_registry(context)
    resolution = resolve_ref(repository, registry, ref)
    document = resolution_document(resolution)
    context.out(document, lambda: _print_pairs(context, document))


def open_registry(context: Context) -> tuple[Repository, Registry]:
    """The repository and its registry. Raises `ConfigurationError` for a clone that lacks its tags."""
    from entrypoint.registry.completeness import complete
    from entrypoint.registry.repository import Repository
    from entrypoint.registry.state import read

    repository = Repository(context.directory, context.environment)
    return repository, complete(repository, read(repository))


def _holds(context: Context, registry: Registry) -> list[PromotionHold]:
    """Versions that no promotion puts where they would go, by the rules of the tagboat.yaml here, if there is one."""
    from entrypoint.configuration import NoConfigurationError
    from entrypoint.errors import TagboatError
    from entrypoint.request import Command, Request
    from entrypoint.workspace import Workspace

    request = Request(
        command=Command.PROMOTE, directory=context.directory, environment=context.environment, fetch=False
    )
    try:
        workspace = Workspace.open(request)
        if not workspace.configuration.promotion:
            return []
        from entrypoint.promotion.holds import holds

        return list(holds(workspace, registry))
    except NoConfigurationError:
        return []
    except TagboatError as error:
        context.warn(f"what promotions are held is not shown: {error}")
        return []


def tag_document(tag: Tag) -> dict[str, Any]:
    """What ``parse --json`` answers."""
    return {
        "artifact": tag.artifact,
        "action": tag.action.value,
        "version": tag.version,
        "stage": tag.stage,
        "counter": tag.counter,
    }


def artifact_document(state: ArtifactState) -> dict[str, Any]:
    """One artifact in ``show --json``."""
    return {
        "name": state.name,
        "latest": state.latest,
        "deprecated": state.deprecated,
        "versions": [
            {
                "version": version.version,
                "commit": version.commit,
                "registered_at": version.registered_at,
                "stages": list(version.stages),
                "author": version.author,
            }
            for version in state.versions
        ],
        "stages": state.stages,
    }


def event_document(happened: Event) -> dict[str, Any]:
    """One event in ``history --json``."""
    return {
        "timestamp": happened.when,
        "artifact": happened.artifact,
        "event": happened.kind.value,
        "version": happened.version,
        "stage": happened.stage,
        "commit": happened.commit,
        "author": happened.author,
        "author_email": happened.email,
        "message": happened.message,
        "tag": happened.tag.name,
    }


def resolution_document(resolution: Resolution) -> dict[str, Any]:
    """What ``resolve --json`` answers."""
    return {
        "artifact": resolution.artifact,
        "version": resolution.version,
        "stage": resolution.stage,
        "commit": resolution.commit,
        "path": resolution.path,
        "type": resolution.type,
        "event": resolution.event,
        "labels": list(resolution.labels),
        "description": resolution.description,
        "meta": dict(resolution.meta),
    }


def _chosen(registry: Registry, ref: str | None) -> list[ArtifactState]:
    """The artifacts that a REF is about, with the versions that it is about alone."""
    from dataclasses import replace

    from entrypoint.registry.references import about

    if ref is None:
        return list(registry.artifacts.values())
    name, version, stage = about(registry, ref)
    state = registry.artifact(name)
    if version is None and stage is None:
        return [state]
    versions = tuple(one for one in state.versions if (one.version == version if version else stage in one.stages))
    return [replace(state, versions=versions)]


def _print_overview(context: Context, registry: Registry) -> None:
    states = [state for state in registry.artifacts.values() if not state.deprecated]
    if not states:
        context.page.print("Nothing is registered here. `tagboat register ARTIFACT` makes a start.", markup=False)
        return
    stages = sorted({stage for state in states for stage in state.stages})
    table = new_table("artifact", "latest", *(f"#{stage}" for stage in stages))
    for state in states:
        placed = (text(short(state.stages.get(stage))) for stage in stages)
        table.add_row(text(state.name), text(state.latest or "-"), *placed)
    print_table(context, table)
    table = new_table("artifact", "stage", "version", "since", "by", "tag")
    for state in states:
        for stage, assignment in state.assignments.items():
            cells = (state.name, stage, short(assignment.version), minute(assignment.when), assignment.author)
            table.add_row(*(text(cell) for cell in cells), text(assignment.tag.name))
    if table.row_count:
        print_table(context, table)


def _print_artifact(context: Context, state: ArtifactState) -> None:
    if state.deprecated:
        context.page.print(text(f"{state.name} is deprecated"))
    table = new_table("artifact", "version", "stages", "registered", "by", "commit")
    for version in state.versions:
        registered = minute(version.registered_at)
        cells = (state.name, short(version.version), ", ".join(version.stages), registered, version.author)
        table.add_row(*(text(cell) for cell in cells), text(version.commit[:7]))
    print_table(context, table)


def _print_events(context: Context, events: Iterable[Event]) -> None:
    table = new_table("when", "artifact", "event", "version", "stage", "by", "tag")
    for happened in events:
        cells = (
            minute(happened.when),
            happened.artifact,
            happened.kind.value,
            short(happened.version),
            happened.stage,
        )
        table.add_row(*(text(cell) for cell in cells), text(happened.author), text(happened.tag.name))
    print_table(context, table)


def _print_pairs(context: Context, document: dict[str, Any]) -> None:
    for key, value in document.items():
        if value not in (None, [], {}):
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            context.page.print(text(f"{key:<12} {told}"), soft_wrap=True)
