"""iam-policy: what AWS must allow for a target, made from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from deployers.sagemaker.iam import Policy
    from deployers.sagemaker.settings import SagemakerSettings
    from entrypoint.registry.repository import Repository


@click.command("iam-policy")
@click.argument("target")
@click.option(
    "--trust", is_flag=True, help="Who may deploy: the trust policy of the role that a job on GitHub assumes."
)
@click.option("--execution", is_flag=True, help="What the endpoint's containers may: the execution role's policy.")
@click.option("--execution-trust", is_flag=True, help="Who may be the execution role: SageMaker alone.")
@click.option("--repository", metavar="OWNER/NAME", help="For --trust.  [default: the remote's, on GitHub]")
@click.option("--environment", metavar="NAME", help="For --trust: the environment that the job names.")
@click.option("--region", metavar="REGION", help="Where the target's own settings name none.")
@config_option
@json_option
@pass_context
def iam_policy(
    context: Context,
    /,
    *,
    target: str,
    trust: bool,
    execution: bool,
    execution_trust: bool,
    repository: str | None,
    environment: str | None,
    region: str | None,
    config: str,
) -> None:
    """Print the least-privilege policy for deploying to TARGET, a target with `deployer: sagemaker`.

    It holds what the target's settings make necessary and nothing else, narrowed to its bucket, prefix, repository and
    tags. Asks AWS nothing. Of the four documents one is printed: what whoever deploys may do, or what an option names.
    """
    from deployers.sagemaker import iam, roles
    from entrypoint.registry.repository import Repository

    if trust + execution + execution_trust > 1:
        raise click.UsageError("--trust, --execution and --execution-trust are three documents: ask for one.")
    checkout = Repository(context.directory, context.environment)
    settings = _settings(checkout, target, config)
    if trust:
        named = repository or _repository(checkout, context)
        policy = roles.trust_of_github(target, settings, named, environment or "")
    elif execution_trust:
        policy = roles.trust_of_sagemaker()
    else:
        made = roles.running if execution else iam.deploying
        policy = made(target, settings, region or _region(context, settings, target))
    _answer(context, policy)


def _answer(context: Context, policy: Policy) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(policy), indent=2).decode()
    context.out(policy, lambda: click.echo(text, file=context.stdout))


def _repository(checkout: Repository, context: Context) -> str:
    from deployers.errors import ConfigurationError
    from entrypoint.doctor.rules import slug_of

    named = slug_of(checkout, context.environment)
    if named is None:
        raise ConfigurationError(
            "the remote is not on GitHub", where="--repository", hint="Pass --repository OWNER/NAME."
        )
    return named


def _settings(repository: Repository, target: str, config: str) -> SagemakerSettings:
    from deployers.errors import ConfigurationError
    from deployers.sagemaker.settings import SagemakerSettings
    from entrypoint.configuration import load
    from entrypoint.configuration.kinds import InstalledKinds

    targets = load(repository.root, config, InstalledKinds()).targets
    described = targets.get(target)
    settings = None if described is None else described.settings
    if isinstance(settings, SagemakerSettings):
        return settings
    ours = [name for name, each in targets.items() if isinstance(each.settings, SagemakerSettings)]
    raise ConfigurationError(
        f"there is no target {target!r}" if described is None else f"the target {target} is {described.deployer}",
        where=config,
        hint=f"Name a target with `deployer: sagemaker` ({', '.join(ours) or 'there is none'}).",
    )


def _region(context: Context, settings: SagemakerSettings, target: str) -> str:
    from deployers.errors import ConfigurationError
    from deployers.settings import expand

    if settings.region:
        return expand(settings.region, context.environment, where=f"targets.{target}.region")
    region = context.environment.get("AWS_REGION") or context.environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigurationError(
            "nothing says in which region the target is",
            where=f"targets.{target}.region",
            hint="Set it there, set AWS_REGION, or pass --region.",
        )
    return region
