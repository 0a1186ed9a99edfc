"""Whether a workload has become what it asks for, watched and not slept on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from deployers.base import Step
from deployers.errors import ReleaseFailedError
from deployers.kubernetes.api import Api, Kind
from deployers.kubernetes.diagnosis import hopeless
from deployers.kubernetes.wire import Document, GoneError

LOOK = 3.0
"""Seconds after which we look again though the workload has not changed: at its pods."""

STEP = "rollout"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rollout is; ``failed`` says why it is at its end."""

    ready: int
    wanted: int
    done: bool
    failed: str | None = None


def progress(deployment: Document) -> Progress:
    """By the rules of ``kubectl rollout status`` (kubectl/pkg/polymorphichelpers/rollout_status.go)."""
    spec, status = deployment["spec"], deployment.get("status", {})
    wanted = int(spec.get("replicas", 1))
    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"].get("generation") or 0):
        return Progress(ready=0, wanted=wanted, done=False)
    updated, ready = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    total = int(status.get("replicas") or 0)
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Progress(ready=min(updated, ready), wanted=wanted, done=False, failed=condition.get("message"))
    done = updated >= wanted and total <= updated and ready >= updated
    # Old pods are available too: while they are there, the new ones are what is left of the sum.
    fresh = max(0, min(updated, ready - (total - updated)))
    return Progress(ready=fresh, wanted=wanted, done=done)


Look = Callable[[Document], Progress]
"""How far a workload is, by what it says of itself."""


def await_rollout(
    api: Api, kind: Kind, name: str, labels: Mapping[str, str], *, look: Look, timeout: float
) -> Iterator[Step]:
    """Wait until every pod of the workload is a new one and available, telling how far it is.

    Raises `ReleaseFailedError` with the reason as soon as it cannot get there any more.
    """
    deadline = time.monotonic() + timeout
    told = -1
    while True:
        workload = api.get(kind, name)
        if workload is None:
            raise ReleaseFailedError("it was removed while it rolled out", where=f"{kind.kind} {name}")
        now = look(workload)
        if now.done:
            yield Step(name=STEP, detail=f"{now.ready} of {now.wanted} pods are ready")
            return
        reason = hopeless(api, labels) or now.failed
        if reason is None and time.monotonic() >= deadline:
            reason = f"only {now.ready} of {now.wanted} pods were ready after {timeout:.0f} s"
        if reason is not None:
            raise ReleaseFailedError(
                reason, where=f"{kind.kind} {name}", hint="Below is what the cluster says of its pods."
            )
        if now.ready != told:
            told = now.ready
            detail = f"{now.ready} of {now.wanted} pods are ready"
            yield Step(name=STEP, detail=detail, progress=now.ready / max(1, now.wanted) * 0.99)
        _await_change(api, kind, labels, workload)


def _await_change(api: Api, kind: Kind, labels: Mapping[str, str], workload: Document) -> None:
    """Return at the workload's next change, or after a while."""
    try:
        for _ in api.watch(kind, labels, since=workload["metadata"]["resourceVersion"], seconds=LOOK):
            return
    except GoneError:
        return
