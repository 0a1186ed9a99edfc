"""A canary earns its traffic by its own figures: worse goes back, too little to tell holds, and better goes on."""

import math
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployers.base import Canary, CanaryStep, Capabilities, Revision, Slot
from deployers.errors import CapabilityError, LeaseHeldError, ReleaseFailedError, UnreachableError
from entrypoint.canary import CanaryRun, compare, stability_index
from entrypoint.journal import Journal

SLOT = Slot("churn", "prod", "cluster")
BOUNDS = Canary(
    steps=(CanaryStep(weight=10, pause=60), CanaryStep(weight=50, pause=30)),
    requests=50,
    error_rate=0.01,
    latency=1.5,
    drift=0.25,
    patience=120,
)


def figures(requests=100, failures=0, p99=0.01, **predictions):
    counts = {f"predictions.predict.{name}": count for name, count in predictions.items()}
    return {"requests": requests, "failures": failures, "latency_p99": p99, **counts}


class Target:
    """Has figures for each revision, and remembers the shares it was asked for."""

    capabilities = Capabilities(weights=True, metrics=True)

    def __init__(self, old, new):
        self.figures = {Revision.LIVE: old, Revision.CANDIDATE: new}
        self.shares = []

    def metrics(self, slot, revision, window):
        return self.figures[revision] if window else figures(0)

    def traffic(self, slot, weights):
        self.shares.append(weights[Revision.CANDIDATE])


class Time:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


def run(target, lease=None):
    clock = Time()
    quiet = types.SimpleNamespace(step=lambda *_, **__: None, warn=lambda *_: None)
    canary = CanaryRun(
        deployer=target, slot=SLOT, canary=BOUNDS, journal=Journal(quiet), lease=lease, sleep=clock.sleep,
        clock=lambda: clock.now,
    )  # fmt: skip
    canary.carry_out()
    return clock.now


def test_a_good_canary_goes_through_its_steps_and_waits_at_each():
    target = Target(figures(), figures())
    assert run(target) == 90
    assert target.shares == [10, 50]


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (figures(failures=5), "5.0% of its requests failed, 0.0% of the old one's"),
        (figures(p99=0.02), "99th percentile is 20.0 ms, the old one's 10.0 ms"),
        (figures(stays=90, leaves=10), "answers of predict are distributed otherwise"),
    ],
)
def test_a_worse_canary_fails_at_its_first_share(new, words):
    target = Target(figures(stays=50, leaves=50), new)
    with pytest.raises(ReleaseFailedError, match=words):
        run(target)
    assert target.shares == [10]


def test_too_few_requests_hold_and_decide_nothing():
    target = Target(figures(), figures(requests=3, failures=3))
    with pytest.raises(UnreachableError, match="holds at 10 %: 3 of 50") as held:
        run(target)
    assert held.value.exit_code == 4
    assert target.shares == [10]


def test_a_lease_that_is_lost_ends_the_canary():
    def lost():
        raise LeaseHeldError("the lease was lost")

    with pytest.raises(LeaseHeldError):
        run(Target(figures(), figures()), types.SimpleNamespace(renew=lost))


def test_a_target_that_cannot_split_traffic_is_told_apart():
    target = Target(figures(), figures())
    target.capabilities = Capabilities()
    with pytest.raises(CapabilityError):
        run(target)


def test_a_figure_that_is_not_there_makes_nothing_worse():
    assert compare(figures(p99=math.nan), figures(p99=0.5), BOUNDS) == []
    assert compare(figures(0), figures(100, failures=1), BOUNDS) == []


COUNTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=12)


@given(COUNTS)
def test_equal_distributions_have_no_drift(counts):
    assert stability_index([float(each) for each in counts], [float(each) for each in counts]) == pytest.approx(0)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=12))
def test_drift_is_never_negative_and_looks_the_same_from_both_sides(pairs):
    before, after = ([float(pair[place]) for pair in pairs] for place in (0, 1))
    index = stability_index(before, after)
    assert index >= -1e-12
    assert index == pytest.approx(stability_index(after, before))
