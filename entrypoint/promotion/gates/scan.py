"""The static scan of the model's files: what loading it would import. The same scan as before every deployment."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deployers.wrapping.model_files import survey
from deployers.wrapping.scan import Severity, lines
from deployers.wrapping.wrap import scanned
from entrypoint.configuration.gate_settings import ScanGate
from entrypoint.journal import Journal
from entrypoint.preparation import fetch
from entrypoint.promotion.context import Context
from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.trees import CommitTree

SHOWN = 5
"""Findings that the gate's detail names."""


def evaluate(gate: ScanGate, context: Context) -> GateResult:
    """Fail for dangerous imports, and for unknown or unreadable ones unless the gate lets those pass."""
    workspace, version = context.workspace, context.version
    if version is None:
        return GateResult(name="scan", outcome=Outcome.INCONCLUSIVE, detail="the version has left its stage")
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scanning-", dir=workspace.cache) as folder:
        arrived = fetch(workspace, version, Path(folder) / "model", Journal(workspace.progress))
        contents = [file.content for file in survey(arrived.folder)]
        scan = scanned(arrived.folder, arrived.model.as_posix(), contents, workspace.cache)
    findings = scan.beyond({*workspace.policies.allowed_imports, *_own_modules(context)})
    counts = {severity: sum(one.severity is severity for one in findings) for severity in Severity}
    figures: dict[str, float | int | str | bool] = {"pickles": scan.pickles}
    figures |= {severity.value: count for severity, count in counts.items()}
    grave = [one for one in findings if gate.unknown == "fail" or one.severity is Severity.DANGEROUS]
    if not grave:
        known = f", {len(findings)} of them let through" if findings else ""
        detail = f"{len(contents)} files scanned, nothing out of the ordinary{known}"
        return GateResult(name="scan", outcome=Outcome.PASS, detail=detail, figures=figures)
    told = list(lines(grave))
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return GateResult(name="scan", outcome=Outcome.FAIL, detail="; ".join(told[:SHOWN]) + more, figures=figures)


def _own_modules(context: Context) -> set[str]:
    """The user's own modules of the commit, which travel in the bundle."""
    artifact = context.workspace.artifact(context.candidate.artifact)
    tree = CommitTree(context.workspace.repository, context.candidate.commit)
    names = (name for path in artifact.code for name, _ in tree.files(path))
    return {name.split("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
