"""One run: which slots it is about, and what became of them. The command line and the Action both come in here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from deployers.base import Slot
from deployers.errors import ConfigurationError, TagboatError
from entrypoint.pipeline import Orders, SlotRun
from entrypoint.preflight import preflight
from entrypoint.promotion import graph
from entrypoint.promotion.approvals import check_asker
from entrypoint.promotion.onward import SOUND, Onward, asked_place, every_place
from entrypoint.registry import tags
from entrypoint.registry.resolve import Resolution, resolve, slots_touched
from entrypoint.registry.state import Registry
from entrypoint.report.verdict import Failure, Preflight, SlotVerdict, Trigger, Verdict
from entrypoint.request import Command, Request
from entrypoint.reversal import release_hold, remove, roll_back
from entrypoint.survey import survey
from entrypoint.workspace import Workspace


def run(request: Request) -> Verdict:
    """Do what is asked, and say how it ended. Raises `TagboatError` only where no verdict can be reached."""
    workspace = Workspace.open(request)
    actions: dict[Command, Callable[[Workspace], Verdict]] = {
        Command.DEPLOY: deploy,
        Command.PLAN: deploy,
        Command.RECONCILE: reconcile,
        Command.ROLLBACK: roll_back,
        Command.REMOVE: remove,
        Command.RELEASE_HOLD: release_hold,
        Command.PROMOTE: promote,
    }
    try:
        verdict = actions[request.command](workspace)
    except TagboatError as error:
        trigger = Trigger(tag=(request.ref or "").removeprefix("refs/tags/") or None)
        _announce(workspace, Verdict(failure=Failure.of(error), trigger=trigger))
        raise
    return _announce(workspace, _shown(workspace, verdict))


def deploy(workspace: Workspace) -> Verdict:
    """Act on one event: bring every slot that it touches to what the registry says, or preflight a registration."""
    request = workspace.request
    registry = workspace.read_registry()
    if request.tag_is_gone:
        return _after_a_deleted_tag(workspace, registry)
    event = resolve(workspace.repository, registry, request.ref or "")
    trigger = Trigger(event=event.event, tag=event.tag.name if event.tag else None, artifact=event.artifact,
                      version=event.version, stage=event.stage, commit=event.commit)  # fmt: skip
    if event.event == "registration":
        return _register(workspace, registry, event, trigger)
    touched = slots_touched(registry, request.ref or "")
    slots = workspace.slots_of(touched)
    note = "" if slots else _deployed_nowhere(touched)
    brought = bring_all(workspace, slots, trigger.tag)
    onward = _go_on(workspace, touched, brought)
    return workspace.verdict(registry, [*brought, *onward.slots], trigger, promotions=onward.promotions, note=note)


def reconcile(workspace: Workspace) -> Verdict:
    """Bring every slot to what the registry says; slots that agree already are not even leased."""
    request = workspace.request
    registry = workspace.read_registry()
    seen = survey(workspace, registry, artifact=request.artifact, stage=request.stage)
    orders = _orders(workspace)
    settled = {
        status.slot: verdict
        for status in seen
        if status.observed is not None
        and (verdict := SlotRun(workspace, status.slot, orders).settled(status.wanted, status.observed))
    }
    brought = bring_all(workspace, [status.slot for status in seen if status.slot not in settled])
    verdicts = sorted([*settled.values(), *brought], key=lambda one: (one.artifact, one.stage, one.target))
    trigger = Trigger(event="reconcile", artifact=request.artifact, stage=request.stage)
    note = "" if seen else "The registry assigns nothing that tagboat.yaml deploys."
    onward = Onward(workspace, partial(bring_all, workspace))
    if request.promote and not workspace.dry_run:
        artifacts = [name for name in registry.artifacts if request.artifact in (None, name)]
        for artifact, stage in every_place(workspace, artifacts):
            if request.stage in (None, stage):
                onward.into(artifact, stage)
    return workspace.verdict(registry, _newest(verdicts, onward.slots), trigger, promotions=onward.promotions,
                             note=note)  # fmt: skip


def promote(workspace: Workspace) -> Verdict:
    """Promote what passes its gates: one promotion by its name, or every one that tagboat.yaml has rules for."""
    request = workspace.request
    if not workspace.configuration.promotion:
        raise ConfigurationError(
            "there are no rules to promote by", where=f"{request.config}: promotion",
            hint="For instance `promotion: {prod: {from: staging, gates: [accuracy >= 0.9]}}`.",
        )  # fmt: skip
    check_asker(request)
    registry = workspace.read_registry()
    artifacts = list(registry.artifacts)
    if request.artifact is not None:
        artifacts = [registry.artifact(request.artifact).name]
    asked = request.artifact is not None and (request.source or request.stage) is not None
    if asked:
        places = [asked_place(workspace, artifacts[0], request.source, request.stage)]
    else:
        places = [
            (artifact, stage)
            for artifact, stage in every_place(workspace, artifacts)
            if request.stage in (None, stage)
            and request.source in (None, graph.ways(workspace.configuration.promotion, artifact)[stage])
        ]
    onward = Onward(workspace, partial(bring_all, workspace), automatic=False, asked=asked)
    for artifact, stage in places:
        onward.into(artifact, stage)
    trigger = Trigger(event="promotion", artifact=request.artifact, stage=request.stage)
    note = "" if onward.promotions else "No rule of tagboat.yaml is about what is in the registry."
    return workspace.verdict(registry, onward.slots, trigger, promotions=onward.promotions, note=note)


def bring_all(workspace: Workspace, slots: Sequence[Slot], tag: str | None = None) -> list[SlotVerdict]:
    """Bring slots to what the registry says: targets side by side, the slots of one target in turn.

    A failing slot stops no other one.
    """
    orders = _orders(workspace, tag)
    by_target: dict[str, list[Slot]] = defaultdict(list)
    for slot in slots:
        by_target[slot.target].append(slot)

    def bring(one_targets: Iterable[Slot]) -> list[SlotVerdict]:
        verdicts = []
        for slot in one_targets:
            with workspace.progress.section(str(slot)):
                verdicts.append(SlotRun(workspace, slot, orders).bring())
                workspace.witness.ended(verdicts[-1])
        return verdicts

    with ThreadPoolExecutor(max(1, len(by_target))) as runners:
        return [verdict for verdicts in runners.map(bring, by_target.values()) for verdict in verdicts]


def _go_on(workspace: Workspace, places: Iterable[tuple[str, str]], brought: Sequence[SlotVerdict]) -> Onward:
    """Go on with the automatic promotions from stages that are in order on all their targets."""
    onward = Onward(workspace, partial(bring_all, workspace))
    unsound = {(slot.artifact, slot.stage) for slot in brought if slot.status not in SOUND}
    if workspace.request.promote and not workspace.dry_run:
        onward.after(place for place in places if place not in unsound)
    return onward


def _newest(before: Sequence[SlotVerdict], after: Sequence[SlotVerdict]) -> list[SlotVerdict]:
    """Each slot's last verdict of the run: a promotion can come back to one that was in order before."""
    again = {(slot.artifact, slot.stage, slot.target) for slot in after}
    return [slot for slot in before if (slot.artifact, slot.stage, slot.target) not in again] + list(after)


