"""The block ``notifications`` of tagboat.yaml: who is told how a run ended, and of which endings."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Connection, Secret, Settings


class Outcome(enum.StrEnum):
    """What somebody can be told of."""

    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    DEGRADED = "degraded"
    LIVE = "live"
    PROMOTED = "promoted"


BAD = (Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.DEGRADED)


class Notification(Settings, frozen=True, kw_only=True):
    """Somebody who is told, by one POST for each run; docs/notifications.md has what is sent."""

    url: Annotated[
        Connection,
        Meta(description="Where to. Whoever knows a webhook's address may post to it: give it as `${env:NAME}`."),
    ]
    kind: Annotated[
        Literal["slack", "webhook"],
        Meta(description="`slack`: one text, as Slack, Mattermost and Rocket.Chat take it; `webhook`: JSON."),
    ]
    on: Annotated[tuple[Outcome, ...], Meta(min_length=1, description="What to tell of.")] = BAD
    secret: Annotated[
        Secret | None, Meta(description="What a webhook is signed with (HMAC-SHA256, as standardwebhooks.com has it).")
    ] = None
    allow_private: Annotated[
        bool,
        Meta(description="Let the address be one of a private network or of this machine, and then without TLS, too."),
    ] = False

    def __post_init__(self) -> None:
        """Refuse a signature that nobody would look at."""
        if self.kind == "slack" and self.secret is not None:
            raise ValueError("a Slack webhook is not signed", "Leave the secret out, or use `kind: webhook`.")
