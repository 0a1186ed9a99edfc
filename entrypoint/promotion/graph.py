"""The graph of stages that tagboat.yaml's ``promotion:`` draws: for each artifact at most one way into a stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entrypoint.configuration.promotion_settings import Promotion, PromotionRule


def rules_of(promotion: Promotion, stage: str) -> Sequence[PromotionRule]:
    """Every rule for a stage, in the order of the file."""
    found = promotion.get(stage, ())
    return found if isinstance(found, tuple) else (found,)


def rule_for(promotion: Promotion, artifact: str, stage: str) -> PromotionRule | None:
    """How an artifact's versions come into a stage: the first rule that is about it, or None."""
    return next((rule for rule in rules_of(promotion, stage) if not rule.artifacts or artifact in rule.artifacts), None)


def ways(promotion: Promotion, artifact: str) -> Mapping[str, str]:
    """Stage → the stage that the artifact's versions come from."""
    found = {stage: rule_for(promotion, artifact, stage) for stage in promotion}
    return {stage: rule.source for stage, rule in found.items() if rule is not None}


def onward(promotion: Promotion, artifact: str, source: str) -> Sequence[str]:
    """The stages that an artifact's versions go to from a stage, in the order of the file."""
    return [stage for stage, before in ways(promotion, artifact).items() if before == source]


def named_artifacts(promotion: Promotion) -> Sequence[str]:
    """Every artifact that a rule names."""
    names = (name for stage in promotion for rule in rules_of(promotion, stage) for name in rule.artifacts)
    return sorted(set(names))


def cycles(promotion: Promotion) -> Iterator[tuple[str, Sequence[str]]]:
    """(artifact, stages in a circle) for each circle; the artifact is empty where every other one goes round in it.

    Each circle starts with the stage that the file has first, and is told once.
    """
    told: set[frozenset[str]] = set()
    for artifact in ("", *named_artifacts(promotion)):
        into = ways(promotion, artifact)
        for stage in into:
            circle = _circle(into, stage)
            if circle and frozenset(circle) not in told:
                told.add(frozenset(circle))
                yield artifact, circle


def _circle(into: Mapping[str, str], stage: str) -> Sequence[str]:
    """The stages from this one back to itself, in the order in which a version would go; empty where it never does."""
    path = [stage]
    while (before := into.get(path[-1])) is not None and before not in path:
        path.append(before)
    return [stage, *reversed(path[1:])] if before == stage else []
