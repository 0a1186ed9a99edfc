"""One run at a time: a Lease of the cluster, renewed while the run works, taken over once it has expired.

A lease counts as expired when we have seen it unchanged for its whole duration, as client-go's leader election has it
(tools/leaderelection: the clocks of two runners need not agree), or when by our clock it is over by half of that more.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import time
from collections.abc import Callable, Iterator

from deployers.base import Slot
from deployers.errors import LeaseHeldError
from deployers.kubernetes import names
from deployers.kubernetes.api import LEASE, Api
from deployers.kubernetes.wire import ConflictError, Document
from deployers.renewal import Renewal

DURATION = 60.0
"""Seconds after which a lease that nobody renews may be taken over; it is renewed four times as often."""

SKEW = 0.5
"""By how much of its duration a lease must be over where only the clock tells."""


class KubernetesLease:
    """A lease that we hold."""

    def __init__(self, api: Api, document: Document, duration: float) -> None:
        self.api = api
        self.document = document
        self.renewal = Renewal(self._write, duration=duration, where=f"Lease {document['metadata']['name']}")

    def renew(self) -> None:
        """Prolong the lease now, where the last time was long ago. Raises `LeaseHeldError` once it is lost."""
        self.renewal.renew()

    def _write(self) -> None:
        try:
            self.document = self.api.replace(self._prolonged(self.document))
        except ConflictError:
            # A write whose answer was lost has changed the version, and the lease is ours all the same.
            found = self.api.get(LEASE, self.document["metadata"]["name"])
            if found is None or found["spec"].get("holderIdentity") != self.document["spec"]["holderIdentity"]:
                raise
            self.document = self.api.replace(self._prolonged(found))

    def _prolonged(self, document: Document) -> Document:
        return {**document, "spec": {**document["spec"], "renewTime": _now()}}

    def release(self) -> None:
        """Let go of it, so that the next run need not wait."""
        self.renewal.stop(self._let_go)

    def _let_go(self) -> None:
        spec = {**self.document["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        self.api.replace({**self.document, "spec": spec})


@contextlib.contextmanager
def lease(
    api: Api, slot: Slot, *, patience: float, sleep: Callable[[float], None], duration: float = DURATION
) -> Iterator[KubernetesLease]:
    """Hold the slot's lease; waits up to ``patience`` seconds for one whose holder may have died.

    Raises `LeaseHeldError`, naming the owner, when another run is at work.
    """
    held = _acquire(api, slot, patience=patience, sleep=sleep, duration=duration)
    held.renewal.start()
    try:
        yield held
    finally:
        held.release()


def _acquire(
    api: Api, slot: Slot, *, patience: float, sleep: Callable[[float], None], duration: float
) -> KubernetesLease:
    name = f"tagboat-{names.slot_name(slot)}"
    holder = f"{platform.node() or 'unknown'}/{os.getpid()}/{os.urandom(4).hex()}"
    began = seen_at = time.monotonic()
    seen: str | None = None
    while True:
        found = api.get(LEASE, name)
        document = _document(api, slot, name, holder, duration)
        try:
            if found is None:
                return KubernetesLease(api, api.create(document), duration)
            version, spec = found["metadata"]["resourceVersion"], found.get("spec", {})
            if version != seen:
                seen, seen_at = version, time.monotonic()
            if not _is_free(spec, time.monotonic() - seen_at):
                if time.monotonic() - began >= patience:
                    raise LeaseHeldError(
                        f"another run is at work on {slot}: {spec['holderIdentity']}, last heard of at "
                        f"{spec.get('renewTime')}",
                        where=f"Lease {name}",
                        hint="Wait for it to end, then run the same command again; the lease of one that has died "
                        f"is free after {spec.get('leaseDurationSeconds')} seconds.",
                    )
                sleep(min(1.0, duration / 8))
                continue
            document["metadata"]["resourceVersion"] = version
            document["spec"]["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
            return KubernetesLease(api, api.replace(document), duration)
        except ConflictError:
            continue


def _is_free(spec: Document, unchanged: float) -> bool:
    """Whether nobody holds a lease any more. ``unchanged``: seconds for which we have seen it as it is."""
    if not spec.get("holderIdentity"):
        return True
    duration = float(spec.get("leaseDurationSeconds") or DURATION)
    try:
        renewed = datetime.datetime.fromisoformat(str(spec.get("renewTime")))
    except ValueError:
        return unchanged > duration
    age = (datetime.datetime.now(datetime.UTC) - renewed).total_seconds()
    return unchanged > duration or age > duration * (1 + SKEW)


def _document(api: Api, slot: Slot, name: str, holder: str, duration: float) -> Document:
    now = _now()
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": api.namespace, "labels": names.slot_labels(slot)},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, int(duration)),
            "acquireTime": now,
            "renewTime": now,
        },
    }


def _now() -> str:
    """The time as MicroTime has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
