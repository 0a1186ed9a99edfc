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


class CloudWatch(Protocol):
    """What is asked of CloudWatch, and of its logs (`moto.Moto`)."""

    def alarms(self, names: list[str]) -> list[Document]:
        """The alarms of these names that exist."""

    def ring(self, name: str, reason: str) -> None:
        """Set off an alarm."""

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
    component: str | None = None

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
        found = [least, {**least, "EndpointConfigName": self.config}]
        return [*found, {"InferenceComponentName": self.component}] if self.component else found


def guards(deployment: Document | None) -> list[str]:
    """The alarms that are watched during a deployment, by name."""
    watched = (deployment or {}).get("AutoRollbackConfiguration", {}).get("Alarms", [])
    return [each["AlarmName"] for each in watched]


def ringing(deployment: Document | None, invocations: list[Invocation], cloudwatch: CloudWatch) -> str | None:
    """Which of a deployment's alarms are ringing, in a sentence; those that the invocations set off do from now on."""
    names = guards(deployment)
    alarms = cloudwatch.alarms(names) if names else []
    new = gone_off(alarms, invocations, cloudwatch)
    for name in new:
        cloudwatch.ring(name, "the endpoint's traffic")
    off = sorted({each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"} | set(new))
    if not off:
        return None
    return f"One or more CloudWatch alarms were in ALARM state during the deployment: [{', '.join(off)}]"


def gone_off(alarms: Iterable[Document], invocations: list[Invocation], logs: CloudWatch) -> list[str]:
    """The alarms that these invocations, and the lines in the logs, set off."""
    return [alarm["AlarmName"] for alarm in alarms if _rings(alarm, _data(alarm, invocations, logs))]


def _data(alarm: Document, invocations: list[Invocation], logs: CloudWatch) -> list[float]:
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
