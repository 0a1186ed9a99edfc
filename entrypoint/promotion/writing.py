"""The tag that promotes, by `git push`; `entrypoint.promotion.through_api` is the other way."""

from __future__ import annotations

from entrypoint.promotion.context import Candidate
from entrypoint.registry.inscription import Written
from entrypoint.registry.state import Registry
from entrypoint.workspace import Workspace


def write(workspace: Workspace, registry: Registry, candidate: Candidate, message: str) -> Written:
    """Write the assignment as the candidate's rule says.

    Raises `RefusedError` where the tag would have no effect, another run took its name for something else, or the
    policies would not accept it; `UnreachableError` where the remote was not reached. Then there is no tag of ours.
    """
    return workspace.promote(registry, candidate.artifact, candidate.version, candidate.stage, message)
