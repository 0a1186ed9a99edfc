"""Why an endpoint did not come up, in the words that a person would look for: SageMaker's, then the container's own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from deployers.errors import TagboatError
from deployers.sagemaker.reasons import advice
from deployers.sagemaker.refusals import NotFoundError
from deployers.sagemaker.wire import Amazon

LOG_GROUP = "/aws/sagemaker/Endpoints/"
"""Where SageMaker keeps what containers write: a group for each endpoint, a stream for each instance of a variant.

https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
"""

COMPONENT_LOG_GROUP = "/aws/sagemaker/InferenceComponents/"
"""The same for inference components."""

LOG_LINES = 50
LONGEST_LINE = 500
SKEW = 120.0
"""Seconds by which the runner's clock may be ahead of AWS's."""

STREAMS = 20
"""So many of the streams written last are looked at for the one of the newest instance."""


def explain(amazon: Amazon, endpoint: str, *, since: float | None = None) -> list[str]:
    """All that is told of an endpoint: its state and why, what to do, and the last lines of its newest container.

    ``since``: Unix seconds; of containers that were started before, nothing is shown. What can't be read (no such
    endpoint, no right to the logs) is said in its place, and stops nothing.
    """
    try:
        described = amazon.call(amazon.sagemaker.describe_endpoint, EndpointName=endpoint)
    except NotFoundError:
        return [f"there is no endpoint {endpoint}"]
    except TagboatError as error:
        return [f"endpoint {endpoint} can't be looked at: {error.message}"]
    found = [f"endpoint {endpoint}: {described.get('EndpointStatus')}"]
    reason = described.get("FailureReason")
    if reason:
        found += [f"SageMaker says: {_line(reason)}", f"What to do: {advice(reason)}"]
    return [*found, *_variants(described), *log_lines(amazon, endpoint, since=since)]


def explain_component(amazon: Amazon, component: str, *, since: float | None = None) -> list[str]:
    """The same of an inference component, whose containers have a log group of their own."""
    try:
        described = amazon.call(amazon.sagemaker.describe_inference_component, InferenceComponentName=component)
    except NotFoundError:
        return [f"there is no inference component {component}"]
    except TagboatError as error:
        return [f"inference component {component} can't be looked at: {error.message}"]
    found = [f"inference component {component}: {described.get('InferenceComponentStatus')}"]
    reason = described.get("FailureReason")
    if reason:
        found += [f"SageMaker says: {_line(reason)}", f"What to do: {advice(reason)}"]
    return [*found, *log_lines(amazon, component, since=since, groups=COMPONENT_LOG_GROUP)]


def log_lines(amazon: Amazon, endpoint: str, *, since: float | None = None, groups: str = LOG_GROUP) -> list[str]:
    """The last lines that the newest container of an endpoint wrote, under a heading; or why there are none."""
    group = f"{groups}{endpoint}"
    try:
        stream = _newest_stream(amazon, group, since)
        if stream is None:
            return [f"no container has written anything to {group}"]
        events = amazon.call(
            amazon.logs.get_log_events,
            logGroupName=group,
            logStreamName=stream,
            limit=LOG_LINES,
            startFromHead=False,
        )["events"]
    except NotFoundError:
        return [f"no container has written anything: there is no log group {group}"]
    except TagboatError as error:
        return [f"the log {group} can't be read: {error.message}"]
    lines = [line for event in events for line in str(event["message"]).splitlines()][-LOG_LINES:]
    return [f"the last lines of {group}, {stream}:", *(f"    {_line(line)}" for line in lines)]


def _newest_stream(amazon: Amazon, group: str, since: float | None) -> str | None:
    """The stream of the container that was started last.

    An update runs new containers beside the old ones, which go on writing: who wrote last tells nothing. Those with
    a third part (``…/data-log``, of asynchronous endpoints) are SageMaker's own.
    """
    answer = amazon.call(
        amazon.logs.describe_log_streams,
        logGroupName=group,
        orderBy="LastEventTime",
        descending=True,
        limit=STREAMS,
    )
    streams: Sequence[dict[str, Any]] = [
        each for each in answer["logStreams"] if each["logStreamName"].count("/") < 2
    ]  # fmt: skip
    newer = [each for each in streams if since is None or each.get("creationTime", 0) >= (since - SKEW) * 1000]
    newest = max(newer, key=lambda each: each.get("creationTime", 0), default=None)
    return None if newest is None else str(newest["logStreamName"])


def _variants(described: dict[str, Any]) -> list[str]:
    """What each variant is waiting for, and how many instances it has of those it should have."""
    found = []
    pending = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    for variant in (*pending, *described.get("ProductionVariants", [])):
        with contextlib.suppress(KeyError):
            said = [
                f"{status['Status']} {status.get('StatusMessage', '')}".strip() for status in variant["VariantStatus"]
            ]
            found.append(f"variant {variant['VariantName']}: {', '.join(said)}")
        has, wants = variant.get("CurrentInstanceCount"), variant.get("DesiredInstanceCount")
        if has is not None and wants is not None and has != wants:
            found.append(f"variant {variant['VariantName']}: {has} of {wants} instances are there")
    return found


def _line(text: str) -> str:
    plain = " ".join(str(text).split())
    return plain if len(plain) <= LONGEST_LINE else f"{plain[:LONGEST_LINE]}…"
