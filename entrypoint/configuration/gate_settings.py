"""The gates of a promotion as tagboat.yaml has them, told apart by their key ``gate``.

What each does is in the module of its name below `entrypoint.promotion.gates`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Duration, Settings
from entrypoint.configuration.words import Text


class Gate(Settings, frozen=True, kw_only=True, tag_field="gate"):
    """What every gate has."""

    name: Annotated[Text | None, Meta(description="What the gate is called in reports.")] = None


class ExpressionGate(Gate, frozen=True, kw_only=True, tag="expression"):
    """A condition on metrics, parameters and tags. A text in the list of gates is short for this."""

    condition: Annotated[Text, Meta(description="Such as `accuracy >= 0.9` or `f1 >= incumbent.f1 - 0.01`.")]
    without_incumbent: Annotated[
        Literal["inconclusive", "pass"],
        Meta(description="What it comes to where a stage that it compares with has no version yet."),
    ] = "inconclusive"


class SoakGate(Gate, frozen=True, kw_only=True, tag="soak"):
    """The version must have been live and verified in the source stage, on every target, for a while."""

    time: Annotated[Duration, Meta(description="For how long, such as `24h`.")]


class ScanGate(Gate, frozen=True, kw_only=True, tag="scan"):
    """The static scan of the model's files must have found nothing out of the ordinary."""

    unknown: Annotated[
        Literal["fail", "pass"],
        Meta(description="Imports outside the allow-list that are not known to be dangerous, and unreadable parts."),
    ] = "fail"


class SignatureGate(Gate, frozen=True, kw_only=True, tag="signature"):
    """The tags that put the version into the source stage must be signed as `policies.require-signature` asks."""


AnyGate = ExpressionGate | SoakGate | ScanGate | SignatureGate
"""Every gate there is."""
