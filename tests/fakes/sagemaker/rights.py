"""Which of IAM's actions a call needs: not always its own name, and sometimes more than one.

After AWS' service authorization reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

PREFIXES = {"monitoring": "cloudwatch"}
"""Services whose signing name is not the prefix of their actions."""

S3 = {
    "HeadObject": "GetObject",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "DeleteObjects": "DeleteObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions",
}
"""S3's operations whose action is called otherwise."""


def needed(service: str, operation: str, given: Document) -> tuple[str, ...]:
    """The actions that a policy must allow for a call; the one that bears its name comes first."""
    prefix = PREFIXES.get(service, service)
    first = f"{prefix}:{S3.get(operation, operation) if service == 's3' else operation}"
    more = []
    if service == "sagemaker":
        if operation.startswith("Create") and given.get("Tags"):
            more.append("sagemaker:AddTags")
        if "ExecutionRoleArn" in given:
            more.append("iam:PassRole")
    return (first, *more)
