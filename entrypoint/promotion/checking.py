"""What is wrong in ``promotion:`` beyond its types: unknown stages, circles, conditions that cannot be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from entrypoint.promotion import expressions, graph

if TYPE_CHECKING:
    from entrypoint.configuration.gate_settings import AnyGate
    from entrypoint.configuration.promotion_settings import Promotion

Path = tuple[str | int, ...]
Found = tuple[Path, str, str | None]
"""Where below ``promotion``, what is wrong, and what to do."""

RESERVED = frozenset({"incumbent", "params", "tags", "metrics"})
"""Words of the conditions' language: a condition cannot name a stage that is called so."""


def mistakes(promotion: Promotion, stages: Collection[str], *, signed: bool = False) -> Iterator[Found]:
    """Every mistake; ``stages`` are those that tagboat.yaml has, ``signed``: its policies ask for signed tags."""
    known = ", ".join(sorted(stages))
    hint = f"The stages here: {known}." if known else "List it under `stages`; it needs no targets."
    for stage, written in promotion.items():
        if stage not in stages:
            yield (stage,), f"there is no stage '{stage}'", hint
        for index, rule in enumerate(graph.rules_of(promotion, stage)):
            here: Path = (stage, index) if isinstance(written, tuple) else (stage,)
            if rule.source not in stages:
                yield (*here, "from"), f"there is no stage '{rule.source}'", hint
            if signed and rule.tag_by == "api":
                yield (
                    (*here, "tag-by"),
                    "policies.require-signature asks for signed tags, and the API's are not",
                    ("Leave tag-by out, and give the runner a key that Git signs with."),
                )
            for number, gate in enumerate(rule.gates):
                yield from _gate(gate, (*here, "gates", number), stages)
    for artifact, circle in graph.cycles(promotion):
        who = f" for {artifact}" if artifact else ""
        yield (
            (circle[0],),
            f"the stages go round in a circle{who}: {' → '.join([*circle, circle[0]])}",
            ("A version must come to an end somewhere: take one of these rules out."),
        )


def _gate(gate: AnyGate | str, path: Path, stages: Collection[str]) -> Iterator[Found]:
    condition, alone = (gate, False) if isinstance(gate, str) else (getattr(gate, "condition", None), False)
    if condition is None:
        return
    if not isinstance(gate, str):
        path, alone = (*path, "condition"), getattr(gate, "without_incumbent", None) == "pass"
    try:
        expression = expressions.parse(condition, condition_stages(stages))
    except expressions.ExpressionError as error:
        yield path, str(error), error.hint
        return
    if alone and not expression.is_comparison:
        yield (
            path,
            "with `without-incumbent: pass` a condition is one comparison, and nothing beside it",
            ("Write what stands beside it as a gate of its own: it must hold for the first version, too."),
        )


def condition_stages(stages: Collection[str]) -> frozenset[str]:
    """The stages that a condition can name; the language's own words mean what they always mean."""
    return frozenset(stages) - RESERVED
