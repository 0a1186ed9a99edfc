"""What a deployer asks of AWS, as the statements of an IAM policy, each narrowed as far as AWS lets it be.

A test walks through everything that a deployer does, with every kind of settings, and holds it to this table: whatever
is called has to be here for these settings, and nothing may be here that is never called. Names of actions, resources
and condition keys: https://docs.aws.amazon.com/service-authorization/latest/reference/.

SageMaker's own objects are narrowed by the tag that says whose target they are, since their names begin with the
artifact's; objects in S3 by the target's prefix, images by the repository, alarms by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from deployers.sagemaker.payloads import EndpointKind
from deployers.sagemaker.places import Place
from deployers.sagemaker.settings import SagemakerSettings

Condition = dict[str, Any]
Needed = Callable[[SagemakerSettings], bool]

AUTO_SCALING = "sagemaker.application-autoscaling.amazonaws.com"
"""Whose role Application Auto Scaling makes for itself at the first scaling of an account."""


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a policy. ``purpose``: its Sid. ``needed``: whether the target's settings ask for it."""

    purpose: str
    actions: Sequence[str]
    resources: Callable[[Place], list[str]]
    condition: Callable[[Place], Condition] | None = None
    needed: Needed = lambda _: True

    def statement(self, place: Place) -> dict[str, Any]:
        """It, for one target."""
        made: dict[str, Any] = {"Sid": self.purpose, "Effect": "Allow", "Action": sorted(self.actions)}
        made["Resource"] = self.resources(place)
        if self.condition is not None:
            made["Condition"] = self.condition(place)
        return made


def anything(_: Place) -> list[str]:
    """For the few actions that know no resource."""
    return ["*"]


def new(place: Place) -> Condition:
    """Only what is made with the target's tag."""
    return place.tagged("RequestTag")


def ours(place: Place) -> Condition:
    """Only what carries the target's tag."""
    return place.tagged("ResourceTag")


def pushes(settings: SagemakerSettings) -> bool:
    """Whether images are pushed to ECR."""
    return bool(Place("", "", "", "", settings).repositories())


def makes_repositories(settings: SagemakerSettings) -> bool:
    """Whether a repository that is not there is made."""
    return pushes(settings) and settings.pushed is not None and settings.pushed.create_repository


def names_a_container(settings: SagemakerSettings) -> bool:
    """Whether a container that is not ours has yet to be named by its digest."""
    container = settings.container
    return container is not None and "@" not in container.image


def is_asynchronous(settings: SagemakerSettings) -> bool:
    """Whether answers come into S3."""
    return settings.kind is EndpointKind.ASYNCHRONOUS


def scales(settings: SagemakerSettings) -> bool:
    """Whether the number of instances, or of copies, follows the load."""
    return settings.scaling is not None


def has_components(settings: SagemakerSettings) -> bool:
    """Whether slots are inference components on one endpoint."""
    return settings.components is not None


def watches(settings: SagemakerSettings) -> bool:
    """Whether alarms of ours are made."""
    return settings.deployment.watch is not None


def watches_logs(settings: SagemakerSettings) -> bool:
    """Whether one of them counts lines of the server's log."""
    return settings.deployment.watch is not None and settings.deployment.watch.model_failures is not None


