"""What the tag of a promotion says: who came from where, and what each gate answered, as trailers that audit reads."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.promotion.context import Candidate
from entrypoint.promotion.gates import GateResult
from entrypoint.registry.trailers import RUN, with_trailers
from entrypoint.report.escaping import plain, shortened

GATE = "Gate"
FROM = "Promoted-From"
REPLACES = "Replaces"

MOST = 40
"""Gates that a tag names."""

LONGEST = 240
"""Characters of one gate's line."""


def message(candidate: Candidate, previous: str | None, gates: Sequence[GateResult], run_url: str | None) -> str:
    """The tag's message: bounded, every value on one line and nothing in it but what can be seen."""
    trailers = [(FROM, candidate.source)]
    if previous is not None:
        trailers.append((REPLACES, previous))
    trailers += [(GATE, _line(gate)) for gate in gates[:MOST]]
    if len(gates) > MOST:
        trailers.append((GATE, f"and {len(gates) - MOST} more: pass"))
    if run_url is not None:
        trailers.append((RUN, run_url))
    first = f"Promoting {candidate.artifact} {candidate.version} from {candidate.source} into {candidate.stage}"
    return with_trailers(first, [(key, plain(" ".join(value.split()))) for key, value in trailers])


def _line(gate: GateResult) -> str:
    detail = f" ({gate.detail})" if gate.detail else ""
    return shortened(f"{shortened(gate.name, LONGEST // 2)}: {gate.outcome.value}{detail}", LONGEST)
