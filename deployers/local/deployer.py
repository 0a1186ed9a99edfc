"""The deployer of the kind ``local``: processes on this machine, found again by their state files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import msgspec

from deployers.base import (
    Action,
    Capabilities,
    Change,
    Deployer,
    FailedRelease,
    Hold,
    Lease,
    Observation,
    Plan,
    Release,
    Request,
    Response,
    Revision,
    Slot,
    Step,
    Surroundings,
    TagRecord,
    VerifiedRelease,
)
from deployers.errors import ConfigurationError, ReleaseFailedError, UnreachableError
from deployers.local import ports
from deployers.local.bringing import APPLY, REMOVE, ROLLBACK, Launch, Slotkeeper
from deployers.local.calling import call_port, call_private
from deployers.local.files import keep_copy, make_private, remove_folder
from deployers.local.layout import TargetFolder
from deployers.local.leases import lease
from deployers.local.looking import Look, look
from deployers.local.programs import ModelPrograms, Programs, server_environment
from deployers.local.records import SlotRecord, read
from deployers.local.servers import Servers
from deployers.local.settings import LocalSettings
from deployers.local.sockets import HOST, is_free
from deployers.wrapping.bundle import Bundle

LOG_LINES = 20


class LocalDeployer(Deployer):
    """Serves each slot on one port of 127.0.0.1, with no supervisor but the state folder."""

    capabilities = Capabilities(candidate=True)
    settings_type: ClassVar[type[msgspec.Struct]] = LocalSettings

    def __init__(
        self,
        target: str,
        settings: msgspec.Struct,
        surroundings: Surroundings,
        *,
        programs: Programs | None = None,
    ) -> None:
        assert isinstance(settings, LocalSettings)  # noqa: S101 - made by settings_type
        self.target = target
        self.settings = settings
        self.surroundings = surroundings
        self.programs = programs or ModelPrograms(surroundings)
        self.state = TargetFolder(surroundings.state, target)

    # What is, and what would be

    def plan(self, release: Release, bundle: Bundle) -> Plan:
        """Say what apply would change. Reads only.

        Raises `ConfigurationError` in the container Action, and when the slot's port is somebody else's.
        """
        seen = self._look(release.slot)
        port = self._port(seen)
        if seen.serves(release.id) and seen.record.port == port:
            changes = [Change(object=f"server {release.slot}", action=Action.KEEP)]
        else:
            if not seen.may_hold(port) and not is_free(port):
                raise ConfigurationError(
                    f"port {port} is taken by a process that is not ours",
                    where=str(release.slot),
                    hint=f"End that process, or give the slot another port: targets.{self.target}.ports.",
                )
            before = _description(seen.live.record.release, seen.record.port) if seen.live is not None else []
            after = _description(release, port)
            changes = [
                Change(
                    object=f"server {release.slot}",
                    action=Action.UPDATE if before else Action.CREATE,
                    diff="\n".join(difflib.unified_diff(before, after, "live", "planned", lineterm="")),
                )
            ]
        return Plan(release=release, bundle=bundle, changes=changes, fingerprint=seen.fingerprint())

    def observe(self, slot: Slot) -> Observation:
        """Say what is really served: asked of the server itself, through its port."""
        return self._look(slot).observation()

    def slots(self) -> Sequence[Slot]:
        """Every slot with records here, whether tagboat.yaml knows it or not."""
        self._refuse_in_action()
        records = (read(path, SlotRecord) for path in sorted(self.state.slots.glob("[!.]*/slot.json")))
        return sorted(record.slot for record in records if record is not None)

    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        """Send a request through the slot's port, or to the candidate's private socket."""
        self._refuse_in_action()
        keeper = self._keeper(slot)
        record = keeper.record
        if revision is Revision.CANDIDATE:
            candidate = keeper.servers.candidate(record.live)
            if candidate is None:
                raise UnreachableError("there is no candidate", where=str(slot), hint="Deploy a release first.")
            return call_private(candidate.private_socket, request)
        if record.port is None:
            raise UnreachableError("nothing is served here", where=str(slot), hint="Deploy a release first.")
        return call_port(record.port, request)

    def diagnose(self, slot: Slot) -> Sequence[str]:
        """What is wrong, and the last lines of the newest server's log; the values of ``env`` are struck out."""
        seen = self._look(slot)
        lines = list(seen.observation().reasons)
        for server in self._keeper(slot).servers.all()[-1:]:
            state = "runs" if server.alive else "has ended"
            lines.append(f"{server.record.release.version}: process {server.record.pid} {state}; its log:")
            lines += server.log(LOG_LINES)
        return [self._without_secrets(line) for line in lines]

    # What changes the target

    def apply(self, plan: Plan) -> Iterator[Step]:
        """Start the release beside what serves, offer it for a trial, and let it take the port over."""
        release = plan.release
        seen = self._look(release.slot)
        plan.check(seen.fingerprint())
        if plan.unchanged:
            if release.tag is not None and release.tag != seen.record.tag:
                self.record_tag(release.slot, release.tag)
            return
        variables = self.settings.variables(self.surroundings.environment, target=self.target)
        keeper = self._keeper(release.slot)
        self._sweep_removed()
        with ports.choosing(self.state.root):
            port = self._port(seen)
            if seen.record.port is None:
                # Written down before the next one may choose; a change of port, only once it is served there.
                keeper.write(msgspec.structs.replace(seen.record, port=port))
        stored = keeper.folder.bundle(release.bundle_digest)
        make_private(stored.parent)
        keep_copy(plan.bundle.folder, stored)
        yield Step(name="store", detail="the bundle is on the target")
        yield from keeper.bring_up(release, port, self._launch(release, variables), APPLY)

    def rollback(self, slot: Slot, to: VerifiedRelease | None = None) -> Iterator[Step]:
        """Serve a verified release again, from the bundle that is stored here."""
        seen = self._look(slot)
        keeper = self._keeper(slot)
        if not keeper.folder.record.exists():
            return
        if to is None:
            to = next(iter(seen.record.verified), None)
        if to is None:
            yield from keeper.take_down(ROLLBACK)
            return
        if not keeper.folder.bundle(to.release.bundle_digest).is_dir():
            raise ReleaseFailedError(
                f"the bundle of {to.release.version} is not stored here any more",
                where=str(slot),
                hint=f"Deploy {to.release.version} anew.",
            )
        variables = self.settings.variables(self.surroundings.environment, target=self.target)
        launch = self._launch(to.release, variables)
        yield from keeper.bring_up(to.release, self._port(seen), launch, ROLLBACK)

    def remove(self, slot: Slot) -> Iterator[Step]:
        """Drain and end the slot's servers, then forget the slot: its records, bundles and logs."""
        self._refuse_in_action()
        self._sweep_removed()
        keeper = self._keeper(slot)
        if not keeper.folder.record.exists():
            return
        yield from keeper.take_down(REMOVE)
        # Renamed first: a slot is there or it isn't, also when we are killed among its files.
        keeper.folder.folder.rename(keeper.folder.folder.with_name(f".removed-{keeper.folder.folder.name}"))
        self._sweep_removed()
        yield Step(name="forget", detail="its records are gone")

    # What is remembered

    def mark_verified(self, slot: Slot, release: Release) -> None:
        """Remember that the release was proved live; its bundle is kept for a rollback."""
        keeper = self._keeper(slot)
        verified = VerifiedRelease(release=release, release_id=release.id, at=self.surroundings.clock())
        keeper.write(keeper.record.with_verified(verified))
        keeper.sweep_bundles()

    def mark_failed(self, slot: Slot, release: Release, reason: str) -> None:
        """Remember that the release did not pass; it is nothing to roll back to any more."""
        keeper = self._keeper(slot)
        failure = FailedRelease(release=release, release_id=release.id, reason=reason, at=self.surroundings.clock())
        keeper.write(keeper.record.with_failed(failure))

    def hold(self, slot: Slot, hold: Hold | None) -> None:
        """Hold the slot, or with None release it."""
        self._update(slot, held=hold)

    def record_tag(self, slot: Slot, tag: TagRecord) -> None:
        """Remember the event that won."""
        self._update(slot, tag=tag)

    def lease(self, slot: Slot) -> AbstractContextManager[Lease]:
        """One run at a time, by a lock that ends with the run."""
        self._refuse_in_action()
        return lease(self.state.lease(slot), slot, self.surroundings.clock)

    def _look(self, slot: Slot) -> Look:
        self._refuse_in_action()
        keeper = self._keeper(slot)
        return look(slot, keeper.folder, keeper.servers)

    def _keeper(self, slot: Slot) -> Slotkeeper:
        folder = self.state.slot(slot)
        clock = self.surroundings.clock
        return Slotkeeper(slot=slot, folder=folder, servers=Servers(folder.servers, clock), clock=clock)

    def _update(self, slot: Slot, **values: Hold | TagRecord | None) -> None:
        keeper = self._keeper(slot)
        keeper.write(msgspec.structs.replace(keeper.record, **values))

    def _port(self, seen: Look) -> int:
        return ports.port_for(seen.slot, self.settings.port_of(seen.slot), seen.record.port, self.state.root)

    def _launch(self, release: Release, variables: dict[str, str]) -> Launch:
        bundle = self.state.slot(release.slot).bundle(release.bundle_digest)
        return Launch(
            command=lambda: self.programs.serve(bundle),
            environment=server_environment(
                release.id,
                release.slot.stage,
                release.settings,
                environment=self.surroundings.environment,
                variables=variables,
            ),
            timeout=self.settings.start_timeout,
        )

    def _without_secrets(self, line: str) -> str:
        try:
            values = self.settings.variables(self.surroundings.environment, target=self.target)
        except ConfigurationError:
            return line
        for name, text in self.settings.env.items():
            if "${env:" in text and values[name] in line:
                line = line.replace(values[name], "***")
        return line

    def _sweep_removed(self) -> None:
        for folder in self.state.slots.glob(".removed-*"):
            remove_folder(folder)

    def _refuse_in_action(self) -> None:
        if self.surroundings.in_action:
            raise ConfigurationError(
                f"the target {self.target} is local, and processes started in the Action's container end with the step",
                where=f"targets.{self.target}",
                hint="Deploy to it with the command line on the machine that is to serve, or choose another target "
                "for this stage. Registrations are still tried here: their servers need to live for a moment only.",
            )


def _description(release: Release, port: int | None) -> list[str]:
    """A release as lines, for the diff; settings are as they are written, ``${env:NAME}`` unexpanded."""
    settings = msgspec.json.format(msgspec.json.encode(release.settings, order="deterministic"), indent=2).decode()
    return [
        f"artifact: {release.slot.artifact}",
        f"version: {release.version}",
        f"commit: {release.commit}",
        f"bundle: {release.bundle_digest}",
        f"release: {release.id}",
        f"url: http://{HOST}:{port}",
        *f"settings: {settings}".splitlines(),
    ]
