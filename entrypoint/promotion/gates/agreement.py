"""Agreement with the incumbent: both endpoints are asked the same recorded rows, and different answers are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from deployers.base import Request
from deployers.errors import UnreachableError
from entrypoint.configuration.gate_settings import AgreementGate
from entrypoint.configuration.serving_settings import Approximate
from entrypoint.preparation import sample_of
from entrypoint.promotion.context import Context
from entrypoint.promotion.endpoints import Endpoint, incumbents, nobody_yet, serving
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.trees import CommitTree
from entrypoint.verification import RELEASE_HEADER, near

NAME = "agreement"
SHOWN = 3
"""Rows that the detail names."""

LONGEST = 60
"""Characters of one answer in the detail."""


class NoAnswerError(Exception):
    """An endpoint gave nothing that can be compared."""


def evaluate(gate: AgreementGate, context: Context) -> GateResult:
    """Fail where more rows are answered otherwise than may be; inconclusive where one side gives no answers."""
    if gate.without_incumbent == "pass" and nobody_yet(context):
        detail = f"nothing is served in {context.candidate.stage} yet"
        return GateResult(name=NAME, outcome=Outcome.PASS, detail=detail)
    endpoints, away = serving(context)
    if away:
        return _inconclusive(away)
    others, away = incumbents(context)
    if away:
        return _inconclusive(away)
    body = _sample(gate, context)
    if body is None:
        return _inconclusive("there are no rows to ask: name a `sample` here, or for the artifact")
    try:
        before = _asked(gate, others[0], body)
        compared = {one.target: _differences(gate, before, _asked(gate, one, body), one) for one in endpoints}
    except NoAnswerError as error:
        return _inconclusive(str(error))
    rows = len(before)
    target, different = max(compared.items(), key=lambda item: len(item[1]))
    share = len(different) / rows
    figures: dict[str, float | int | str | bool] = {"rows": rows, "different": len(different), "share": round(share, 6)}
    detail = f"{rows - len(different)} of {rows} rows answered alike"
    if not different:
        return GateResult(name=NAME, outcome=Outcome.PASS, detail=detail, figures=figures)
    detail += f" on {target}; {'; '.join(different[:SHOWN])}"
    outcome = Outcome.PASS if share <= gate.differ else Outcome.FAIL
    if outcome is Outcome.FAIL:
        detail = f"{share:.2%} of the rows are answered otherwise, {gate.differ:.2%} may: {detail}"
    return GateResult(name=NAME, outcome=outcome, detail=detail, figures=figures)


def _sample(gate: AgreementGate, context: Context) -> bytes | None:
    """The rows: a file beside tagboat.yaml, or the artifact's own sample, of the candidate's commit."""
    if gate.sample is not None:
        return context.workspace.read_input(gate.sample)
    tree = CommitTree(context.workspace.repository, context.candidate.commit)
    return sample_of(tree, context.workspace.artifact(context.candidate.artifact))


def _asked(gate: AgreementGate, endpoint: Endpoint, body: bytes) -> Sequence[Any]:
    """An endpoint's answers, row by row."""
    request = Request(path=f"/methods/{gate.method}", body=body, timeout=gate.timeout)
    where = str(endpoint.slot)
    try:
        answer = endpoint.call(request)
    except UnreachableError as error:
        raise NoAnswerError(f"{where}: no answer: {error.message}") from error
    if answer.status != 200:
        raise NoAnswerError(f"{where}: status {answer.status} for the sample")
    served = answer.headers.get(RELEASE_HEADER)
    if served is not None and served != endpoint.release_id:
        raise NoAnswerError(f"{where}: another release answered than the one that was looked at; run it again")
    try:
        document = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        raise NoAnswerError(f"{where}: the answer is no JSON") from None
    rows = document.get("predictions") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows:
        raise NoAnswerError(f"{where}: the answer holds no rows")
    return rows


def _differences(gate: AgreementGate, before: Sequence[Any], now: Sequence[Any], endpoint: Endpoint) -> list[str]:
    """Every row that is answered otherwise, in words."""
    if len(before) != len(now):
        raise NoAnswerError(f"{endpoint.slot}: {len(now)} rows answered, {len(before)} by the incumbent")
    return [
        f"row {number}: {_short(new)}, was {_short(old)}"
        for number, (old, new) in enumerate(zip(before, now, strict=True))
        if not near(new, old, Approximate(value=None, rtol=gate.rtol, atol=gate.atol))
    ]


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _inconclusive(detail: str) -> GateResult:
    return GateResult(name=NAME, outcome=Outcome.INCONCLUSIVE, detail=detail)
