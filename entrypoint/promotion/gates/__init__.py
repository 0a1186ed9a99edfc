"""Gates: what a version must have shown before it is promoted. One module a gate, named as its ``gate:``.

Each module has ``evaluate(gate, context) -> GateResult``; its settings are in `entrypoint.configuration.gate_settings`.
A gate raises nothing for what it cannot tell: it is inconclusive, with the reason, and inconclusive is not passed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from entrypoint.errors import TagboatError

if TYPE_CHECKING:
    from entrypoint.configuration.gate_settings import AnyGate
    from entrypoint.promotion.context import Context


class Outcome(enum.StrEnum):
    """How a gate came out; only PASS lets a version through."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """One gate's answer. ``detail``: one sentence for a person. ``figures``: what it rests on, by name.

    Both may hold text from the repository: whoever shows them makes them harmless.
    """

    name: str
    outcome: Outcome
    detail: str = ""
    figures: Mapping[str, float | int | str | bool] = {}

    @property
    def passed(self) -> bool:
        """Whether it lets the version through."""
        return self.outcome is Outcome.PASS


def evaluate(gate: AnyGate | str, context: Context) -> GateResult:
    """Evaluate one gate; a text is short for the gate ``expression``."""
    from entrypoint.configuration.gate_settings import ExpressionGate

    if isinstance(gate, str):
        gate = ExpressionGate(condition=gate)
    kind = str(gate.__struct_config__.tag)
    module = import_module(f"entrypoint.promotion.gates.{kind.replace('-', '_')}")
    try:
        result = module.evaluate(gate, context)
    except TagboatError as error:
        result = GateResult(name=kind, outcome=Outcome.INCONCLUSIVE, detail=str(error))
    except Exception as error:  # noqa: BLE001 - what was deployed before must still be told of
        detail = f"Tagboat itself failed here, which is a defect of its own: {type(error).__name__}: {error}"
        result = GateResult(name=kind, outcome=Outcome.INCONCLUSIVE, detail=detail)
    assert isinstance(result, GateResult)  # noqa: S101 - the module's contract
    return msgspec.structs.replace(result, name=gate.name) if gate.name else result
