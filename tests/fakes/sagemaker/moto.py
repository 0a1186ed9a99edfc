"""moto's server as a process: S3, STS, IAM, ECR, CloudWatch and its logs, application-autoscaling."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes.sagemaker.store import REGION

CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


TARGETS = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}


class Moto:
    """A running server, and clients of it for what SageMaker itself asks of other services."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.lock = threading.Lock()
        self.written: set[tuple[str, str]] = set()

    @functools.cached_property
    def session(self) -> Any:
        """Of dummy credentials."""
        import boto3

        return boto3.Session(**CREDENTIALS, region_name=REGION)

    def client(self, service: str) -> Any:
        """A client that talks to moto alone, made once."""
        with self.lock:
            clients: dict[str, Any] = self.__dict__.setdefault("clients", {})
            if service not in clients:
                clients[service] = self.session.client(service, endpoint_url=self.address)
            return clients[service]

    def reset(self) -> None:
        """Forget everything."""
        self.written.clear()
        with urllib.request.urlopen(urllib.request.Request(f"{self.address}/moto-api/reset", method="POST")) as answer:
            assert answer.status == 200

    def holds(self, uri: str) -> bool:
        """Whether S3 has an object, or for a folder any object."""
        where = urllib.parse.urlsplit(uri)
        key = where.path.lstrip("/")
        try:
            found = self.client("s3").list_objects_v2(Bucket=where.netloc, Prefix=key)
        except self.client("s3").exceptions.NoSuchBucket:
            return False
        return any(key.endswith("/") or each["Key"] == key for each in found.get("Contents", []))

    def read(self, uri: str) -> bytes | None:
        """An object, or None."""
        where = urllib.parse.urlsplit(uri)
        if not self.holds(uri):
            return None
        content: bytes = self.client("s3").get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read()
        return content

    def under(self, uri: str) -> Iterator[tuple[str, bytes]]:
        """The objects of a folder, by what follows it in their keys."""
        where = urllib.parse.urlsplit(uri)
        prefix = where.path.lstrip("/")
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=where.netloc, Prefix=prefix)
        for key in [each["Key"] for page in pages for each in page.get("Contents", [])]:
            yield key.removeprefix(prefix), self.client("s3").get_object(Bucket=where.netloc, Key=key)["Body"].read()

    def write(self, uri: str, content: bytes) -> None:
        """Put an object."""
        where = urllib.parse.urlsplit(uri)
        self.client("s3").put_object(Bucket=where.netloc, Key=where.path.lstrip("/"), Body=content)

    def may_assume(self, arn: str) -> bool:
        """Whether IAM has a role, and its trust policy names SageMaker."""
        iam = self.client("iam")
        try:
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
        except iam.exceptions.NoSuchEntityException:
            return False
        return role["Arn"] == arn and "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])

    def scaled(self, endpoint: str) -> set[str]:
        """The variants of an endpoint that are scalable targets."""
        found = self.client("application-autoscaling").describe_scalable_targets(**TARGETS)["ScalableTargets"]
        prefix = f"endpoint/{endpoint}/variant/"
        return {each["ResourceId"].removeprefix(prefix) for each in found if each["ResourceId"].startswith(prefix)}

    def scale_no_more(self, endpoint: str) -> None:
        """Deregister an endpoint's variants; their policies go with them."""
        for variant in self.scaled(endpoint):
            name = f"endpoint/{endpoint}/variant/{variant}"
            self.client("application-autoscaling").deregister_scalable_target(ResourceId=name, **TARGETS)

    def alarms(self, names: list[str]) -> list[dict[str, Any]]:
        """CloudWatch's alarms, those that exist."""
        found: list[dict[str, Any]] = self.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        return found

    def ring(self, name: str, reason: str) -> None:
        """Set off an alarm."""
        self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=reason)

    def metric_filters(self, namespace: str, metric: str) -> list[tuple[str, str]]:
        """What makes a metric of logs: the group and the pattern of each filter."""
        found = self.client("logs").describe_metric_filters(metricNamespace=namespace, metricName=metric)
        return [(each["logGroupName"], each["filterPattern"]) for each in found["metricFilters"]]

    def lines(self, group: str) -> list[str]:
        """The lines of a group of logs."""
        logs = self.client("logs")
        try:
            return [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def log(self, group: str, stream: str, lines: list[str]) -> None:
        """Write lines into CloudWatch's logs."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
        logs = self.client("logs")
        if (group, stream) not in self.written:
            self._make_stream(group, stream)
        try:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        except logs.exceptions.ResourceNotFoundException:  # somebody has deleted it
            self._make_stream(group, stream)
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def _make_stream(self, group: str, stream: str) -> None:
        logs = self.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        self.written.add((group, stream))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Moto]:
    """A server on a port of its own, for as long as the block runs; what it says is in moto.log."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("moto_process.py"))]
    pipe = subprocess.PIPE
    with (
        (folder / "moto.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=log, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), (folder / "moto.log").read_text()
            yield Moto(address)
        finally:
            process.stdin.close()
            process.wait(10)
