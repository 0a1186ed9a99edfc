"""What a registration is tried with: the same path as a deployment, ending in a server that is asked and taken down."""

from __future__ import annotations

from deployers.errors import TagboatError, UnreachableError
from deployers.local.preflight import Preflight as Trial
from deployers.wrapping.bundle import Bundle
from entrypoint.journal import Journal
from entrypoint.preparation import prepare
from entrypoint.registry.policy import check_policies
from entrypoint.registry.resolve import Resolution
from entrypoint.report.verdict import Failure, Preflight
from entrypoint.verification import verify
from entrypoint.workspace import Workspace


def preflight(workspace: Workspace, registered: Resolution) -> Preflight:
    """Download, scan, wrap, start, ask, take down. Nothing is deployed; what was built stays for later."""
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
        if not workspace.dry_run:
            push_ahead(workspace, registered, bundle, journal)
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


def push_ahead(workspace: Workspace, registered: Resolution, bundle: Bundle, journal: Journal) -> None:
    """Bring the bundle to every target that the artifact may come to, so that its assignment only rolls out.

    A target that does not answer now is asked again by the assignment; one that could never run it fails the preflight.
    """
    slots = workspace.slots_of([(registered.artifact, stage) for stage in workspace.stages])
    for target in sorted({slot.target for slot in slots}):
        begun = journal.stopwatch()
        try:
            done = workspace.deployer(target).push_ahead(bundle)
        except UnreachableError as error:
            journal.warn(f"{target}: nothing was pushed ahead: {error.message}")
            continue
        if done:
            journal.add("push ahead", f"{target}: {done}", journal.stopwatch() - begun)
