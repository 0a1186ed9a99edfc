"""Signatures: those tags that put the version into its source stage, by the lists of ``policies.require-signature``."""

from __future__ import annotations

from entrypoint.configuration.gate_settings import SignatureGate
from entrypoint.errors import RefusedError
from entrypoint.promotion.context import Context
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.registry.signatures import Signers, signer_of


def evaluate(gate: SignatureGate, context: Context) -> GateResult:  # noqa: ARG001 - the same for every gate
    """Fail where a tag behind the version has no good signature of a listed signer."""
    name = "signature"
    workspace = context.workspace
    policy = workspace.policies.require_signature
    if policy is None:
        return GateResult(
            name=name,
            outcome=Outcome.INCONCLUSIVE,
            detail="tagboat.yaml names no signers: set policies.require-signature",
        )
    version = context.version
    if version is None:
        return GateResult(name=name, outcome=Outcome.INCONCLUSIVE, detail="the version has left its stage")
    signers = Signers.of(policy.allowed_signers, policy.keyring, workspace.repository)
    figures: dict[str, float | int | str | bool] = {}
    for happened in version.behind:
        try:
            figures[happened.tag.name] = signer_of(workspace.repository, happened.tag.name, happened.object_id, signers)
        except RefusedError as error:
            return GateResult(name=name, outcome=Outcome.FAIL, detail=str(error), figures=figures)
    tags = ", ".join(happened.tag.name for happened in version.behind)
    return GateResult(name=name, outcome=Outcome.PASS, detail=f"signed: {tags}", figures=figures)
