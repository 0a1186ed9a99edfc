"""Why pods do not come up, in the words that a person would look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployers.kubernetes.api import EVENT, POD, REPLICA_SET, Api
from deployers.kubernetes.wire import Document

LOG_LINES = 50

HOPELESS = {
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
}
"""Reasons for which a container waits and that no waiting mends."""

CRASHES = 2
"""So often may a container crash before the release counts as broken."""


def hopeless(api: Api, labels: Mapping[str, str]) -> str | None:
    """The reason why no pod of a workload will come up by itself, or None."""
    for pod in api.objects(POD, labels):
        for container in _containers(pod):
            waiting = container.get("state", {}).get("waiting") or {}
            ended = (container.get("lastState", {}) or {}).get("terminated") or {}
            if waiting.get("reason") in HOPELESS:
                return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
            # One that is ready has come back by itself, however often it crashed before.
            if container.get("restartCount", 0) >= CRASHES and ended and not container.get("ready"):
                return _end(ended, container)
    for replica_set in api.objects(REPLICA_SET, labels):
        for condition in replica_set.get("status", {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True" and _wants_pods(replica_set):
                return str(condition.get("message") or condition.get("reason"))
    return None


def reasons(api: Api, labels: Mapping[str, str]) -> list[str]:
    """All that is told of a workload's pods: how each fares, its events, and the last lines of one that crashed."""
    found: list[str] = []
    pods = api.objects(POD, labels)
    logged = False
    for pod in pods:
        name = pod["metadata"]["name"]
        found += [f"pod {name}: {text}" for text in (*_states(pod), *_events(api, name))]
        for container in _containers(pod):
            crashed = bool((container.get("lastState", {}) or {}).get("terminated"))
            if logged or container.get("ready"):
                continue
            lines = api.log(name, container["name"], lines=LOG_LINES, previous=crashed)
            if not lines and crashed:
                lines = api.log(name, container["name"], lines=LOG_LINES)
            if lines:
                logged = True
                found.append(f"pod {name}: the last lines of its log:")
                found += [f"    {line}" for line in lines]
    for replica_set in api.objects(REPLICA_SET, labels):
        for condition in replica_set.get("status", {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                found.append(str(condition.get("message") or condition.get("reason")))
    return found


def _states(pod: Document) -> Sequence[str]:
    found = [
        f"{condition.get('reason')}: {condition.get('message')}"
        for condition in pod.get("status", {}).get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("state", {}).get("terminated") or (container.get("lastState", {}) or {}).get("terminated")
        if waiting:
            found.append(f"{waiting.get('reason')}: {waiting.get('message', '')}".strip(": "))
        if ended:
            found.append(_end(ended, container))
        elif not container.get("ready") and container.get("state", {}).get("running"):
            found.append("it runs and is not ready")
    return found


def _end(ended: Document, container: Document) -> str:
    reason = ended.get("reason") or "ended"
    memory = " (its memory limit is too low)" if reason == "OOMKilled" else ""
    return (
        f"{reason}{memory}: exit code {ended.get('exitCode')}, {container.get('restartCount', 0)} restarts of the "
        f"container {container['name']}"
    )


def _events(api: Api, pod: str) -> Sequence[str]:
    events = api.objects(EVENT, fields=f"involvedObject.name={pod}")
    warnings = [event for event in events if event.get("type") == "Warning"]
    warnings.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [f"{event.get('reason')}: {event.get('message')}" for event in warnings[-3:]]


def _containers(pod: Document) -> Sequence[Document]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _wants_pods(replica_set: Document) -> bool:
    return int(replica_set.get("status", {}).get("replicas") or 0) < int(replica_set["spec"].get("replicas") or 0)