def by_alias(place: Place) -> Condition:
    """That the key is given to SageMaker alone, and is the one of an alias where it is named so."""
    named = place.settings.kms_key or ""
    alias = named[named.index("alias/") :] if "alias/" in named else None
    condition: Condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return {**condition, "ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else condition


OBJECTS = ("model", "endpoint-config", "endpoint")

RIGHTS: Sequence[Right] = (
    Right(
        purpose="Records",
        actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        resources=lambda place: place.objects("records/*", "leases/*"),
    ),
    Right(
        purpose="Models",
        actions=("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"),
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
        resources=lambda place: place.sagemaker(*OBJECTS),
        condition=new,
    ),
    Right(
        purpose="Change",
        actions=("sagemaker:UpdateEndpoint", "sagemaker:DeleteEndpoint", "sagemaker:DeleteEndpointConfig",
                 "sagemaker:DeleteModel"),
        resources=lambda place: place.sagemaker(*OBJECTS),
        condition=ours,
    ),
    Right(
        purpose="Look",
        actions=("sagemaker:DescribeModel", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeEndpoint",
                 "sagemaker:ListTags"),
        resources=lambda place: place.sagemaker(*OBJECTS),
    ),
    Right(
        purpose="Ask",
        actions=("sagemaker:InvokeEndpoint",),
        resources=lambda place: place.sagemaker("endpoint", *(("inference-component",) if has_components(place.settings)
                                                              else ())),
        condition=ours,
        needed=lambda settings: not is_asynchronous(settings),
    ),
    Right(
        purpose="MakeComponents",
        actions=("sagemaker:CreateInferenceComponent", "sagemaker:AddTags"),
        resources=lambda place: place.sagemaker("inference-component", "endpoint", "model"),
        condition=new,
        needed=has_components,
    ),
    Right(
        purpose="ChangeComponents",
        actions=("sagemaker:UpdateInferenceComponent", "sagemaker:DeleteInferenceComponent"),
        resources=lambda place: place.sagemaker("inference-component"),
        condition=ours,
        needed=has_components,
    ),
    Right(
        purpose="LookAtComponents",
        actions=("sagemaker:DescribeInferenceComponent", "sagemaker:ListTags"),
        resources=lambda place: place.sagemaker("inference-component"),
        needed=has_components,
    ),
    Right(
        purpose="ListComponents",
        actions=("sagemaker:ListInferenceComponents",),
        resources=anything,
        needed=has_components,
    ),
    Right(
        purpose="AskLater",
        actions=("sagemaker:InvokeEndpointAsync",),
        resources=lambda place: place.sagemaker("endpoint"),
        condition=ours,
        needed=is_asynchronous,
    ),
    Right(
        purpose="LayDownRequests",
        actions=("s3:PutObject", "s3:DeleteObject"),
        resources=lambda place: place.objects("requests/*"),
        needed=is_asynchronous,
    ),
    Right(
        purpose="FetchAnswers",
        actions=("s3:GetObject", "s3:DeleteObject"),
        resources=Place.answers,
        needed=is_asynchronous,
    ),
    Right(
        purpose="HandOver",
        actions=("iam:PassRole",),
        resources=lambda place: [place.settings.role],
        condition=lambda _: {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    Right(
        purpose="Encrypt",
        actions=("kms:CreateGrant",),
        resources=lambda place: place.key(place.settings.kms_key or ""),
        condition=by_alias,
        needed=lambda settings: settings.kms_key is not None,
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
        needed=lambda settings: pushes(settings) or names_a_container(settings),
    ),
    Right(
        purpose="Push",
        actions=("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
                 "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
                 "ecr:UploadLayerPart"),
        resources=Place.repositories,
        needed=pushes,
    ),
    Right(
        purpose="MakeRepositories",
        actions=("ecr:CreateRepository", "ecr:TagResource"),
        resources=Place.repositories,
        needed=makes_repositories,
    ),
    Right(
        purpose="NameTheContainer",
        actions=("ecr:BatchGetImage",),
        resources=Place.containers,
        needed=names_a_container,
    ),
    Right(
        purpose="LookAtAlarms",
        actions=("cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"),
        resources=lambda place: [place.arn("cloudwatch", "alarm:*")],
        needed=watches,
    ),
    Right(
        purpose="Watch",
        actions=("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource"),
        resources=lambda place: [place.arn("cloudwatch", "alarm:tagboat-*")],
        needed=watches,
    ),
    Right(
        purpose="CountLines",
        actions=("logs:CreateLogGroup", "logs:DescribeMetricFilters", "logs:PutMetricFilter",
                 "logs:DeleteMetricFilter"),
        resources=Place.logs,
        needed=watches_logs,
    ),
    Right(
        purpose="LookAtScaling",
        actions=("application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"),
        resources=anything,
        needed=scales,
    ),
    Right(
        purpose="Scale",
        actions=("application-autoscaling:RegisterScalableTarget", "application-autoscaling:DeregisterScalableTarget",
                 "application-autoscaling:PutScalingPolicy", "application-autoscaling:DeleteScalingPolicy",
                 "application-autoscaling:TagResource"),
        resources=lambda place: [place.arn("application-autoscaling", "scalable-target/*")],
        needed=scales,
    ),
    Right(
        purpose="LetItScale",
        actions=("sagemaker:UpdateEndpointWeightsAndCapacities",),
        resources=lambda place: place.sagemaker("endpoint"),
        condition=ours,
        needed=lambda settings: scales(settings) and not has_components(settings),
    ),
    Right(
        purpose="LetCopiesScale",
        actions=("sagemaker:UpdateInferenceComponentRuntimeConfig",),
        resources=lambda place: place.sagemaker("inference-component"),
        condition=ours,
        needed=lambda settings: scales(settings) and has_components(settings),
    ),
    Right(
        purpose="LetItWatch",
        actions=("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"),
        resources=lambda place: [place.arn("cloudwatch", "alarm:TargetTracking-*")],
        needed=scales,
    ),
    Right(
        purpose="LetItHaveItsRole",
        actions=("iam:CreateServiceLinkedRole",),
        resources=lambda place: [f"arn:{place.partition}:iam::{place.account}:role/aws-service-role/{AUTO_SCALING}/*"],
        condition=lambda _: {"StringEquals": {"iam:AWSServiceName": AUTO_SCALING}},
        needed=scales,
    ),
)  # fmt: skip
"""Every right, in the order of a policy's statements."""
