"""The least that IAM must allow whoever deploys to a target.

Each `Right` says for which settings it is needed, so that a policy holds nothing that its target never asks for; a test
walks through everything that a deployer does and compares. Names of actions, resources and condition keys are those of
https://docs.aws.amazon.com/service-authorization/latest/reference/.

SageMaker's own objects are narrowed by the tag that says whose target they are, since their names begin with the
artifact's; objects in S3 by the target's prefix, images by the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from deployers.errors import ConfigurationError
from deployers.sagemaker import names
from deployers.sagemaker.remarks import ECR
from deployers.sagemaker.settings import SagemakerSettings

Policy = dict[str, Any]
"""A policy document of IAM's."""

ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/.+")

VERSION = "2012-10-17"


class Place(NamedTuple):
    """Where a target's objects are, as ARNs say it."""

    partition: str
    region: str
    account: str
    target: str
    settings: SagemakerSettings

    def sagemaker(self, *kinds: str) -> list[str]:
        """Objects of SageMaker's of these kinds."""
        return [f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{kind}/*" for kind in kinds]

    def objects(self, *below: str) -> list[str]:
        """Objects in S3, by where they lie below the target's prefix."""
        return [f"arn:{self.partition}:s3:::{self.settings.bucket}/{self.settings.prefix}/{each}" for each in below]

    def bucket(self) -> list[str]:
        """The bucket itself."""
        return [f"arn:{self.partition}:s3:::{self.settings.bucket}"]

    def repositories(self) -> list[str]:
        """The repositories of the target's images: one for each artifact, below the one that is named."""
        found = ECR.fullmatch(self.settings.pushed.repository) if self.settings.pushed else None
        if found is None:
            return []
        return [f"arn:{self.partition}:ecr:{found['region']}:{found['account']}:repository/{found['path']}/*"]

    def logs(self) -> list[str]:
        """The log groups of endpoints, and the streams in them."""
        group = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:/aws/sagemaker/Endpoints/*"
        return [group]

    def tagged(self, where: str) -> dict[str, Any]:
        """The condition that an object is of this target; ``where``: ``ResourceTag``, for a new one ``RequestTag``."""
        return {"StringEquals": {f"aws:{where}/{names.TARGET}": names.tag_value(self.target)}}


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a policy. ``purpose``: its Sid. ``needed``: whether the target's settings ask for it."""

    purpose: str
    actions: Sequence[str]
    resources: Callable[[Place], list[str]]
    condition: Callable[[Place], dict[str, Any]] | None = None
    needed: Callable[[SagemakerSettings], bool] = lambda _: True

    def statement(self, place: Place) -> dict[str, Any]:
        """It, for one target."""
        made: dict[str, Any] = {"Sid": self.purpose, "Effect": "Allow", "Action": sorted(self.actions)}
        made["Resource"] = self.resources(place)
        if self.condition is not None:
            made["Condition"] = self.condition(place)
        return made


def _provided(settings: SagemakerSettings) -> bool:
    """Whether the container is one that has yet to be named by its digest."""
    return settings.container is not None and "@" not in settings.container.image


def image_of_container(place: Place) -> list[str]:
    """The repository of a container that is not ours; none where there is no such container, or no ECR."""
    container = place.settings.container
    found = ECR.fullmatch(container.image.partition("@")[0]) if container is not None else None
    if found is None:
        return []
    name = found["path"].partition(":")[0]
    return [f"arn:{place.partition}:ecr:{found['region']}:{found['account']}:repository/{name}"]


def anything(_: Place) -> list[str]:
    """For the few actions that know no resource."""
    return ["*"]


def pushes_to_ecr(settings: SagemakerSettings) -> bool:
    """Whether images are pushed, and to ECR."""
    return (
        settings.container is None
        and settings.pushed is not None
        and ECR.fullmatch(settings.pushed.repository) is not None
    )


RIGHTS: Sequence[Right] = (
    Right(
        purpose="Records",
        actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        resources=lambda place: place.objects("records/*", "leases/*"),
    ),
    Right(
        purpose="Models",
        actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
        resources=lambda place: place.objects("models/*"),
        needed=lambda settings: settings.place != "image",
    ),
    Right(
        purpose="Find",
        actions=("s3:ListBucket",),
        resources=Place.bucket,
        # IfExists: without this right, S3 answers 403 where an object is not there, and that asks for no prefix.
        condition=lambda place: {"StringLikeIfExists": {"s3:prefix": [f"{place.settings.prefix}/*"]}},
    ),
    Right(
        purpose="Make",
        actions=("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint",
                 "sagemaker:AddTags"),
        resources=lambda place: place.sagemaker("model", "endpoint-config", "endpoint"),
        condition=lambda place: place.tagged("RequestTag"),
    ),
    Right(
        purpose="Change",
        actions=("sagemaker:UpdateEndpoint", "sagemaker:DeleteEndpoint", "sagemaker:DeleteEndpointConfig",
                 "sagemaker:DeleteModel", "sagemaker:InvokeEndpoint"),
        resources=lambda place: place.sagemaker("model", "endpoint-config", "endpoint"),
        condition=lambda place: place.tagged("ResourceTag"),
    ),
    Right(
        purpose="Look",
        actions=("sagemaker:DescribeModel", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeEndpoint",
                 "sagemaker:ListTags"),
        resources=lambda place: place.sagemaker("model", "endpoint-config", "endpoint"),
    ),
    Right(
        purpose="HandOver",
        actions=("iam:PassRole",),
        resources=lambda place: [place.settings.role],
        condition=lambda _: {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    Right(
        purpose="Log",
        actions=("logs:DescribeLogStreams", "logs:GetLogEvents"),
        resources=Place.logs,
    ),
    Right(
        purpose="LogInToTheRegistry",
        actions=("ecr:GetAuthorizationToken",),
        resources=anything,
        needed=lambda settings: pushes_to_ecr(settings) or _provided(settings),
    ),
    Right(
        purpose="NameTheContainer",
        actions=("ecr:BatchGetImage",),
        resources=image_of_container,
        needed=_provided,
    ),
    Right(
        purpose="Push",
        actions=("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
                 "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"),
        resources=Place.repositories,
        needed=pushes_to_ecr,
    ),
)  # fmt: skip
"""Every right, in the order of a policy's statements."""


def deploying(target: str, settings: SagemakerSettings, region: str) -> Policy:
    """What whoever deploys to a target must be allowed, and no more. ``region``: the target's, written out."""
    place = place_of(target, settings, region)
    return {"Version": VERSION, "Statement": [each.statement(place) for each in RIGHTS if each.needed(settings)]}


def place_of(target: str, settings: SagemakerSettings, region: str) -> Place:
    """Where a target's objects are: the account and the partition are its role's."""
    found = ROLE.fullmatch(settings.role)
    if found is None:
        raise ConfigurationError(
            f"{settings.role!r} is no ARN of a role, which tells the account",
            where=f"targets.{target}.role",
            hint="Write it as arn:aws:iam::123456789012:role/NAME.",
        )
    return Place(found["partition"], region, found["account"], target, settings)


def actions_of(policy: Policy) -> set[str]:
    """Every action that a policy allows."""
    return {action for statement in policy["Statement"] for action in statement["Action"]}
