"""What a registration is tried with: the same path as a deployment, ending in a server that is asked and taken down."""

from __future__ import annotations

from deployers.errors import TagboatError
from deployers.local.preflight import Preflight as Trial
from entrypoint.journal import Journal
from entrypoint.preparation import prepare
from entrypoint.registry.policy import check_policies
from entrypoint.registry.resolve import Resolution
from entrypoint.report.verdict import Failure, Preflight
from entrypoint.verification import verify
from entrypoint.workspace import Workspace


def preflight(workspace: Workspace, registered: Resolution) -> Preflight:
    """Download, scan, wrap, start, ask, take down. Nothing is deployed; what was built stays cached for later."""
    journal = Journal(workspace.progress)
    digest = None
    failure = None
    try:
        check_policies(workspace.repository, registered, workspace.policies)
        bundle = prepare(workspace, registered, journal)
        digest = bundle.digest
        with Trial(bundle, workspace.surroundings) as trial:
            with journal.step("start"):
                trial.wait_until_ready()
            with journal.step("verify", "before any assignment"):
                verify(trial.call, trial.release_id, workspace.smoke(registered.artifact), workspace.read_input)
    except TagboatError as error:
        failure = Failure.of(error)
    return Preflight(
        artifact=registered.artifact,
        version=registered.version or "",
        passed=failure is None,
        commit=registered.commit,
        bundle_digest=digest,
        seconds=journal.seconds,
        steps=tuple(journal.timings),
        warnings=tuple(journal.warnings),
        failure=failure,
    )