def _shown(workspace: Workspace, verdict: Verdict) -> Verdict:
    """Tell the stories, and let the witness finish; what it could not show is a warning of the verdict, and no more."""
    if workspace.request.stories:
        from entrypoint.story import with_stories

        verdict = with_stories(workspace, verdict)
    problems = workspace.witness.finished(verdict)
    for problem in problems:
        workspace.progress.warn(problem)
    return msgspec.structs.replace(verdict, warnings=(*verdict.warnings, *problems))


def _announce(workspace: Workspace, verdict: Verdict) -> Verdict:
    """Tell everybody whom tagboat.yaml names; what does not reach them is a warning of the verdict."""
    wanted = workspace.configuration.notifications
    if workspace.dry_run or not wanted:
        return verdict
    from entrypoint.notifications import announce
    from entrypoint.notifications.messages import Circumstances

    request = workspace.request
    circumstances = Circumstances(
        at=int(request.clock()), repository=request.environment.get("GITHUB_REPOSITORY"), run=request.run_url
    )
    problems = announce(verdict, wanted, circumstances, environment=request.environment,
                        secret=workspace.progress.secret)  # fmt: skip
    for problem in problems:
        workspace.progress.warn(problem)
    return msgspec.structs.replace(verdict, warnings=(*verdict.warnings, *problems))


def _orders(workspace: Workspace, tag: str | None = None) -> Orders:
    """Reconcile leaves alone what failed before; whoever names a release means it."""
    request = workspace.request
    retry = request.retry or request.command is not Command.RECONCILE
    return Orders(tag=tag, dry_run=workspace.dry_run, retry=retry, saved=request.saved)


def _register(workspace: Workspace, registry: Registry, event: Resolution, trigger: Trigger) -> Verdict:
    """A registration deploys nothing by itself; tagboat.yaml can name a stage that it assigns."""
    settings = workspace.registration(event.artifact)
    preflights: list[Preflight] = []
    if settings.preflight:
        with workspace.progress.section(f"preflight of {event.artifact}@{event.version}"):
            preflights.append(preflight(workspace, event))
    passed = all(one.passed for one in preflights)
    if settings.assign is None or not passed or workspace.dry_run:
        note = "A registration deploys nothing; an assignment does." if passed else ""
        return workspace.verdict(registry, [], trigger, preflights=preflights, note=note)
    written = workspace.assign(registry, event.artifact, event.version or "", settings.assign)
    place = (event.artifact, settings.assign)
    brought = bring_all(workspace, workspace.slots_of([place]), written.name)
    onward = _go_on(workspace, [place], brought)
    return workspace.verdict(registry, [*brought, *onward.slots], trigger, preflights=preflights,
                             promotions=onward.promotions)  # fmt: skip


def _after_a_deleted_tag(workspace: Workspace, registry: Registry) -> Verdict:
    """The event deleted a tag: what it touched is brought to what the registry says without it."""
    tag = tags.parse(workspace.request.ref or "")
    stages = [tag.stage] if tag.stage else sorted(workspace.stages)
    trigger = Trigger(event="reconcile", tag=tag.name, artifact=tag.artifact, stage=tag.stage)
    slots = workspace.slots_of([(tag.artifact, stage) for stage in stages])
    return workspace.verdict(registry, bring_all(workspace, slots), trigger)


def _deployed_nowhere(touched: Sequence[tuple[str, str]]) -> str:
    if not touched:
        return "No stage holds what this tag is about; there is nothing to do."
    stages = ", ".join(sorted({stage for _, stage in touched}))
    return f"tagboat.yaml sends stage {stages} to no target; there is nothing to do."
