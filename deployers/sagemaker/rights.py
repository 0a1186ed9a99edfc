"""What a deployer asks of AWS, as the statements of an IAM policy, each narrowed as far as AWS lets it be.

A test walks through everything that a deployer does, with every kind of settings, and holds it to this table: whatever
is called has to be here for these settings, and nothing may be here that is never called. Names of actions, resources
and condition keys: https://docs.aws.amazon.com/service-authorization/latest/reference/.

SageMaker's own objects are narrowed by the tag that says whose target they are, since their names begin with the
artifact's; objects in S3 by the target's prefix, images by the repository, alarms by their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployers.sagemaker.needs import (
    Right,
    anything,
    by_alias,
    has_components,
    is_asynchronous,
    makes_repositories,
    names_a_container,
    new,
    ours,
    pushes,
    scales,
    watches,
    watches_logs,
)
from deployers.sagemaker.places import Place

AUTO_SCALING = "sagemaker.application-autoscaling.amazonaws.com"
"""Whose role Application Auto Scaling makes for itself at the first scaling of an account."""

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
