"""What stands beside an endpoint in other services: alarms, a metric filter, scaling. Each is written over in place.

They bear names that follow from the slot's. An alarm carries the slot's tag; a metric filter lies in the log group of
the slot's own endpoint, and what scales that endpoint belongs to it. A slot's record tells which of them we have made,
so that scaling which somebody else has set up is left alone as long as the target asks for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployers.base import JSON
from deployers.sagemaker import alarms, scaling
from deployers.sagemaker.kinds import ALARM, METRIC_FILTER, SCALABLE_TARGET, SCALING_POLICY, Kind
from deployers.sagemaker.refusals import ExistsError, NotFoundError
from deployers.sagemaker.wire import Amazon

Found = Mapping[str, Any]

ALARM_MEMBERS = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "MetricName", "Namespace", "Statistic", "ExtendedStatistic",
    "Dimensions", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator",
    "TreatMissingData",
)  # fmt: skip
TARGET_MEMBERS = ("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity")
POLICY_MEMBERS = (
    "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType",
    "TargetTrackingScalingPolicyConfiguration",
)  # fmt: skip
FILTER_MEMBERS = ("filterName", "logGroupName", "filterPattern", "metricTransformations")


class Companions:
    """Those of one target."""

    def __init__(self, amazon: Amazon) -> None:
        self.amazon = amazon

    def find(self, kind: Kind, name: str) -> dict[str, JSON] | None:
        """One of them in the shape of the request that makes it, or None."""
        found, members = self._described(kind, name)
        return {member: found[member] for member in members if member in found} if found is not None else None

    def tags(self, kind: Kind, name: str) -> dict[str, str] | None:
        """An alarm's tags; none of what has none, and None where it is not there."""
        found, _ = self._described(kind, name)
        if found is None:
            return None
        if kind is not ALARM:
            return {}
        listed = self.amazon.call(self.amazon.cloudwatch.list_tags_for_resource, ResourceARN=found["AlarmArn"])
        return {each["Key"]: each["Value"] for each in listed["Tags"]}

    def put(self, kind: Kind, request: Mapping[str, JSON]) -> None:
        """Make one, or write it over."""
        if kind is METRIC_FILTER:
            self._log_group(str(request["logGroupName"]))
        self.amazon.call(getattr(self._client(kind), kind.create), **request)

    def delete(self, kind: Kind, name: str) -> None:
        """End one that is there."""
        found, _ = self._described(kind, name)
        if found is None:
            return
        scaled = {member: found[member] for member in TARGET_MEMBERS[:3] if member in found}
        by_kind: dict[Kind, dict[str, Any]] = {
            ALARM: {"AlarmNames": [name]},
            METRIC_FILTER: {"filterName": name, "logGroupName": f"{alarms.LOG_GROUP}{name}"},
            SCALABLE_TARGET: scaled,
            SCALING_POLICY: {"PolicyName": name, **scaled},
        }
        self.amazon.call(getattr(self._client(kind), kind.delete), **by_kind[kind])

    def _described(self, kind: Kind, name: str) -> tuple[Found | None, tuple[str, ...]]:
        if kind is METRIC_FILTER:
            return self._filter(name), FILTER_MEMBERS
        asked: dict[str, Any]
        members: tuple[str, ...]
        if kind is ALARM:
            asked = {"AlarmNames": [name], "AlarmTypes": ["MetricAlarm"]}
            listing, members = "MetricAlarms", ALARM_MEMBERS
        elif kind is SCALABLE_TARGET:
            asked = {"ServiceNamespace": scaling.SERVICE, "ResourceIds": [name]}
            listing, members = "ScalableTargets", TARGET_MEMBERS
        else:
            asked = {"ServiceNamespace": scaling.SERVICE, "ResourceId": name, "PolicyNames": [name]}
            listing, members = "ScalingPolicies", POLICY_MEMBERS
        answer = self.amazon.call(getattr(self._client(kind), kind.describe), **asked)
        return next(iter(answer.get(listing) or ()), None), members

    def _filter(self, name: str) -> Found | None:
        try:
            answer = self.amazon.call(
                self.amazon.logs.describe_metric_filters,
                logGroupName=f"{alarms.LOG_GROUP}{name}",
                filterNamePrefix=name,
            )
        except NotFoundError:
            return None
        return next((each for each in answer.get("metricFilters") or () if each["filterName"] == name), None)

    def _log_group(self, name: str) -> None:
        """SageMaker makes it with the first line; a filter needs it before."""
        try:
            self.amazon.call(self.amazon.logs.create_log_group, logGroupName=name)
        except ExistsError:
            return

    def _client(self, kind: Kind) -> Any:
        return {ALARM: self.amazon.cloudwatch, METRIC_FILTER: self.amazon.logs}.get(kind) or self.amazon.scaling
