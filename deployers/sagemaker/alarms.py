"""Alarms that Tagboat makes: they look at the new instances of a deployment, and bring the old ones back.

Metrics of SageMaker's own, in the namespace AWS/SageMaker, are told apart by EndpointConfigName while old and new
instances run side by side (AWS, "Auto-Rollback Configuration and Monitoring"). What only our server knows, exceptions
of the model, is counted in its log by a metric filter.
"""

from __future__ import annotations

from typing import Any

from deployers.sagemaker.options import Watch

PERIOD = 60
"""Seconds of one measurement."""

NAMESPACE = "AWS/SageMaker"
OWN_NAMESPACE = "Tagboat/SageMaker"
FAILURES = "ModelFailures"
"""Our own metric: exceptions of the model, by endpoint."""

LOG_GROUP = "/aws/sagemaker/Endpoints/"
"""Where an endpoint's containers write to; the endpoint's name follows."""

PATTERN = '{ $.event = "model-failed" }'
"""The lines of the server's log that count (docs/serving/operations.md)."""

MICROSECONDS = 1_000_000
"""SageMaker tells latencies in microseconds."""

Request = dict[str, Any]


def names(slot_name: str, watch: Watch | None) -> list[str]:
    """The alarms that there are for a slot, by name, in a fixed order."""
    return [f"tagboat-{slot_name}-{what}" for what in _watched(watch)]


def requests(slot_name: str, watch: Watch | None, *, endpoint: str, config: str, variant: str) -> list[Request]:
    """What PutMetricAlarm takes for each, but the tags."""
    return [
        {
            "AlarmName": f"tagboat-{slot_name}-{what}",
            "AlarmDescription": f"{said}, of the newest release on endpoint {endpoint}. Made by Tagboat.",
            "ActionsEnabled": False,
            **_metric(what, endpoint, config, variant),
            "Period": PERIOD,
            "EvaluationPeriods": watch.minutes if watch else 1,
            "DatapointsToAlarm": watch.minutes if watch else 1,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        for what, (said, threshold) in _watched(watch).items()
    ]


def metric_filter(watch: Watch | None, *, endpoint: str) -> Request | None:
    """What PutMetricFilter takes, where the server's log is watched. Its name is the endpoint's."""
    if watch is None or watch.model_failures is None:
        return None
    return {
        "filterName": endpoint,
        "logGroupName": f"{LOG_GROUP}{endpoint}",
        "filterPattern": PATTERN,
        "metricTransformations": [
            # Without a default there is nothing to pay for while nothing fails, and missing data rings no alarm.
            {"metricName": f"{FAILURES}-{endpoint}", "metricNamespace": OWN_NAMESPACE, "metricValue": "1"}
        ],
    }


def _watched(watch: Watch | None) -> dict[str, tuple[str, float]]:
    """What is watched: what a person reads of it, and the value above which an alarm rings."""
    found: dict[str, tuple[str, float]] = {}
    if watch is None:
        return found
    if watch.errors is not None:
        found["errors"] = (f"More than {watch.errors:g} % answers of 5xx", watch.errors / 100)
    if watch.refusals is not None:
        found["refusals"] = (f"More than {watch.refusals:g} % answers of 4xx", watch.refusals / 100)
    if watch.latency is not None:
        found["latency"] = (f"99th percentile over {watch.latency:g} s", watch.latency * MICROSECONDS)
    if watch.model_failures is not None:
        found["model-failures"] = (f"More than {watch.model_failures} exceptions a minute", float(watch.model_failures))
    return found


def _metric(what: str, endpoint: str, config: str, variant: str) -> Request:
    if what == "model-failures":
        return {"Namespace": OWN_NAMESPACE, "MetricName": f"{FAILURES}-{endpoint}", "Statistic": "Sum"}
    dimensions = {"EndpointName": endpoint, "VariantName": variant, "EndpointConfigName": config}
    found: Request = {
        "Namespace": NAMESPACE,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }
    if what == "latency":
        return {**found, "MetricName": "ModelLatency", "ExtendedStatistic": "p99"}
    metric = "Invocation5XXErrors" if what == "errors" else "Invocation4XXErrors"
    # Each invocation counts 0 or 1, so that the average is the share of them.
    return {**found, "MetricName": metric, "Statistic": "Average"}
