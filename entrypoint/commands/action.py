"""``python -m entrypoint action``: what the container Action starts (Dockerfile)."""

from __future__ import annotations

import os
import sys

import click

from entrypoint.commands.context import Context, pass_context


@click.command()
@pass_context
def action(context: Context) -> int:
    """Run as a step of GitHub Actions: inputs and event from the environment, outputs into the runner's files."""
    from entrypoint.action import in_container, prepare_container, run

    prepare_container(os.environ)
    if in_container(context.environment):
        # One pipe to the runner: a line that a library writes to stderr cannot slip past the end of a fence on stdout.
        sys.stdout.flush()
        os.dup2(1, 2)
    return run(context.environment, log=context.stdout, clock=context.clock)
