"""A condition on metrics, parameters and tags of the version, of the incumbent and of any stage's version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entrypoint.configuration.gate_settings import ExpressionGate
from entrypoint.promotion.checking import condition_stages
from entrypoint.promotion.context import Context
from entrypoint.promotion.expressions import ExpressionError, Name, Scope, Unknown, parse
from entrypoint.promotion.expressions import evaluate as worked_out
from entrypoint.promotion.expressions.parsing import INCUMBENT
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.registry.resolve import Resolution

NO_VERSION = "there is no version"

DEEPEST = 8
"""Levels of an annotation's ``meta`` that a tag's name can go down."""


def evaluate(gate: ExpressionGate, context: Context) -> GateResult:
    """Pass where the condition is true, fail where it is false, and inconclusive where a value is not known."""
    try:
        expression = parse(gate.condition, condition_stages(context.workspace.stages))
    except ExpressionError as error:
        return GateResult(name=gate.condition, outcome=Outcome.INCONCLUSIVE, detail=error.message)
    answer = worked_out(expression, lambda name: _value(name, context))
    empty = {name: _stage(name.stage, context) for name in expression.names if name.stage is not None
             and context.placed(_stage(name.stage, context)) is None}  # fmt: skip
    told = ", ".join(f"{name} = {_shown(value)}" for name, value in answer.figures.items())
    if empty and set(answer.reasons) <= {f"{name.written}: {NO_VERSION}" for name in empty}:
        detail = f"{', '.join(sorted(set(empty.values())))} has no version yet to compare with" + (
            f" ({told})" if told else ""
        )
        outcome = Outcome.PASS if gate.without_incumbent == "pass" else Outcome.INCONCLUSIVE
        return GateResult(name=gate.condition, outcome=outcome, detail=detail, figures=answer.figures)
    if answer.holds is None:
        detail = "; ".join(answer.reasons) + (f" ({told})" if told else "")
        return GateResult(name=gate.condition, outcome=Outcome.INCONCLUSIVE, detail=detail, figures=answer.figures)
    outcome = Outcome.PASS if answer.holds else Outcome.FAIL
    return GateResult(name=gate.condition, outcome=outcome, detail=told, figures=answer.figures)


def _stage(stage: str, context: Context) -> str:
    return context.candidate.stage if stage == INCUMBENT else stage


def _value(name: Name, context: Context) -> object:
    stage = None if name.stage is None else _stage(name.stage, context)
    if name.scope is Scope.TAGS:
        version = context.version if stage is None else context.placed(stage)
        return _tag(name.key, version) if version is not None else Unknown(NO_VERSION)
    metrics = context.metrics(stage)
    if metrics is None:
        return Unknown(NO_VERSION)
    values = metrics.metrics if name.scope is Scope.METRICS else metrics.params
    if name.key not in values:
        files = [key.rpartition(":")[0] for key in values if key.endswith(f":{name.key}")]
        if files:
            word = "metric" if name.scope is Scope.METRICS else "param"
            return Unknown(f"several files have it; name one, such as {word}({f'{files[0]}:{name.key}'!r})")
    return values.get(name.key)


def _tag(key: str, version: Resolution) -> object:
    """A value of the annotation's ``meta`` by its dotted name, or a label: ``owner=risk`` is text, ``pii`` is true."""
    value: Any = version.meta
    for part in key.split(".", DEEPEST):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is not None:
        return value
    for label in version.labels:
        if label == key:
            return True
        for mark in "=:":
            name, found, text = label.partition(mark)
            if found and name.strip() == key:
                return text.strip()
    return None


def _shown(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)
