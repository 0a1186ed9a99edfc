"""``tagboat promote``."""

from __future__ import annotations

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.deploy import fetch_option, run_request
from entrypoint.commands.options import config_option, json_option


@click.command()
@click.argument("artifact", required=False)
@click.option("--from", "source", metavar="STAGE", help="Only out of this stage.")
@click.option("--to", "stage", metavar="STAGE", help="Only into this stage.")
@click.option("--dry-run", is_flag=True, help="Evaluate the gates and show them; change nothing.")
@click.option("--push/--no-push", default=True, help="Push the tag, where there is a remote.  [default: push]")
@config_option
@fetch_option
@json_option
@pass_context
def promote(
    context: Context,
    /,
    artifact: str | None,
    source: str | None,
    stage: str | None,
    dry_run: bool,
    push: bool,
    config: str,
    fetch: bool,
) -> int:
    """Promote what passes its gates, by the rules under promotion: in tagboat.yaml.

    Without --from and --to every rule is tried, whether or not it is automatic. All gates are evaluated and shown;
    only when each of them passes is the tag written, and the version deployed as the rule says.

    With an ARTIFACT and --to (or --from) exit code 3 says that the version was not promoted; without, that is no error.
    """
    return run_request(context, "promote", artifact=artifact, source=source, stage=stage, dry_run=dry_run, push=push,
                       config=config, fetch=fetch)  # fmt: skip
