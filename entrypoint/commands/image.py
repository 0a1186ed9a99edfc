"""image: a release as a container image, on this disk or in a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.deploy import fetch_option
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from entrypoint.imaging import Made


@click.command()
@click.argument("ref")
@click.option("-o", "--output", "outputs", multiple=True, metavar="WHERE",
              help="docker://REPOSITORY[:TAG], oci:FOLDER[:TAG] or docker-archive:FILE[:NAME]; may be repeated. "
              "Without one the image is made and checked, and goes nowhere.")  # fmt: skip
@click.option("--base-image", metavar="IMAGE", help="What it stands on.  [default: Python's slim image]")
@click.option("--platform", "platforms", multiple=True, metavar="OS/ARCH",
              help="linux/amd64 or linux/arm64; both make an index.  [default: linux/amd64]")  # fmt: skip
@click.option("--allow-missing", multiple=True, metavar="LIBRARY",
              help="A shared library that the base may lack, since the model never loads it.")  # fmt: skip
@click.option("--model-store", metavar="URL",
              help="Keep the model out of the image, in s3://BUCKET/PREFIX or https://…, "
              "for an init container to fetch.")  # fmt: skip
@click.option("--sign-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PEM",
              help="Sign what is pushed with this key on P-256, as cosign does; "
              "TAGBOAT_SIGNING_PASSWORD opens it.")  # fmt: skip
@config_option
@fetch_option
@json_option
@pass_context
def image(context: Context, /, ref: str, config: str, fetch: bool, **asked: Any) -> None:
    """Make a container image of the release that REF stands for, without Docker.

    The model is downloaded, scanned and wrapped as for a deployment; nothing of it is deployed. What a registry has
    already is not sent again. A registry without TLS is asked for by http:// in the place of docker://.
    """
    from entrypoint.imaging import Wanted, make
    from entrypoint.report.console import progress_for
    from entrypoint.request import Command, Request
    from entrypoint.workspace import Workspace

    request = Request(
        command=Command.PLAN,
        directory=context.directory,
        environment=context.environment,
        clock=context.clock,
        progress=progress_for(context.stderr),
        ref=ref,
        config=config,
        fetch=fetch,
    )
    made = make(Workspace.open(request), Wanted(**asked))
    context.out(made.to_document(), lambda: _print(context, made))


def _print(context: Context, made: Made) -> None:
    from rich.filesize import decimal

    lines = [
        f"{made.artifact} {made.version or made.commit[:12]}: {made.digest}, on {made.base}",
        *(f"  {layer.platform} {layer.name}: {decimal(layer.size)}" for layer in made.layers),
    ]
    for place in made.places:
        sent = f"{decimal(place.sent)} sent" if place.sent else "unchanged, nothing sent" if place.pushed else "written"
        lines.append(f"{place.where}: {sent}")
    for line in lines:
        context.page.print(line, markup=False, highlight=False, soft_wrap=True)
