"""What a person says in a comment to have something promoted: ``/promote``, on the comment's first line.

    /promote                          whatever may be promoted
    /promote churn                    this artifact, wherever it may go
    /promote churn prod               this artifact, into this stage; `to` may stand between
    /promote churn@v1.4.0 to prod     only this version

A comment is anybody's text. This says what it asks for; who may ask is looked up by whoever acts on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.errors import UsageError
from entrypoint.registry.tags import is_artifact, is_stage, is_version

COMMAND = "/promote"
LINKS = frozenset({"to", "into"})


@dataclass(frozen=True)
class Asked:
    """What a comment asks for; None stands for any."""

    artifact: str | None = None
    version: str | None = None
    stage: str | None = None

    def covers(self, artifact: str, version: str, stage: str) -> bool:
        """Whether this is what was asked for."""
        return self.artifact in (None, artifact) and self.version in (None, version) and self.stage in (None, stage)


def asked(body: str) -> Asked | None:
    """What a comment asks for, or None for one that asks for no promotion.

    Raises `UsageError` for one that asks, and for nothing that there can be.
    """
    command, *words = (body.strip().splitlines() or [""])[0].split() or [""]
    if command != COMMAND:
        return None
    named = words[:1] if words and words[0] not in LINKS else []
    rest = words[len(named) :]
    stages = rest[1:] if rest and rest[0] in LINKS else rest
    artifact, at, version = (named or [""])[0].partition("@")
    stage = stages[0] if stages else None
    if (
        len(stages) > 1
        or (rest and not stages)
        or (named and not is_artifact(artifact))
        or (at and not is_version(version))
        or (stage is not None and not is_stage(stage))
    ):
        hint = "Write `/promote ARTIFACT STAGE`, such as /promote churn prod."
        raise UsageError("this asks for no promotion", where="comment", hint=hint)
    return Asked(artifact or None, version or None, stage)
