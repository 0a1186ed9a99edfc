"""The servers' own figures: enough of them, within bounds, or no pass."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.configuration.gate_settings import LiveGate
from entrypoint.promotion.gates import Outcome
from entrypoint.promotion.gates.live import concluded, evaluate

FINE = {"requests": 1000.0, "failures": 3.0, "latency_p99": 0.04, "predictions.predict.a": 600.0,
        "predictions.predict.b": 400.0}  # fmt: skip


def outcome(case, gate: str, dev=FINE, prod=FINE):
    made = case(gate)
    made.figure("dev", dev)
    made.figure("prod", prod)
    return made.evaluate()


def test_enough_requests_within_bounds_pass(case):
    result = outcome(case, "{gate: live, p99: 50ms, drift: 0.1}")
    assert (result.outcome, result.detail) == (Outcome.PASS, "1000 requests, 3 of them failed")
    assert result.figures["here.latency_p99"] == 0.04
    assert result.figures["here.drift.predict"] == 0.0


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"failures": 11.0}, "here: 1.10% of the requests failed, 1.00% may"),
        ({"latency_p99": 0.2}, "here: the 99th percentile is 200.0 ms, 50 ms at most is allowed"),
        ({"predictions.predict.a": 50.0, "predictions.predict.b": 950.0}, "distributed otherwise than the incumbent's"),
    ],
)
def test_what_is_out_of_bounds_fails_and_says_by_how_much(case, worse, said):
    result = outcome(case, "{gate: live, p99: 50ms, drift: 0.1}", {**FINE, **worse})
    assert result.outcome is Outcome.FAIL
    assert said in result.detail


@pytest.mark.parametrize("figures", [{}, {"requests": 0.0, "latency_p99": math.nan}, {**FINE, "requests": 99.0}])
def test_too_few_requests_tell_nothing(case, figures):
    figures = {name: value for name, value in figures.items() if not math.isnan(value)}
    result = outcome(case, "{gate: live}", figures)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "of 100 requests came, too few to tell" in result.detail


def test_requests_without_latencies_or_answers_do_not_pass_for_fast_or_alike(case):
    bare = {"requests": 1000.0, "failures": 0.0}
    assert outcome(case, "{gate: live, p99: 50ms}", bare).detail == "here: it has no latencies"


def test_answers_that_nobody_counted_are_not_taken_for_alike(case):
    bare = {"requests": 1000.0, "failures": 0.0}
    result = outcome(case, "{gate: live, drift: 0.1}", bare)
    assert (result.outcome, "too few answers on both sides" in result.detail) == (Outcome.INCONCLUSIVE, True)


NUMBERS = st.one_of(st.floats(), st.integers(-5, 2000).map(float), st.sampled_from([math.nan, math.inf, 1e308]))


@given(
    figures=st.dictionaries(st.sampled_from([*FINE, "predictions.predict.c"]), NUMBERS),
    before=st.dictionaries(st.sampled_from([*FINE]), NUMBERS),
)
def test_whatever_a_target_says_only_sound_figures_within_bounds_pass(figures, before):
    gate = LiveGate(p99=0.05, drift=0.1, requests=100)
    result = concluded(gate, {"here": figures}, [before])
    if result.outcome is Outcome.PASS:
        counts = [value for name, value in (*figures.items(), *before.items()) if name != "latency_p99"]
        assert all(math.isfinite(count) and count >= 0 for count in counts)
        assert figures["requests"] >= 100
        assert 0 <= figures["failures"] <= 0.01 * figures["requests"]
        assert figures["latency_p99"] <= 0.05


def test_nothing_but_counts_is_taken_for_figures():
    for wrong in ({"requests": math.nan}, {"requests": math.inf}, {"failures": math.nan}, {"failures": 1001.0},
                  {"failures": -1.0}, {"predictions.predict.a": math.nan}):  # fmt: skip
        result = concluded(LiveGate(), {"here": {**FINE, **wrong}}, [])
        assert (result.outcome, result.detail) == (Outcome.INCONCLUSIVE, "here: its figures are no counts"), wrong


def test_a_target_that_tells_no_figures_is_said_to(case):
    result = case("{gate: live}", mute="true").evaluate()
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.detail == "this kind of target tells no figures of its servers: here"


def test_drift_needs_an_incumbent(case):
    made = case("{gate: live, drift: 0.1}")
    made.empty("prod")
    result = made.evaluate()
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.detail == "drift has nothing to be compared with: nothing is served in prod yet"


def test_watching_begins_to_count_now_and_waits_for_the_window(case):
    made = case("{gate: live, watch: true, window: 5m}")
    made.figure("dev", {"requests": 1.0}, FINE)
    waited: list[float] = []
    gate = made.gate
    assert evaluate(gate, made.context, sleep=waited.append).outcome is Outcome.PASS
    assert waited == [300.0]
