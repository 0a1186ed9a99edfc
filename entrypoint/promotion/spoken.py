"""What a person says in a comment to have something promoted: ``/promote``, alone on the comment's first line.

    /promote                          whatever the pull request's versions may be promoted into
    /promote churn                    this artifact
    /promote churn@v1.4.0 to prod     this version, into this stage

A comment is anybody's text. This says what it asks for; who may ask is looked up by whoever acts on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrypoint.registry.tags import is_artifact, is_stage, is_version

COMMAND = re.compile(
    r"/promote(?: +(?P<artifact>[^\s@]{1,200})(?:@(?P<version>\S{1,100}))?)??(?: +to +(?P<stage>\S{1,100}))? *"
)


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
    """What a comment asks for, or None for one that asks for nothing that we understand."""
    match = COMMAND.fullmatch(body.strip("\r\n").split("\n")[0].rstrip("\r"))
    if match is None:
        return None
    artifact, version, stage = match["artifact"], match["version"], match["stage"]
    sound = (
        (artifact is None or is_artifact(artifact))
        and (version is None or is_version(version))
        and (stage is None or is_stage(stage))
    )
    return Asked(artifact, version, stage) if sound else None
