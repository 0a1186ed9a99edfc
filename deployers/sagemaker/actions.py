"""What IAM calls what we do, which is not always the operation's own name.

Source: the Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIXES = {"sagemaker-runtime": "sagemaker"}
"""IAM's prefix of a service, where it is not botocore's name."""

RENAMED = {
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:DeleteObjects": "s3:DeleteObject",
}
"""S3's permissions are of objects and buckets, not of operations."""

TAGGING = {
    "sagemaker": "sagemaker:AddTags",
    "ecr": "ecr:TagResource",
    "cloudwatch": "cloudwatch:TagResource",
    "application-autoscaling": "application-autoscaling:TagResource",
}
"""What a call that makes something with tags needs besides."""

IMPLIED = {
    # "Application Auto Scaling identity-based policy examples", and the developer guide's "Auto scaling prerequisites".
    "application-autoscaling:RegisterScalableTarget": {
        "iam:CreateServiceLinkedRole", "sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig",
    },
    "application-autoscaling:PutScalingPolicy": {
        "cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms",
    },
}  # fmt: skip
"""What a service does in the caller's name beyond the call itself."""

DIMENSIONS = {
    "sagemaker:variant:DesiredInstanceCount": "sagemaker:UpdateEndpointWeightsAndCapacities",
    "sagemaker:variant:DesiredProvisionedConcurrency": "sagemaker:UpdateEndpointWeightsAndCapacities",
    "sagemaker:inference-component:DesiredCopyCount": "sagemaker:UpdateInferenceComponentRuntimeConfig",
}
"""What Application Auto Scaling calls in the caller's name, by what it scales."""

FREE = frozenset({"sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"})
"""What anybody may do."""


def action_of(service: str, operation: str) -> str:
    """IAM's action for an operation; ``service`` as botocore names it."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return RENAMED.get(action, action)


def actions_of(service: str, operation: str, arguments: Mapping[str, Any]) -> set[str]:
    """Every action that a call with these arguments needs, what it passes on and tags included."""
    needed = {action_of(service, operation)} - FREE
    tags = any(arguments.get(name) for name in ("Tags", "tags"))
    if tags and service in TAGGING:
        needed.add(TAGGING[service])
    if arguments.get("ExecutionRoleArn"):
        needed.add("iam:PassRole")
    if arguments.get("KmsKeyId"):
        needed.add("kms:CreateGrant")
    scaled = DIMENSIONS.get(arguments.get("ScalableDimension", "")) if operation == "RegisterScalableTarget" else None
    if scaled is not None:
        needed.add(scaled)
    return needed | IMPLIED.get(action_of(service, operation), set())
