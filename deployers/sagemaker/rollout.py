"""Whether an endpoint has become what was asked for: our own poller, since botocore's waiter lies.

`endpoint_in_service` calls an endpoint done that AWS has quietly brought back to its old config, and goes on asking for
an hour in states that never end. Done is InService with *our* config; every other state that does not move any more is
a failure, with AWS's reason.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployers.base import Step
from deployers.errors import ReleaseFailedError, UnreachableError
from deployers.sagemaker.api import Api, Endpoint
from deployers.sagemaker.reasons import advice

STEP = "rollout"

UNSEEN = 60.0
"""Seconds for which an update that was accepted may not show yet: reads are eventually consistent."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 15.0
"""Seconds between two looks."""

TELL = 60.0
"""Seconds after which a person is told again, though nothing has changed."""


@dataclass(frozen=True)
class Poller:
    """Looks at endpoints. ``clock``: seconds that only go forward; ``patience``: seconds until we leave it alone."""

    api: Api
    patience: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until_still(self, name: str, what: str = "it is being changed already") -> Iterator[Step]:
        """Wait until an endpoint does not change any more; whatever it is then. Says why it waits."""
        for seen, seconds in self._looks(name):
            if seen is None or not seen.moving:
                return
            yield Step(name="wait", detail=f"{what}: {seen.status}, {seconds:.0f} s", progress=0.0)

    def until_gone(self, name: str) -> Iterator[Step]:
        """Wait until an endpoint that is being deleted is not there any more."""
        for seen, seconds in self._looks(name):
            if seen is None:
                return
            if not seen.moving and seconds > UNSEEN:
                raise ReleaseFailedError(
                    f"it could not be deleted: {seen.status}{_because(seen)}", where=f"{self.api.kind.title} {name}"
                )
            yield Step(name="wait", detail=f"{seen.status}, {seconds:.0f} s", progress=0.0)

    def until_serving(self, name: str, config: str, before: Endpoint | None = None) -> Iterator[Step]:
        """Wait until an endpoint serves by a config, telling how far it is.

        ``before``: as it was when its update was asked for, which is what may still be seen for a while.

        Raises `ReleaseFailedError` with AWS's reason in every other state that does not end by itself, and
        `UnreachableError` where it takes longer than our patience.
        """
        moved = False
        for seen, seconds in self._looks(name):
            if seen is None:
                # What was just created is not seen everywhere at once.
                if seconds > UNSEEN or moved:
                    raise ReleaseFailedError(
                        "it was deleted while it was waited for", where=f"{self.api.kind.title} {name}"
                    )
                continue
            if seen.status == "InService" and seen.config == config:
                yield Step(name=STEP, detail=f"in service after {seconds:.0f} s")
                return
            moved = moved or seen.moving
            as_before = before is not None and (seen.status, seen.changed) == (before.status, before.changed)
            if not seen.moving and (moved or not as_before or seconds > UNSEEN):
                raise failure(seen, config)
            yield Step(name=STEP, detail=_standing(seen, seconds), progress=_share(seen))

    def _looks(self, name: str) -> Iterator[tuple[Endpoint | None, float]]:
        """The endpoint whenever there is something to tell, and the seconds since the first look."""
        began = told = self.clock()
        pause = FIRST_PAUSE
        last: Endpoint | None = None
        seen: Endpoint | None = None
        first = True
        while True:
            with _told(name, last):
                seen = self.api.endpoint(name)
            now = self.clock()
            moving = seen is not None and seen.moving
            if first or seen != last or not moving or now - told >= TELL:
                yield seen, now - began
                told = now
            first, last = False, seen
            if self.clock() - began > self.patience:
                raise UnreachableError(
                    f"it still is {seen.status if seen else 'absent'} after {self.patience:.0f} s",
                    where=f"{self.api.kind.title} {name}",
                    hint="AWS goes on without us. Run the same command again later: it goes on from there.",
                )
            with _told(name, last):
                self.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)


@contextlib.contextmanager
def _told(name: str, seen: Endpoint | None) -> Iterator[None]:
    """Whoever interrupts us here is told what goes on without us."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_left_alone(name, seen)) from None


def failure(seen: Endpoint, config: str) -> ReleaseFailedError:
    """Why an endpoint does not serve by a config, and what to do."""
    where = f"Endpoint {seen.name}"
    if seen.status == "InService":
        return ReleaseFailedError(
            f"AWS went back to the config {seen.config} by itself{_because(seen)}",
            where=where,
            hint=f"The old release serves. {advice(seen.reason)}",
        )
    hints = {
        "Failed": "A failed endpoint serves nothing and can only be deleted, which the next run does.",
        "OutOfService": "It takes no requests. Look at its instances and limits in the AWS console; deploying again "
        "updates it.",
        "UpdateRollbackFailed": f"Neither {config} nor the way back came up everywhere: instances of both serve. Mend "
        "the reason (often too little capacity), and deploy again.",
    }
    return ReleaseFailedError(
        f"it is {seen.status}{_because(seen)}",
        where=where,
        hint=f"{advice(seen.reason)} {hints.get(seen.status, '')}".rstrip(),
    )


def _because(seen: Endpoint) -> str:
    return f": {seen.reason}" if seen.reason else ", and AWS gives no reason"


def _standing(seen: Endpoint, seconds: float) -> str:
    counts = ", ".join(f"{name} {there} of {wanted}" for name, (there, wanted) in sorted(seen.instances.items()))
    reason = f": {seen.reason}" if seen.reason else ""
    return f"{seen.status}{reason}, {seconds:.0f} s" + (f" (instances: {counts})" if counts else "")


def _share(seen: Endpoint) -> float:
    """How far it is, 0 to 0.99, by its instances."""
    there = sum(min(one, wanted) for one, wanted in seen.instances.values())
    return 0.99 * there / max(1, sum(wanted for _, wanted in seen.instances.values()))


def _left_alone(name: str, seen: Endpoint | None) -> str:
    """What goes on in AWS when nobody watches any more."""
    if seen is None or not seen.moving:
        return f"AWS has endpoint {name} as it was last seen"
    towards = f" towards {seen.pending}" if seen.pending else ""
    return (
        f"AWS goes on without us: endpoint {name} is {seen.status}{towards}, which cannot be stopped, and is billed. "
        "Nothing of it is verified until the next run"
    )
