"""A canary: the new release gets growing shares of the traffic, each judged by its own figures against the old one's.

Too few requests decide nothing: the step holds, and when it has held for long enough the run ends with the share as
it is; the next run takes the release up again from the first share.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployers.base import Canary, CanaryStep, Deployer, Lease, Revision, Slot
from deployers.errors import CapabilityError, ReleaseFailedError, UnreachableError
from entrypoint.journal import Journal

LOOK = 10.0
"""Seconds between two looks while a step waits for requests."""

SMOOTHING = 0.5
"""Added to each bin's count, so that an empty one has a logarithm."""

Figures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class CanaryRun:
    """Carries one canary out. ``sleep`` and ``clock`` (seconds) are handed in."""

    deployer: Deployer
    slot: Slot
    canary: Canary
    journal: Journal
    lease: Lease | None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def carry_out(self) -> None:
        """Go through the steps.

        Raises `ReleaseFailedError` for a release that is worse than the old one, `UnreachableError` where too few
        requests came to tell.
        """
        if not (self.deployer.capabilities.weights and self.deployer.capabilities.metrics):
            raise CapabilityError(
                "a canary is asked for, and this kind of target can't split traffic and tell figures",
                where=f"targets.{self.slot.target}",
                hint="Use another strategy there.",
            )
        for step in self.canary.steps:
            self._step(step)

    def _step(self, step: CanaryStep) -> None:
        with self.journal.step(f"canary {step.weight} %", f"watched for {step.pause:.0f} s"):
            for revision in Revision:
                self.deployer.metrics(self.slot, revision, 0)
            self.deployer.traffic(self.slot, {Revision.LIVE: 100 - step.weight, Revision.CANDIDATE: step.weight})
            begun = self.clock()
            self._wait(step.pause)
            while True:
                window = self.clock() - begun
                old = self.deployer.metrics(self.slot, Revision.LIVE, window)
                new = self.deployer.metrics(self.slot, Revision.CANDIDATE, window)
                if new["requests"] >= self.canary.requests:
                    break
                if window >= step.pause + self.canary.patience:
                    raise UnreachableError(
                        f"the canary holds at {step.weight} %: {new['requests']:.0f} of {self.canary.requests} "
                        "requests came, too few to tell",
                        where=str(self.slot),
                        hint="Run again when more clients ask, or lower `strategy.judgement.requests`.",
                    )
                self._wait(LOOK)
            worse = compare(old, new, self.canary)
            if worse:
                raise ReleaseFailedError(
                    f"worse than what serves, at {step.weight} % of the traffic: {'; '.join(worse)}",
                    where=str(self.slot),
                    hint="The bounds are in the target's `strategy.judgement`.",
                )

    def _wait(self, seconds: float) -> None:
        """Sleep, in parts, so that the lease stays ours."""
        left = seconds
        while left > 0:
            part = min(LOOK, left)
            self.sleep(part)
            left -= part
            if self.lease is not None:
                self.lease.renew()


def compare(old: Figures, new: Figures, bounds: Canary) -> list[str]:
    """In what the new release is worse than it may be; nothing is worse than what has no figures."""
    worse = []
    failed, failed_before = error_rate(new), error_rate(old)
    if failed > failed_before + bounds.error_rate:
        worse.append(f"{failed:.1%} of its requests failed, {failed_before:.1%} of the old one's")
    slow, slow_before = new.get("latency_p99", math.nan), old.get("latency_p99", math.nan)
    if slow > slow_before * bounds.latency:
        worse.append(f"its 99th percentile is {slow * 1000:.1f} ms, the old one's {slow_before * 1000:.1f} ms")
    for method, index in drifts(old, new, least=bounds.requests).items():
        if index > bounds.drift:
            worse.append(f"its answers of {method} are distributed otherwise (stability index {index:.2f})")
    return worse


def error_rate(figures: Figures) -> float:
    """The share of requests that failed, 0 where none came."""
    return figures.get("failures", 0.0) / figures["requests"] if figures.get("requests") else 0.0


def drifts(old: Figures, new: Figures, *, least: int) -> dict[str, float]:
    """The population stability index of each method's answers; only where both releases gave ``least`` of them."""
    found = {}
    for method in sorted({name.split(".", 2)[1] for name in new if name.startswith("predictions.")}):
        prefix = f"predictions.{method}."
        bins = sorted({name for name in (*old, *new) if name.startswith(prefix)})
        before, after = ([figures.get(name, 0.0) for name in bins] for figures in (old, new))
        if min(sum(before), sum(after)) >= least:
            found[method] = stability_index(before, after)
    return found


def stability_index(before: list[float], after: list[float]) -> float:
    """Sum over bins of (share after - share before) * ln(share after / share before); 0 for equal distributions."""
    count = len(before)
    totals = [sum(each) + SMOOTHING * count for each in (before, after)]
    index = 0.0
    for old, new in zip(before, after, strict=True):
        expected, actual = (old + SMOOTHING) / totals[0], (new + SMOOTHING) / totals[1]
        index += (actual - expected) * math.log(actual / expected)
    return index
