"""Which promotions a run tries, and what follows each: the stage after a deployed one, and the one after that.

A run goes into a stage with an artifact at most once, and a tag that it wrote itself starts nothing but the next stage
of the graph, which has no circles: so every run comes to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from deployers.base import Slot
from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.errors import TagboatError, UsageError
from entrypoint.promotion import graph
from entrypoint.promotion.dispatching import dispatch
from entrypoint.promotion.message import FROM
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.promotion.promoting import Attempt, placed
from entrypoint.registry.state import Registry
from entrypoint.registry.trailers import trailers
from entrypoint.report.verdict import SlotVerdict, Status
from entrypoint.workspace import Workspace

Place = tuple[str, str]
"""(artifact, stage)."""

Bring = Callable[[Sequence[Slot], str | None], Sequence[SlotVerdict]]
"""Brings slots to what the registry says, for a tag."""

SOUND = frozenset({Status.LIVE, Status.UNCHANGED})


@dataclass
class Onward:
    """The promotions of one run. ``automatic``: only rules that say so; ``asked``: somebody named artifact and
    stage."""

    workspace: Workspace
    bring: Bring
    automatic: bool = True
    asked: bool = False
    promotions: list[PromotionVerdict] = field(default_factory=list)
    slots: list[SlotVerdict] = field(default_factory=list)
    _been: set[Place] = field(default_factory=set)
    _registry: Registry | None = field(default=None, repr=False)

    def after(self, places: Iterable[Place]) -> None:
        """Go on from stages that were just deployed, where that is automatic."""
        promotion = self.workspace.configuration.promotion
        for artifact, stage in places:
            for following in graph.onward(promotion, artifact, stage):
                rule = graph.rule_for(promotion, artifact, following)
                if rule is not None and rule.automatic:
                    self.into(artifact, following)

    def into(self, artifact: str, stage: str) -> None:
        """Try one promotion; where it was made and is deployed here, go on from it."""
        rule = graph.rule_for(self.workspace.configuration.promotion, artifact, stage)
        if rule is None or (self.automatic and not rule.automatic) or (artifact, stage) in self._been:
            return
        self._been.add((artifact, stage))
        registry = self._registry = self._registry or self.workspace.read_registry()
        if self.automatic and not _waits(registry, artifact, rule.source, stage):
            self._finish(registry, artifact, stage, rule)
            return
        attempt = Attempt(self.workspace, artifact, stage, rule, asked=self.asked, dry_run=self.workspace.dry_run)
        with self.workspace.progress.section(f"promotion of {artifact} into {stage}"):
            verdict = attempt.make(registry)
        self._registry = None if verdict.tag else registry
        made = verdict.status is PromotionStatus.PROMOTED and verdict.created
        self.promotions.append(self._told(verdict) if made and rule.deploy == "dispatch" else verdict)
        if made and rule.deploy == "same-run":
            self._deploy(artifact, stage, self.workspace.slots_of([(artifact, stage)]), verdict.tag)
        elif verdict.status is PromotionStatus.CURRENT and not self.workspace.dry_run:
            self._finish(registry, artifact, stage, rule)

    def _deploy(self, artifact: str, stage: str, slots: Sequence[Slot], tag: str | None) -> None:
        brought = self.bring(slots, tag)
        self.slots += brought
        self._registry = None
        if all(slot.status in SOUND for slot in brought):
            self.after([(artifact, stage)])

    def _finish(self, registry: Registry, artifact: str, stage: str, rule: PromotionRule) -> None:
        """Deploy what an earlier run promoted and was killed before it could deploy: its targets know no such tag."""
        there = placed(registry, artifact, stage)
        if there is None or rule.deploy != "same-run" or FROM not in trailers(there.message):
            return
        left = []
        for slot in self.workspace.slots_of([(artifact, stage)]):
            try:
                observed = self.workspace.deployer(slot.target).observe(slot)
            except TagboatError:
                continue  # whether anything is left to do there, the next reconcile sees
            failed = any(one.release.commit == there.commit for one in observed.failed)
            known = observed.tag is not None and (
                observed.tag.name == there.tag.name or registry.is_later(observed.tag.name, there.tag.name)
            )
            if not known and not failed and observed.held is None:
                left.append(slot)
        if left:
            self._deploy(artifact, stage, left, there.tag.name)

    def _told(self, verdict: PromotionVerdict) -> PromotionVerdict:
        """Have another run deploy it; the tag stays, whatever becomes of that."""
        try:
            return msgspec.structs.replace(verdict, reason=dispatch(self.workspace, verdict))
        except TagboatError as error:
            return msgspec.structs.replace(
                verdict, status=PromotionStatus.FAILED, error_code=error.exit_code, hint=error.hint,
                reason=f"{verdict.tag} was written, and no run was started that deploys it: {error}",
            )  # fmt: skip


def _waits(registry: Registry, artifact: str, source: str, stage: str) -> bool:
    """Whether a stage has a version that the next one has not: most rules have nothing to do in most runs."""
    waiting, there = placed(registry, artifact, source), placed(registry, artifact, stage)
    return waiting is not None and (there is None or there.commit != waiting.commit)


def every_place(workspace: Workspace, artifacts: Iterable[str]) -> Sequence[Place]:
    """Every (artifact, stage) that a rule leads into; for each artifact in the order in which a version goes."""
    promotion = workspace.configuration.promotion
    return [(artifact, stage) for artifact in artifacts for stage in _in_order(graph.ways(promotion, artifact))]


def asked_place(workspace: Workspace, artifact: str, source: str | None, stage: str | None) -> Place:
    """The one promotion that somebody means. Raises `UsageError` where there is none, or more than one."""
    ways = graph.ways(workspace.configuration.promotion, artifact)
    meant = [into for into, before in ways.items() if stage in (None, into) and source in (None, before)]
    if len(meant) == 1:
        return artifact, meant[0]
    known = ", ".join(f"{before} → {into}" for into, before in ways.items()) or "none"
    raise UsageError(
        "no rule promotes that" if not meant else "several rules could be meant",
        where=f"{artifact}: {source or '…'} → {stage or '…'}",
        hint=f"The ways of {artifact} in tagboat.yaml: {known}.",
    )


def _in_order(into: Mapping[str, str]) -> Sequence[str]:
    ordered: list[str] = []

    def visit(stage: str) -> None:
        if stage in into and stage not in ordered:
            visit(into[stage])
            ordered.append(stage)

    for stage in into:
        visit(stage)
    return ordered
