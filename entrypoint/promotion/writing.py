"""The tag that promotes: by `git push`, or through GitHub's API where the checkout's remote may only be read."""

from __future__ import annotations

from contextlib import closing

from entrypoint.errors import UsageError
from entrypoint.github.client import connect
from entrypoint.github.tags import ApiTags
from entrypoint.promotion.context import Candidate
from entrypoint.registry.inscription import TagWriter, Written
from entrypoint.registry.signatures import Signers, signer_of
from entrypoint.registry.state import Registry
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.writing import assign
from entrypoint.workspace import Workspace


def write(workspace: Workspace, registry: Registry, candidate: Candidate, message: str) -> Written:
    """Write the assignment as the candidate's rule says.

    Raises `RefusedError` where the tag would have no effect, another run took its name for something else, or the
    policies would not accept it; `UnreachableError` where the remote was not reached. Then there is no tag of ours.
    """
    if candidate.rule.tag_by == "push" or not workspace.request.push:
        return _assigned(workspace, registry, candidate, message)
    request = workspace.request
    token = request.api_token
    if token is None:
        raise UsageError(
            "there is no token to write the tag with",
            where=f"promotion.{candidate.stage}.tag-by",
            hint="Give the input `token` (or set GITHUB_TOKEN), or let tag-by be push.",
        )
    with closing(connect(request.environment, token)) as github:
        return _assigned(workspace, registry, candidate, message, ApiTags(github))


def _assigned(
    workspace: Workspace, registry: Registry, candidate: Candidate, message: str, writer: TagWriter | None = None
) -> Written:
    """The assignment, signed where the policies ask that of tags, and looked at as they do before it is pushed."""
    policy = workspace.policies.require_signature
    repository = workspace.repository

    def approve(tag: TagObject) -> None:
        if policy is not None:
            signers = Signers.of(policy.allowed_signers, policy.keyring, repository)
            signer_of(repository, tag.name, tag.object_id, signers)

    return assign(
        repository, registry, candidate.artifact, candidate.version, candidate.stage, message=message,
        clock=workspace.request.clock, push=workspace.pushes, sign=True if policy is not None else None,
        approve=approve, writer=writer,
    )  # fmt: skip
