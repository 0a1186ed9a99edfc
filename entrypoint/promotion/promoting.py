"""One promotion, from what the registry says now to a verdict; read `Attempt.make` from top to bottom.

Nothing here deploys. The gates may take minutes, so the registry is read again before the tag is written, and once
more afterwards: only what it then says counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.errors import RefusedError, TagboatError
from entrypoint.promotion import gates as gating
from entrypoint.promotion.context import Candidate, Context
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.promotion.holds import hold_of, is_older
from entrypoint.promotion.message import message
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.promotion.writing import write
from entrypoint.registry.events import Event
from entrypoint.registry.state import Registry
from entrypoint.registry.tags import is_version
from entrypoint.workspace import Workspace


@dataclass
class Attempt:
    """One artifact on its way into one stage. ``asked``: somebody named both."""

    workspace: Workspace
    artifact: str
    stage: str
    rule: PromotionRule
    asked: bool = False
    dry_run: bool = False
    gates: list[GateResult] = field(default_factory=list)
    previous: str | None = None
    candidate: Candidate | None = None

    def make(self, registry: Registry) -> PromotionVerdict:
        """Promote what the source stage has, if every gate passes; an error is a verdict too."""
        try:
            waiting = placed(registry, self.artifact, self.rule.source)
            there = placed(registry, self.artifact, self.stage)
            self.previous = there.version if there else None
            if waiting is None or waiting.version is None or not is_version(waiting.version):
                return self._ended(PromotionStatus.BLOCKED, f"{self.rule.source} has no registered version of it")
            self.candidate = candidate = Candidate(
                artifact=self.artifact, version=waiting.version, commit=waiting.commit, source=self.rule.source,
                stage=self.stage, rule=self.rule,
            )  # fmt: skip
            if (meant := self.workspace.request.version) not in (None, waiting.version):
                return self._ended(
                    PromotionStatus.BLOCKED, f"{meant} was asked for, and {self.rule.source} has another"
                )
            if there is not None and there.commit == waiting.commit:
                return self._ended(PromotionStatus.CURRENT, f"{self.stage} has it already", tag=there.tag.name)
            if refused := self._not_to_be(registry, candidate):
                return refused
            context = Context(self.workspace, registry, candidate)
            self._evaluate(context)
            if waits := [gate for gate in self.gates if not gate.passed]:
                return self._ended(PromotionStatus.BLOCKED, "; ".join(_waiting_for(gate) for gate in waits))
            if self.dry_run:
                return self._ended(PromotionStatus.READY, "every gate passes")
            return self._write(candidate, there)
        except TagboatError as error:
            return self._ended(PromotionStatus.FAILED, str(error), hint=error.hint, error_code=error.exit_code)

    def _not_to_be(self, registry: Registry, candidate: Candidate) -> PromotionVerdict | None:
        """Versions that no gate decides on: older than what is there, taken out before, or into a held slot."""
        before = self.previous
        if is_older(candidate.version, before):
            back = f"tagboat rollback {self.artifact}#{self.stage} --to {candidate.version}"
            return self._ended(
                PromotionStatus.OLDER,
                f"{self.stage} has {before}, which is newer",
                hint=f"`{back}` goes back on purpose.",
            )
        hold = hold_of(self.workspace, registry, self.artifact, self.stage, candidate.version, candidate.commit)
        if hold is not None:
            return self._ended(PromotionStatus.HELD, hold.reason, hint=hold.hint)
        for seen in Context(self.workspace, registry, candidate).seen(self.stage):
            if seen.observation is not None and seen.observation.held is not None:
                held = seen.observation.held
                return self._ended(
                    PromotionStatus.HELD, f"{seen.slot} is held by {held.by}: {held.reason}",
                    hint=f"`tagboat release-hold {self.artifact}#{self.stage}` lets events at it again.",
                )  # fmt: skip
        return None

    def _evaluate(self, context: Context) -> None:
        """Every gate, whatever the ones before said; the first one asks the source stage's targets."""
        self.gates.append(verified(context))
        for gate in self.rule.gates:
            self.gates.append(gating.evaluate(gate, context))
        for result in self.gates:
            self.workspace.progress.step(f"gate {result.name}", f"{result.outcome.value}{_colon(result.detail)}")

    def _write(self, candidate: Candidate, there: Event | None) -> PromotionVerdict:
        """Write the tag, unless the registry has moved on while the gates were asked; and see what it says then."""
        registry = self.workspace.read_registry()
        now = placed(registry, self.artifact, self.stage)
        if now is not None and now.commit == candidate.commit:
            return self._ended(PromotionStatus.PROMOTED, f"{now.tag.name} of another run says so", tag=now.tag.name)
        if (now and now.tag.name) != (there and there.tag.name):
            return self._ended(PromotionStatus.LOST, f"{self.stage} changed while the gates were evaluated")
        waiting = placed(registry, self.artifact, candidate.source)
        if waiting is None or waiting.commit != candidate.commit:
            return self._ended(PromotionStatus.LOST, f"{candidate.source} changed while the gates were evaluated")
        text = message(candidate, self.previous, self.gates, self.workspace.request.run_url)
        try:
            written = write(self.workspace, registry, candidate, text)
        except RefusedError as error:
            return self._ended(PromotionStatus.LOST, str(error), hint=error.hint)
        registry = self.workspace.read_registry()
        now = placed(registry, self.artifact, self.stage)
        if now is None or now.commit != candidate.commit:
            stronger = now.tag.name if now else "another event"
            return self._ended(PromotionStatus.LOST, f"{stronger} is stronger than {written.name}", tag=written.name)
        reason = "" if written.created else f"{written.name} of another run says so"
        return self._ended(PromotionStatus.PROMOTED, reason, tag=written.name, created=written.created)

    def _ended(self, status: PromotionStatus, reason: str = "", **more: Any) -> PromotionVerdict:
        candidate = self.candidate
        return PromotionVerdict(
            artifact=self.artifact,
            source=self.rule.source,
            stage=self.stage,
            status=status,
            version=candidate.version if candidate else None,
            commit=candidate.commit if candidate else None,
            previous=self.previous,
            reason=reason,
            gates=tuple(self.gates),
            asked=self.asked,
            deploy=self.rule.deploy,
            **more,
        )


def verified(context: Context) -> GateResult:
    """The gate that every promotion has: each target of the source stage serves the version, proved and well."""
    candidate = context.candidate
    name = f"verified in {candidate.source}"
    seen = context.seen()
    if not seen:
        detail = f"tagboat.yaml sends {candidate.source} to no target: there is nothing to verify"
        return GateResult(name=name, outcome=Outcome.PASS, detail=detail)
    away = [one.why_not(candidate) for one in seen if one.verified_since(candidate) is None]
    if not away:
        detail = f"on {', '.join(one.slot.target for one in seen)}"
        return GateResult(name=name, outcome=Outcome.PASS, detail=detail)
    unasked = any(one.observation is None for one in seen)
    return GateResult(name=name, outcome=Outcome.INCONCLUSIVE if unasked else Outcome.FAIL, detail="; ".join(away))


def placed(registry: Registry, artifact: str, stage: str) -> Event | None:
    """The assignment in effect."""
    state = registry.artifacts.get(artifact)
    return state.assignments.get(stage) if state else None


def _waiting_for(gate: GateResult) -> str:
    return f"{gate.name}: {gate.outcome.value}{_colon(gate.detail)}"


def _colon(detail: str) -> str:
    return f": {detail}" if detail else ""
