"""The block ``promotion:`` of tagboat.yaml: which stage a version comes from, and what it must have shown there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deployers.settings import Settings
from entrypoint.configuration.gate_settings import AnyGate
from entrypoint.configuration.words import ArtifactName, StageName, Text


class PromotionRule(Settings, frozen=True, kw_only=True):
    """How versions come into one stage. It passes when they are live and verified in the stage before, on all of that
    one's targets, and every gate passes."""

    source: Annotated[StageName, Meta(description="The stage that a version comes from.")] = msgspec.field(name="from")
    artifacts: Annotated[
        tuple[ArtifactName, ...], Meta(description="The artifacts that this is about; without it: all.")
    ] = ()
    gates: Annotated[
        tuple[AnyGate | Text, ...],
        Meta(description="What must hold. A text is a condition, such as `accuracy >= 0.9`."),
    ] = ()
    automatic: Annotated[
        bool,
        Meta(description="Promote by itself: after a deployment to `from`, and whenever `tagboat reconcile` runs."),
    ] = False
    deploy: Annotated[
        Literal["same-run", "dispatch", "none"],
        Meta(
            description="How the promoted version gets live: in the run that promotes, in another one that is "
            "dispatched, or by whatever acts on the tag."
        ),
    ] = "same-run"
    workflow: Annotated[
        Text | None,
        Meta(
            description="With `deploy: dispatch`: the workflow's file, such as `tagboat.yml`, which has an input "
            "`ref`; without it the event is `repository_dispatch` of type `tagboat`."
        ),
    ] = None
    skips: Annotated[
        Literal["allow", "refuse"],
        Meta(description="An assignment to this stage of a version that was never in `from` before."),
    ] = "allow"
    tag_by: Annotated[
        Literal["push", "api"],
        Meta(description="How the tag gets to the remote: by `git push`, or through GitHub's API with the token."),
    ] = "push"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.workflow is not None and self.deploy != "dispatch":
            raise ValueError("workflow is for `deploy: dispatch` alone", "Set deploy: dispatch, or leave workflow out.")


PromotionRules = PromotionRule | tuple[PromotionRule, ...]
"""How versions come into one stage; of several rules the first one that is about an artifact counts for it."""

Promotion = Mapping[StageName, PromotionRules]
"""The whole block, by the stage that is promoted into."""
