"""What every slot's record remembers of the releases that were tried there, however a target keeps its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from deployers.base import FailedRelease, VerifiedRelease

KEPT_VERIFIED = 5
"""So many verified releases can be rolled back to; what they need is kept."""

KEPT_FAILED = 20
"""So many failed releases are remembered."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The releases that were proved, and those that failed, newest first, each of them once and in one list only."""

    verified: Sequence[VerifiedRelease] = ()
    failed: Sequence[FailedRelease] = ()

    def with_verified(self, verified: VerifiedRelease, keep: int = KEPT_VERIFIED) -> Self:
        """What is verified now is no failure any more."""
        others = [kept for kept in self.verified if kept.release_id != verified.release_id]
        failed = [kept for kept in self.failed if kept.release_id != verified.release_id]
        return msgspec.structs.replace(self, verified=(verified, *others)[:keep], failed=tuple(failed))

    def with_failed(self, failure: FailedRelease) -> Self:
        """What failed now is nothing to roll back to."""
        others = [kept for kept in self.failed if kept.release_id != failure.release_id]
        verified = [kept for kept in self.verified if kept.release_id != failure.release_id]
        return msgspec.structs.replace(self, failed=(failure, *others)[:KEPT_FAILED], verified=tuple(verified))
