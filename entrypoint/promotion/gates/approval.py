"""Approval: somebody who may has said yes on GitHub, after there was something to say yes to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from entrypoint.configuration.gate_settings import ApprovalGate
from entrypoint.errors import UsageError
from entrypoint.github.client import GitHub, connect
from entrypoint.promotion.approvals import OWN, RANKS, Approval, by_comment, by_environment, by_label, rank
from entrypoint.promotion.context import Context
from entrypoint.promotion.gates import GateResult, Outcome

NAME = "approval"


def evaluate(gate: ApprovalGate, context: Context) -> GateResult:
    """Fail while nobody has approved who may, saying which approvals do not count and why; raises what GitHub does."""
    request = context.workspace.request
    token = request.api_token
    if token is None:
        hint = "Set GITHUB_TOKEN, or the Action's input `token`."
        raise UsageError("approvals are read from GitHub, and there is no token", where=NAME, hint=hint)
    with closing(connect(request.environment, token)) as github:
        return judge(gate, context, github)


def judge(gate: ApprovalGate, context: Context, github: GitHub) -> GateResult:
    """As `evaluate`, by way of a GitHub that is handed in."""
    counted: dict[str, str] = {}
    turned_down: list[str] = []
    for approval in _found(gate, context, github):
        objection = _objection(gate, approval, github)
        if objection:
            turned_down.append(f"{approval.by} ({approval.how}): {objection}")
        else:
            counted[approval.by.lower()] = f"{approval.by} ({approval.how})"
    figures: dict[str, float | int | str | bool] = {"approvals": len(counted), "needed": gate.approvals}
    told = f"approved by {', '.join(counted.values())}" if counted else f"no approval by {gate.by} yet"
    missing = gate.approvals - len(counted)
    if missing > 0 and counted:
        told += f", {missing} more needed"
    if turned_down:
        told += f"; these do not count: {'; '.join(dict.fromkeys(turned_down))}"
    outcome = Outcome.PASS if missing <= 0 else Outcome.FAIL
    return GateResult(name=NAME, outcome=outcome, detail=told, figures=figures)


def _found(gate: ApprovalGate, context: Context, github: GitHub) -> Iterable[Approval]:
    if gate.by == "comment":
        return by_comment(github, context)
    if gate.by == "label":
        return by_label(github, context, gate.label or "")
    run = context.workspace.request.environment.get("GITHUB_RUN_ID", "")
    if not run.isdigit():
        raise UsageError("there is no workflow run whose reviewers could be asked for", where="GITHUB_RUN_ID",
                         hint="`by: environment` is for a job with that `environment:`.")  # fmt: skip
    return by_environment(github, run, gate.environment or "")


def _objection(gate: ApprovalGate, approval: Approval, github: GitHub) -> str:
    """Why an approval does not count, or nothing."""
    if approval.objection and not (approval.objection == OWN and gate.own):
        return approval.objection
    if approval.bot:
        return "it is a program's"
    if gate.people and approval.by.lower() not in {name.lower() for name in gate.people}:
        return "not one of those who may"
    if gate.by != "environment" and rank(github, approval.by) < RANKS[gate.permission]:
        return f"without the permission {gate.permission}"
    return ""
