"""What invocations leave in CloudWatch, and which alarms that sets off.

SageMaker counts every invocation as 0 or 1 in Invocation4XXErrors and Invocation5XXErrors, and tells latencies in
microseconds, by endpoint and variant, and during a deployment by configuration too (AWS, "Monitor SageMaker with
CloudWatch", "Auto-Rollback Configuration and Monitoring"). All since the deployment began is one period here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

Document = dict[str, Any]

NAMESPACE = "AWS/SageMaker"

COMPARISONS = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}

EQUAL = re.compile(r'\{\s*\$\.(\w+)\s*=\s*"([^"]*)"\s*\}')
"""The one kind of filter pattern that is understood: a member of a line of JSON has a value."""


class Logs(Protocol):
    """What is asked of CloudWatch's logs (`moto.Moto`)."""

    def metric_filters(self, namespace: str, metric: str) -> list[tuple[str, str]]:
        """What makes a metric of logs: the group and the pattern of each filter."""

    def lines(self, group: str) -> list[str]:
        """The lines of a group of logs."""


class Invocation(NamedTuple):
    """One answer of a container. ``at``: the account's moment; ``seconds``: that it took."""

    endpoint: str
    variant: str
    config: str
    status: int
    seconds: float
    at: float

    def values(self) -> dict[str, float]:
        """What it counts for."""
        return {
            "Invocations": 1.0,
            "Invocation4XXErrors": float(400 <= self.status < 500),
            "Invocation5XXErrors": float(self.status >= 500),
            "InvocationModelErrors": float(self.status != 200),
            "ModelLatency": self.seconds * 1e6,
        }

    def dimensions(self) -> list[dict[str, str]]:
        """The sets of dimensions that it is counted under."""
        least = {"EndpointName": self.endpoint, "VariantName": self.variant}
        return [least, {**least, "EndpointConfigName": self.config}]


def gone_off(alarms: Iterable[Document], invocations: list[Invocation], logs: Logs) -> list[str]:
    """The alarms that these invocations, and the lines in the logs, set off."""
    return [alarm["AlarmName"] for alarm in alarms if _rings(alarm, _data(alarm, invocations, logs))]


def _data(alarm: Document, invocations: list[Invocation], logs: Logs) -> list[float]:
    metric = alarm.get("MetricName", "")
    if alarm.get("Namespace") != NAMESPACE:
        found = logs.metric_filters(alarm.get("Namespace", ""), metric)
        return [1.0 for group, pattern in found for line in logs.lines(group) if _matches(pattern, line)]
    wanted = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
    return [each.values()[metric] for each in invocations if wanted in each.dimensions() and metric in each.values()]


def _matches(pattern: str, line: str) -> bool:
    match = EQUAL.fullmatch(pattern.strip())
    assert match, f"the fake understands no pattern like {pattern}"
    try:
        return bool(json.loads(line).get(match[1]) == match[2])
    except (ValueError, AttributeError):
        return False


def _rings(alarm: Document, data: list[float]) -> bool:
    if not data:
        return alarm.get("TreatMissingData") == "breaching"
    return bool(COMPARISONS[alarm["ComparisonOperator"]](_statistic(alarm, data), alarm["Threshold"]))


def _statistic(alarm: Document, data: list[float]) -> float:
    ways = {
        "Sum": sum,
        "Average": lambda each: sum(each) / len(each),
        "SampleCount": len,
        "Maximum": max,
        "Minimum": min,
    }
    if "Statistic" in alarm:
        return float(ways[alarm["Statistic"]](data))
    percentile = float(alarm["ExtendedStatistic"].removeprefix("p")) / 100
    return sorted(data)[max(math.ceil(percentile * len(data)) - 1, 0)]
