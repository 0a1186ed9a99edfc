"""Which call of which service a request is: from its signature, headers, address and form."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

SCOPE = re.compile(r"Credential=[^/]+/[0-9]{8}/[^/]*/([^/]+)/aws4_request")

STYLES = {"s3": "xml", "sts": "query", "iam": "query"}
"""How errors of a service look; all others are JSON."""

OBJECTS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
BUCKETS = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
QUERIES = (
    ("list-type", {"GET": "ListObjectsV2"}),
    ("uploads", {"POST": "CreateMultipartUpload", "GET": "ListMultipartUploads"}),
    ("uploadId", {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload", "GET": "ListParts"}),
    ("delete", {"POST": "DeleteObjects"}),
    ("location", {"GET": "GetBucketLocation"}),
    ("tagging", {"GET": "GetObjectTagging", "PUT": "PutObjectTagging", "DELETE": "DeleteObjectTagging"}),
    ("versioning", {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"}),
    ("versions", {"GET": "ListObjectVersions"}),
    ("attributes", {"GET": "GetObjectAttributes"}),
)  # fmt: skip


class Name(NamedTuple):
    """A service by its signing name, and an operation."""

    service: str
    operation: str

    @property
    def style(self) -> str:
        """The form of its errors."""
        return STYLES.get(self.service, "json")


def name(method: str, address: str, headers: Mapping[str, str], body: bytes) -> Name:
    """The call that a request is; an unsigned one is STS' (AssumeRoleWithWebIdentity) or an anonymous S3 one."""
    parts = urllib.parse.urlsplit(address)
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    scope = SCOPE.search(headers.get("authorization", "")) or SCOPE.search(
        f"Credential={query.get('X-Amz-Credential', '')}"
    )
    form = dict(urllib.parse.parse_qsl(body[:100_000].decode("latin-1"))) if b"Action=" in body[:100_000] else {}
    service = scope[1] if scope else "sts" if "Action" in form else "s3"
    if "x-amz-target" in headers:
        return Name(service, headers["x-amz-target"].rpartition(".")[2])
    if "/operation/" in parts.path:
        return Name(service, parts.path.rpartition("/")[2])
    if service == "sagemaker":
        last = parts.path.rpartition("/")[2]
        return Name(
            service, {"invocations": "InvokeEndpoint", "async-invocations": "InvokeEndpointAsync"}.get(last, last)
        )
    if service == "s3":
        return Name(service, _s3(method, parts.path, query, headers))
    return Name(service, form.get("Action", "Unknown"))


def _s3(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    for key, operations in QUERIES:
        if key in query and method in operations:
            return operations[method]
    bucket, _, key = path.lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    if not key:
        return BUCKETS.get(method, "Unknown")
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "CopyObject"
    return OBJECTS.get(method, "Unknown")
