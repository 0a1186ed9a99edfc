"""The servers' own figures in the source stage, over a window: failures, slowness, and how the answers have shifted.

Judged as a canary is (`entrypoint.canary`), but by bounds of its own: the two stages have different clients, so that
the incumbent counts only for how its answers are distributed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deployers.base import Revision
from entrypoint.canary import Figures, drifts, error_rate
from entrypoint.configuration.gate_settings import LiveGate
from entrypoint.promotion.context import Context
from entrypoint.promotion.endpoints import Endpoint, incumbents, serving
from entrypoint.promotion.gates import GateResult, Outcome

NAME = "live"
Told = dict[str, float | int | str | bool]


@dataclass
class Findings:
    """What the figures of all targets came to. ``untold``: what could not be judged; ``told``: figures to be shown."""

    bad: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    told: Told = field(default_factory=dict)


def evaluate(gate: LiveGate, context: Context, sleep: Callable[[float], None] = time.sleep) -> GateResult:
    """Fail where a target's figures are out of bounds; inconclusive where they are too few, or there are none."""
    endpoints, away = serving(context)
    if away:
        return _inconclusive(away)
    others: Sequence[Endpoint] = ()
    if gate.drift is not None:
        others, away = incumbents(context)
        if away:
            return _inconclusive(f"drift has nothing to be compared with: {away}")
    mute = [one.target for one in (*endpoints, *others) if not one.deployer.capabilities.metrics]
    if mute:
        return _inconclusive(f"this kind of target tells no figures of its servers: {', '.join(sorted(set(mute)))}")
    if gate.watch:
        for one in (*endpoints, *others):
            _figures(one, 0)
        sleep(gate.window)
    found = {one.target: _figures(one, gate.window) for one in endpoints}
    return concluded(gate, found, [_figures(one, gate.window) for one in others])


def concluded(gate: LiveGate, found: Mapping[str, Figures], before: Sequence[Figures]) -> GateResult:
    """The result from the figures of each target, and of each of the incumbent's."""
    findings = Findings()
    baseline = _sum(before)
    if not all(map(_sound, before)):
        findings.untold.append("the incumbent's figures are no counts")
    for target, figures in found.items():
        findings.told |= {f"{target}.{name}": value for name, value in _short(figures)}
        if figures.get("requests") and not _sound(figures):
            findings.untold.append(f"{target}: its figures are no counts")
            continue
        if figures.get("requests", 0.0) < gate.requests:
            came = f"{figures.get('requests', 0.0):.0f} of {gate.requests} requests came"
            findings.untold.append(f"{target}: {came}, too few to tell")
            continue
        findings.bad += [f"{target}: {sentence}" for sentence in _judged(gate, figures)]
        if gate.p99 is not None and math.isnan(figures.get("latency_p99", math.nan)):
            findings.untold.append(f"{target}: it has no latencies")
        if gate.drift is not None and all(map(_sound, before)):
            _compare(gate.drift, target, figures, baseline, gate.requests, findings)
    if findings.bad:
        detail = "; ".join([*findings.bad, *findings.untold])
        return GateResult(name=NAME, outcome=Outcome.FAIL, detail=detail, figures=findings.told)
    if findings.untold:
        return _inconclusive("; ".join(findings.untold), findings.told)
    sums = _sum(list(found.values()))
    detail = f"{sums['requests']:.0f} requests, {sums.get('failures', 0.0):.0f} of them failed"
    return GateResult(name=NAME, outcome=Outcome.PASS, detail=detail, figures=findings.told)


def _compare(most: float, target: str, figures: Figures, baseline: Figures, least: int, findings: Findings) -> None:
    """How the answers of each method are distributed, against the incumbent's."""
    shifted = drifts(baseline, figures, least=least)
    if not shifted:
        findings.untold.append(f"{target}: too few answers on both sides to compare how they are distributed")
    for method, index in shifted.items():
        findings.told[f"{target}.drift.{method}"] = round(index, 4)
        if index > most:
            findings.bad.append(f"{target}: the answers of {method} are distributed otherwise than the incumbent's "
                                f"(stability index {index:.2f})")  # fmt: skip


def _judged(gate: LiveGate, figures: Figures) -> Iterator[str]:
    failed = error_rate(figures)
    if failed > gate.error_rate:
        yield f"{failed:.2%} of the requests failed, {gate.error_rate:.2%} may"
    slow = figures.get("latency_p99", math.nan)
    if gate.p99 is not None and slow > gate.p99:
        yield f"the 99th percentile is {slow * 1000:.1f} ms, {gate.p99 * 1000:g} ms at most is allowed"


def _sound(figures: Figures) -> bool:
    """Whether what was counted can have been counted: there, finite, and no more failures than requests."""
    counts = [figures.get("requests", math.nan), figures.get("failures", math.nan)]
    counts += [value for name, value in figures.items() if name.startswith("predictions.")]
    return all(math.isfinite(count) and count >= 0 for count in counts) and counts[1] <= counts[0]


def _figures(endpoint: Endpoint, window: float) -> Figures:
    return endpoint.deployer.metrics(endpoint.slot, Revision.LIVE, window)


def _short(figures: Figures) -> Iterator[tuple[str, float]]:
    """The figures that are worth showing: no bins, and nothing that is no number."""
    for name in ("requests", "failures", "latency_p99"):
        value = figures.get(name, math.nan)
        if not math.isnan(value):
            yield name, round(value, 4)


def _sum(several: Sequence[Figures]) -> Mapping[str, float]:
    """The counts of several targets together; latencies are none."""
    sums: dict[str, float] = {}
    for figures in several:
        for name, value in figures.items():
            if name != "latency_p99":
                sums[name] = sums.get(name, 0.0) + value
    return sums


def _inconclusive(detail: str, figures: Told | None = None) -> GateResult:
    return GateResult(name=NAME, outcome=Outcome.INCONCLUSIVE, detail=detail, figures=figures or {})
