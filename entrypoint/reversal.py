"""Going back and taking down, by a person's word: through the registry, or holding the slot against it.

The tag comes first: once it is written, a run that is killed here is finished by any later one, since the registry
already says where the slot is to be. With ``--no-tag`` the hold comes first, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from deployers.base import Health, Hold, Observation, Slot, TagRecord, VerifiedRelease
from deployers.errors import ConfigurationError, DegradedError, ReleaseFailedError, TagboatError
from entrypoint.journal import Journal
from entrypoint.pipeline import SWITCH_SECONDS, Orders, SlotRun
from entrypoint.promotion.graph import rule_for
from entrypoint.promotion.holds import holds, lift
from entrypoint.report.verdict import Failure, SlotVerdict, Status, Trigger, Verdict
from entrypoint.verification import await_release
from entrypoint.workspace import Workspace

Goals = dict[Slot, VerifiedRelease | None]
"""What each slot goes back to; None where its target has no stored bundle of that version."""


def roll_back(workspace: Workspace) -> Verdict:
    """Serve again, on every target of the slot, what was verified there before (or the version that was asked for)."""
    artifact, stage, slots = _asked(workspace)
    registry = workspace.read_registry()
    goals = _goals(workspace, slots)
    version = workspace.request.version or _one_version(goals)
    if not workspace.request.tag and None in goals.values():
        raise ConfigurationError(
            f"not every target has a stored bundle of {version}",
            where=f"{artifact}#{stage}",
            hint="Without --no-tag the version is assigned, and built anew where it is not stored.",
        )
    tag: TagRecord | None = None
    if workspace.request.tag:
        tag = workspace.assign(registry, artifact, version, stage).record
    else:
        _hold(workspace, slots, f"rolled back to {version}")
    verdicts = [_told(workspace, _go_back(workspace, slot, goal, tag)) for slot, goal in goals.items()]
    trigger = Trigger(event="rollback", tag=tag.name if tag else None, artifact=artifact, version=version, stage=stage)
    return workspace.verdict(registry, verdicts, trigger)


def remove(workspace: Workspace) -> Verdict:
    """Take the slot down on every target, and only what is ours."""
    artifact, stage, slots = _asked(workspace)
    registry = workspace.read_registry()
    tag = None
    if not workspace.request.tag:
        _hold(workspace, slots, "removed")
    else:
        # An unassignment brings the version before back, as GTO shows it; down means that nothing is left to come back.
        while artifact in registry.artifacts and stage in registry.artifacts[artifact].stages:
            written = workspace.unassign(registry, artifact, stage)
            tag, registry = written.name, written.registry
    verdicts = [_told(workspace, _take_down(workspace, slot)) for slot in slots]
    trigger = Trigger(event="remove", tag=tag, artifact=artifact, stage=stage)
    return workspace.verdict(registry, verdicts, trigger)


def release_hold(workspace: Workspace) -> Verdict:
    """Let events, reconcile and promotions at the slot again; deploys nothing by itself."""
    artifact, stage, slots = _asked(workspace, promoted=True)
    registry = workspace.read_registry()
    lifted = [lift(workspace, registry, hold) for hold in holds(workspace, registry, artifact=artifact, stage=stage)]
    verdicts = []
    for slot in slots:
        deployer = workspace.deployer(slot.target)
        with deployer.lease(slot):
            observed = deployer.observe(slot)
            deployer.hold(slot, None)
        reason = f"no longer held (was: {observed.held.reason})" if observed.held else "was not held"
        verdicts.append(_ended(slot, Status.UNCHANGED, Journal(workspace.progress), observed, reason=reason))
    trigger = Trigger(event="release-hold", artifact=artifact, stage=stage)
    note = "`tagboat reconcile` brings it to what the registry says."
    if lifted:
        note = f"What was taken out of {stage} may be promoted there again, by {', '.join(lifted)}. {note}"
    return workspace.verdict(workspace.read_registry(), verdicts, trigger, note=note)


def _asked(workspace: Workspace, *, promoted: bool = False) -> tuple[str, str, Sequence[Slot]]:
    """The slots that the request names, one for each target of the stage.

    ``promoted``: a stage that goes to no target will do where something is promoted into it.
    """
    text = workspace.request.ref or ""
    artifact, hash_sign, stage = text.removeprefix("refs/tags/").partition("#")
    if not (artifact and hash_sign and stage) or "#" in stage:
        raise ConfigurationError("this names no slot", where=text, hint="Write ARTIFACT#STAGE, such as churn#prod.")
    slots = workspace.slots_of([(artifact, stage)])
    known = promoted and rule_for(workspace.configuration.promotion, artifact, stage) is not None
    if not slots and not known:
        raise ConfigurationError(f"tagboat.yaml sends stage {stage} to no target", where=text)
    return artifact, stage, slots


def _goals(workspace: Workspace, slots: Sequence[Slot]) -> Goals:
    goals: Goals = {}
    for slot in slots:
        observed = workspace.deployer(slot.target).observe(slot)
        goals[slot] = goal = _goal(observed, workspace.request.version)
        if goal is None and workspace.request.version is None:
            raise ConfigurationError(
                "there is nothing to go back to: no other release was verified here before",
                where=str(slot),
                hint="`--to VERSION` names one to assign; `tagboat show` lists them.",
            )
    return goals


def _goal(observed: Observation, version: str | None) -> VerifiedRelease | None:
    """The newest verified release of the version, or the newest that is not the one being served."""
    for verified in observed.verified:
        if version is None and verified.release_id != observed.release_id:
            return verified
        if version is not None and verified.release.version == version:
            return verified
    return None


def _one_version(goals: Goals) -> str:
    versions = sorted({goal.release.version for goal in goals.values() if goal is not None})
    if len(versions) == 1:
        return versions[0]
    raise ConfigurationError(
        f"the targets of this stage verified different versions before: {', '.join(versions)}",
        hint="Say which one with --to VERSION.",
    )


def _hold(workspace: Workspace, slots: Sequence[Slot], reason: str) -> None:
    for slot in slots:
        deployer = workspace.deployer(slot.target)
        with deployer.lease(slot):
            deployer.hold(slot, Hold(reason=reason, by=workspace.actor, at=workspace.request.clock()))


def _go_back(workspace: Workspace, slot: Slot, goal: VerifiedRelease | None, tag: TagRecord | None) -> SlotVerdict:
    """Serve the stored bundle again, and prove it; where none is stored, deploy the assigned version."""
    if goal is None:
        return SlotRun(workspace, slot, Orders(tag=tag.name if tag else None, retry=True)).bring()
    deployer = workspace.deployer(slot.target)

    def act(journal: Journal) -> tuple[Status, Observation]:
        for _ in journal.follow(deployer.rollback(slot, goal)):
            pass
        with journal.step("verify"):
            observed = await_release(lambda: deployer.observe(slot), goal.release_id, timeout=SWITCH_SECONDS)
        deployer.mark_verified(slot, goal.release)
        if tag is not None:
            deployer.record_tag(slot, tag)
        return Status.LIVE, observed

    verdict = _carry_out(workspace, slot, act, version=goal.release.version)
    return msgspec.structs.replace(verdict, commit=goal.release.commit, tag=tag.name if tag else None)


def _told(workspace: Workspace, verdict: SlotVerdict) -> SlotVerdict:
    workspace.witness.ended(verdict)
    return verdict


def _take_down(workspace: Workspace, slot: Slot) -> SlotVerdict:
    deployer = workspace.deployer(slot.target)

    def act(journal: Journal) -> tuple[Status, Observation]:
        held = deployer.observe(slot).held
        for _ in journal.follow(deployer.remove(slot)):
            pass
        observed = deployer.observe(slot)
        if observed.health is not Health.ABSENT:
            raise ReleaseFailedError(f"it could not be taken down: {observed.health.value}", where=str(slot))
        if held is not None:
            deployer.hold(slot, held)
        return Status.REMOVED, observed

    return _carry_out(workspace, slot, act)


def _carry_out(
    workspace: Workspace,
    slot: Slot,
    act: Callable[[Journal], tuple[Status, Observation]],
    version: str | None = None,
) -> SlotVerdict:
    """Act on one slot under its lease; an error is a verdict, and the way back has no other way back."""
    journal = Journal(workspace.progress)
    deployer = workspace.deployer(slot.target)
    before: Observation | None = None
    try:
        with workspace.progress.section(str(slot)), deployer.lease(slot):
            before = deployer.observe(slot)
            status, observed = act(journal)
    except ReleaseFailedError as error:
        failure = Failure(message=error.message, where=error.where, hint=error.hint, exit_code=DegradedError.exit_code)
        return _ended(slot, Status.DEGRADED, journal, before, reason=error.message, failure=failure, version=version)
    except TagboatError as error:
        return _ended(slot, Status.FAILED, journal, before, reason=error.message, failure=Failure.of(error),
                      version=version)  # fmt: skip
    changed = before.release_id != observed.release_id
    return _ended(slot, status, journal, before, observed, version=version, changed=changed)


def _ended(
    slot: Slot,
    status: Status,
    journal: Journal,
    before: Observation | None,
    observed: Observation | None = None,
    *,
    version: str | None = None,
    reason: str = "",
    changed: bool = False,
    failure: Failure | None = None,
) -> SlotVerdict:
    return SlotVerdict(
        artifact=slot.artifact,
        stage=slot.stage,
        target=slot.target,
        status=status,
        reason=reason,
        version=version,
        previous=before.release.version if before and before.release else None,
        previous_commit=before.release.commit if before and before.release else None,
        release=observed.release_id if observed else None,
        url=observed.url if observed else None,
        proved_by=observed.proved_by if observed else None,
        changed=changed,
        failure=failure,
        seconds=journal.seconds,
        steps=tuple(journal.timings),
        warnings=tuple(journal.warnings),
    )
