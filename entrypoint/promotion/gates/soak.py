"""Soak time: how long every target of the source stage has served the version, verified, by the targets' own word."""

from __future__ import annotations

from entrypoint.configuration.gate_settings import SoakGate
from entrypoint.promotion.context import Context
from entrypoint.promotion.gates import GateResult, Outcome


def evaluate(gate: SoakGate, context: Context) -> GateResult:
    """Fail while the time is not over; inconclusive where a target does not serve the version, or cannot be asked."""
    name = f"soak {told(gate.time)}"
    candidate = context.candidate
    seen = context.seen()
    if not seen:
        return GateResult(
            name=name,
            outcome=Outcome.INCONCLUSIVE,
            detail=f"tagboat.yaml sends {candidate.source} to no target, so nothing is served there",
        )
    since = {one.slot.target: one.verified_since(candidate) for one in seen}
    away = [one.why_not(candidate) for one in seen if since[one.slot.target] is None]
    if away:
        return GateResult(name=name, outcome=Outcome.INCONCLUSIVE, detail="; ".join(away))
    soaked = {target: context.now - moment for target, moment in since.items() if moment is not None}
    shortest = min(soaked.values())
    figures = {f"{target}.seconds": round(seconds, 1) for target, seconds in soaked.items()}
    if shortest < 0:
        return GateResult(
            name=name,
            outcome=Outcome.INCONCLUSIVE,
            detail="a target says that it was verified in the future; look at the clocks",
            figures=figures,
        )
    enough = shortest >= gate.time
    detail = f"live and verified in {candidate.source} for {told(shortest)}"
    if not enough:
        detail += f", {told(gate.time - shortest)} to go"
    return GateResult(name=name, outcome=Outcome.PASS if enough else Outcome.FAIL, detail=detail, figures=figures)


def told(seconds: float) -> str:
    """A duration in its two greatest units, such as ``1d 4h`` or ``90s``."""
    left = round(seconds)
    if left < 120:
        return f"{left}s"
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
