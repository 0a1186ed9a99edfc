"""Repositories of ECR, which has none until somebody makes it.

Made, where that is allowed, with tags that nobody can move afterwards: what was pushed under one stays what it was.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from deployers.errors import ConfigurationError
from deployers.sagemaker.refusals import ExistsError, NotFoundError
from deployers.sagemaker.wire import Amazon
from deployers.wrapping.images.credentials import ECR, Credentials, Finder, RunnerCredentials

NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
"""A repository's name, as CreateRepository has it."""

LONGEST = 256

PUSHING = (
    "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
)  # fmt: skip
"""What IAM asks for of whoever pushes by the registry's own protocol, which is no call of a client of ours."""


def ensure(
    amazon: Amazon,
    repository: str,
    *,
    create: bool,
    tags: Mapping[str, str],
    where: str,
    immutable: bool = True,
    scan: bool = False,
) -> bool:
    """See that a repository is there before an image is pushed; whether it had to be made.

    ``repository``: with its registry's host; one that is not ECR's is left to itself. ``immutable``: no tag can be
    moved; ``scan``: ECR looks for known holes in what is pushed. ``where``: the setting, for errors.

    Raises `ConfigurationError` where there is none and none may be made, or its registry is another region's.
    """
    host, _, name = repository.removeprefix("http://").partition("/")
    registry = ECR.fullmatch(host)
    if registry is None:
        return False
    amazon.note(*PUSHING)
    _check(amazon, name, registry[2], where)
    owner = host.partition(".")[0]
    try:
        amazon.call(amazon.ecr.describe_repositories, registryId=owner, repositoryNames=[name])
        return False
    except NotFoundError as error:
        if not create:
            raise ConfigurationError(
                f"ECR has no repository {name}",
                where=where,
                hint="Make it, or allow Tagboat to: `image.create-repository: true`.",
            ) from error
    try:
        amazon.call(
            amazon.ecr.create_repository,
            registryId=owner,
            repositoryName=name,
            imageTagMutability="IMMUTABLE" if immutable else "MUTABLE",
            imageScanningConfiguration={"scanOnPush": scan},
            tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        )
    except ExistsError:
        return False
    return True


def finder(amazon: Amazon, environment: Mapping[str, str]) -> Finder:
    """Credentials for registries: what the runner has, and for ECR a token of the account that we are logged in to."""

    def token(_: str, __: Mapping[str, str]) -> Credentials:
        answer = amazon.call(amazon.ecr.get_authorization_token)["authorizationData"][0]
        name, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
        return Credentials(username=name, password=password)

    return RunnerCredentials(environment, ecr=token)


def _check(amazon: Amazon, name: str, region: str, where: str) -> None:
    if not NAME.fullmatch(name) or not 2 <= len(name) <= LONGEST:
        raise ConfigurationError(
            f"{name[:100]!r} is no name of a repository of ECR",
            where=where,
            hint="Small letters and digits, parted by one of `. _ - /`.",
        )
    if region != amazon.region:
        raise ConfigurationError(
            f"SageMaker in {amazon.region} pulls from ECR of that region, and this is {region}",
            where=where,
            hint=f"Name a repository in {amazon.region}; ECR can replicate images between regions.",
        )
