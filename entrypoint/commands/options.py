"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from entrypoint.commands.context import Context

Command = TypeVar("Command", bound=Callable[..., Any])


def _switch_to_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.find_object(Context).json = True  # type: ignore[union-attr]


def json_option(command: Command) -> Command:
    """``--json``: stdout holds one JSON document and nothing else (`Context.json`)."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_switch_to_json,
        help="Answer with one JSON document on stdout.",
    )(command)


def config_option(command: Command) -> Command:
    """``--config``: another file than tagboat.yaml; given to the command as ``config``."""
    return click.option(
        "--config",
        default="tagboat.yaml",
        show_default=True,
        metavar="PATH",
        help="The configuration, relative to the checkout's root.",
    )(command)
