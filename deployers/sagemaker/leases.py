"""One run at a time: an object in the bucket, written under the condition that nobody else has written it meanwhile.

    leases/<artifact>/<stage>/<target>.json     {"owner": …, "duration": seconds, "since": …}

Its age is told by S3, which keeps the times of writing: so no two runners' clocks need to agree. S3's conditional
writes (If-None-Match, If-Match) make exactly one of several runs the owner. An ended run leaves the object without an
owner; the next one takes it over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Protocol
from urllib.parse import quote

import msgspec

from deployers.base import Slot
from deployers.errors import LeaseHeldError, UnreachableError
from deployers.renewal import Renewal
from deployers.sagemaker.bucket import Kept
from deployers.sagemaker.refusals import ConflictError

DURATION = 60.0
"""Seconds after which a lease that nobody renews may be taken over; it is renewed four times as often."""

LONGEST = 700
"""Characters of a key's readable part; S3 takes 1024 bytes with the prefix."""

GRAIN = 1.0
"""Seconds: S3 tells times in whole ones."""


class Objects(Protocol):
    """Of a bucket, what a lease needs; see `bucket.Bucket`."""

    def get(self, key: str) -> Kept | None:
        """An object, or None."""

    def put(self, key: str, content: bytes, *, matching: str | None) -> str:
        """Write it where it has that version, or with None is not there. Raises `ConflictError`."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as it is written. ``owner``: empty once it was let go; ``since``: by the owner's clock, for people."""

    owner: str
    duration: float
    since: float


class S3Lease:
    """A lease that we hold."""

    def __init__(self, bucket: Objects, key: str, holding: Holding, version: str) -> None:
        self.bucket = bucket
        self.key = key
        self.holding = holding
        self.version = version
        self.renewal = Renewal(self._write, duration=holding.duration, where=key)

    def renew(self) -> None:
        """Prolong the lease now, where the last time was long ago. Raises `LeaseHeldError` once it is lost."""
        self.renewal.renew()

    def _write(self) -> None:
        content = msgspec.json.encode(self.holding)
        try:
            self.version = self.bucket.put(self.key, content, matching=self.version)
        except ConflictError:
            # A write whose answer was lost has changed the version, and the lease is ours all the same.
            found = self.bucket.get(self.key)
            if found is None or _read(found).owner != self.holding.owner:
                raise
            self.version = self.bucket.put(self.key, content, matching=found.version)

    def release(self) -> None:
        """Let go of it, so that the next run need not wait."""
        free = msgspec.json.encode(msgspec.structs.replace(self.holding, owner=""))
        self.renewal.stop(lambda: _forget(self.bucket.put(self.key, free, matching=self.version)))


@contextlib.contextmanager
def lease(
    bucket: Objects,
    slot: Slot,
    *,
    patience: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    duration: float = DURATION,
) -> Iterator[S3Lease]:
    """Hold the slot's lease; waits up to ``patience`` seconds for one whose holder may have died.

    Raises `LeaseHeldError`, naming the owner, when another run is at work.
    """
    held = _acquire(bucket, slot, patience=patience, sleep=sleep, clock=clock, duration=duration)
    held.renewal.start()
    try:
        yield held
    finally:
        held.release()


def key_of(slot: Slot) -> str:
    """Where the slot's lease lies, below the target's prefix."""
    readable = "/".join(quote(part, safe="") for part in (slot.artifact, slot.stage, slot.target))
    if len(readable) > LONGEST:
        readable = hashlib.sha256(readable.encode()).hexdigest()
    return f"leases/{readable}.json"


def _acquire(
    bucket: Objects,
    slot: Slot,
    *,
    patience: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    duration: float,
) -> S3Lease:
    key = key_of(slot)
    owner = f"{platform.node() or 'unknown'}/{os.getpid()}/{os.urandom(4).hex()}"
    wanted = Holding(owner=owner, duration=duration, since=clock())
    waited = 0.0
    while True:
        found = bucket.get(key)
        if found is not None and not _is_free(found, owner):
            if waited >= patience:
                raise _held(found, slot, key)
            pause = min(1.0, duration / 8)
            sleep(pause)
            waited += pause
            continue
        try:
            version = bucket.put(key, msgspec.json.encode(wanted), matching=found.version if found else None)
        except ConflictError:
            # Somebody was faster; or it was we, and the answer got lost: then the next look shows us as the owner.
            if waited > max(patience, duration):
                raise UnreachableError(
                    "the lease changes all the time", where=key, hint="Run the same command again."
                ) from None
            waited += GRAIN / 8
            continue
        return S3Lease(bucket, key, wanted, version)


def _is_free(found: Kept, owner: str) -> bool:
    """Whether nobody else holds a lease any more."""
    holding = _read(found)
    return holding.owner in {"", owner} or found.age > holding.duration + GRAIN


def _held(found: Kept, slot: Slot, key: str) -> LeaseHeldError:
    holding = _read(found)
    return LeaseHeldError(
        f"another run is at work on {slot}: {holding.owner}, last heard of {found.age:.0f} s ago",
        where=key,
        hint="Wait for it to end, then run the same command again; the lease of one that has died "
        f"is free after {holding.duration:.0f} seconds.",
    )


def _read(found: Kept) -> Holding:
    """What an object says; one that is no lease is nobody's."""
    try:
        return msgspec.json.decode(found.content, type=Holding)
    except msgspec.DecodeError:
        return Holding(owner="", duration=0.0, since=0.0)


def _forget(_: str) -> None:
    """No version matters any more."""
