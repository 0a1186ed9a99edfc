"""``tagboat serve``: a model to be tried by hand."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.deploy import fetch_option
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from deployers.wrapping.bundle import Bundle

GRACE = 10.0
"""Seconds that open connections may finish after Ctrl-C."""

UNSAID = {"listening", "ready", "draining", "drained", "ended"}
"""Events of the server that the command itself tells, or brings about."""

SWITCHES = ("TAGBOAT_EXACT", "TAGBOAT_OPTIMIZE")
"""Variables that the server may be given by hand: they turn off what makes it quicker."""


@click.command()
@click.argument("model", metavar="REF|PATH")
@click.option("--port", type=click.IntRange(0, 65535), default=8500, show_default=True, help="0 for any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--method", help="Show how to ask this method; by default predict, or the first one.")
@config_option
@fetch_option
@json_option
@pass_context
def serve(context: Context, model: str, port: int, host: str, method: str | None, config: str, fetch: bool) -> int:
    """Serve a model here until Ctrl-C, to try it by hand. Deploys and records nothing.

    A REF (churn#prod, churn@v1.4.0; churn alone means its latest version) is resolved and downloaded as for a
    deployment. A PATH is a model's file or folder in the working tree, as it lies there; with its artifact's settings
    where tagboat.yaml or dvc.yaml knows it. Either is scanned and wrapped in an environment of its own, and its server
    sees none of this shell's variables.

    Exit code: 0 after Ctrl-C, 1 the model cannot be loaded or its server ended, 2 usage or configuration, 3 refused,
    4 something was unreachable (try again), 130 interrupted before it served.
    """
    from deployers.local.foreground import attend, open_to, reserved
    from deployers.local.preflight import Preflight
    from entrypoint.configuration import settings_for
    from entrypoint.journal import Journal
    from entrypoint.report.console import progress_for
    from entrypoint.request import Command, Request
    from entrypoint.trial import bundle_of, open_workspace, subject

    progress = progress_for(context.stderr)
    request = Request(
        command=Command.PLAN,
        directory=context.directory,
        environment=context.environment,
        clock=context.clock,
        config=config,
        fetch=fetch,
        progress=progress,
    )
    workspace = open_workspace(request)
    tried = subject(model, workspace)
    journal = Journal(progress)
    with reserved(host, port) as listener, progress.section(f"{tried.what}, to be tried"):
        bundle = bundle_of(tried, workspace, journal)
        chosen = _method(bundle, method)
        settings = settings_for(workspace.configuration, bundle.description.name, "").server_document()
        variables = {name: context.environment[name] for name in SWITCHES if name in context.environment}
        trial = Preflight(bundle, workspace.surroundings, settings={"server": settings}, variables=variables)
        with contextlib.ExitStack() as serving:
            with journal.step("start"):
                serving.enter_context(trial)
                trial.wait_until_ready()
            url = open_to(trial.server, listener)
            listener.close()  # the server's alone: nothing waits here for nobody
            attend(
                trial.server,
                lambda line: _log(context, line),
                announce=lambda: _announce(context, bundle, url, chosen, trial.release_id),
                grace=GRACE,
                leaving=lambda: context.warn("finishing what is open; Ctrl-C again ends it at once"),
            )
    return 0


def _method(bundle: Bundle, asked: str | None) -> str:
    """The method that is shown. Raises `ConfigurationError` for one that the model lacks."""
    from entrypoint.errors import ConfigurationError

    methods = list(bundle.description.methods)
    if asked is None:
        return "predict" if "predict" in methods else methods[0]
    if asked not in methods:
        raise ConfigurationError(f"the model has no method {asked!r}", hint=f"It has {', '.join(methods)}.")
    return asked


def _announce(context: Context, bundle: Bundle, url: str, method: str, release: str) -> None:
    """Where it answers, and how to ask."""
    from entrypoint.report.asking import curl_lines
    from entrypoint.report.escaping import plain

    described = bundle.description
    lines = curl_lines(bundle, url, method)
    document: dict[str, Any] = {
        "url": url,
        "artifact": described.name,
        "version": described.version or None,
        "commit": described.commit or None,
        "format": described.format,
        "methods": list(described.methods),
        "digest": bundle.digest,
        "release": release,
        "optimized": described.optimized,
        "curl": [{"protocol": protocol, "command": command} for protocol, command in lines],
    }

    def human() -> None:
        version = f" {described.version}" if described.version else ""
        page = context.page
        for text in (
            f"{plain(described.name)}{plain(version)} ({described.format}) answers at {url}",
            f"methods: {', '.join(map(plain, described.methods))}; {url}/docs describes them",
            *(f"  {protocol}:\n    {plain(command)}" for protocol, command in lines),
            "Ctrl-C ends it.",
        ):
            page.print(text, markup=False, highlight=False, soft_wrap=True)

    context.out(document, human)


def _log(context: Context, line: str) -> None:
    """One line of the server's log: a request in few words, anything else as it is, made harmless."""
    from entrypoint.report.escaping import plain

    text = line
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and event.get("event") in UNSAID:
        return
    if isinstance(event, dict) and event.get("event") == "request":
        milliseconds = f"{float(event.get('seconds') or 0) * 1000:.1f} ms"
        text = f"{event.get('method')} {event.get('path')} {event.get('status')} {milliseconds}"
        rows = event.get("rows")
        text += f" {rows} row{'' if rows == 1 else 's'}" if isinstance(rows, int) else ""
    elif isinstance(event, dict) and isinstance(event.get("message"), str):
        named = f"{event.get('event')}"
        text = event["message"] if named in event["message"] else f"{named}: {event['message']}"
    context.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)
