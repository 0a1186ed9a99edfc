"""The smoke suite of the stage ahead, asked of what serves in the stage before: it must answer there already."""

from __future__ import annotations

from entrypoint import configuration
from entrypoint.configuration.gate_settings import SmokeGate
from entrypoint.promotion.context import Context
from entrypoint.promotion.endpoints import serving
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.verification import VerificationError, verify


def evaluate(gate: SmokeGate, context: Context) -> GateResult:  # noqa: ARG001 - the same for every gate
    """Fail where an answer is not what the stage ahead expects of it; inconclusive where there is nothing to ask."""
    candidate = context.candidate
    requests = configuration.settings_for(context.workspace.configuration, candidate.artifact, candidate.stage).smoke
    if not requests:
        detail = f"tagboat.yaml has no smoke requests for {candidate.artifact} in {candidate.stage}"
        return GateResult(name="smoke", outcome=Outcome.INCONCLUSIVE, detail=detail)
    endpoints, away = serving(context)
    if away:
        return GateResult(name="smoke", outcome=Outcome.INCONCLUSIVE, detail=away)
    figures: dict[str, float | int | str | bool] = {"requests": len(requests), "targets": len(endpoints)}
    failures = []
    for endpoint in endpoints:
        try:
            verify(endpoint.call, endpoint.release_id, requests, context.workspace.read_input)
        except VerificationError as error:
            failures.append(f"{endpoint.target}: {error.message}")
    if failures:
        return GateResult(name="smoke", outcome=Outcome.FAIL, detail="; ".join(failures), figures=figures)
    asked = f"{len(requests)} request{'' if len(requests) == 1 else 's'} of {candidate.stage}"
    detail = f"{asked} answered in {candidate.source} on {', '.join(one.target for one in endpoints)}"
    return GateResult(name="smoke", outcome=Outcome.PASS, detail=detail, figures=figures)
