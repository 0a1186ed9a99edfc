"""The deployer of the kind ``sagemaker``: endpoints of an AWS account in a region."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec.structs import replace

import templates as packaged
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
from deployers.errors import ReleaseFailedError, UnreachableError
from deployers.rendering import Templates
from deployers.sagemaker import calling, planning, records
from deployers.sagemaker.api import Api
from deployers.sagemaker.asking import Silent, is_silent
from deployers.sagemaker.bringing import APPLY, REMOVE, ROLLBACK, Slotkeeper
from deployers.sagemaker.bucket import Bucket
from deployers.sagemaker.components import ComponentApi
from deployers.sagemaker.diagnosis import explain, explain_component
from deployers.sagemaker.documents import endpoint_name
from deployers.sagemaker.entrances import Entrances
from deployers.sagemaker.leases import key_of, lease
from deployers.sagemaker.materials import Materials
from deployers.sagemaker.payloads import EndpointKind, refusal
from deployers.sagemaker.records import Records
from deployers.sagemaker.rollout import Poller
from deployers.sagemaker.settings import SagemakerSettings
from deployers.sagemaker.shared import SharedEndpoint
from deployers.sagemaker.sweeping import sweep
from deployers.wrapping.bundle import Bundle

if TYPE_CHECKING:
    from deployers.sagemaker.wire import Amazon
    from deployers.wrapping.bundle_images import Images

LEASE_PATIENCE = 70.0
"""Seconds that we wait for another run's lease: long enough to follow one that has died."""

LEASE_DURATION = 60.0


class SagemakerDeployer(Deployer):
    """Serves each slot by an endpoint of its own; keeps its records in a bucket."""

    settings_type: ClassVar[type[msgspec.Struct]] = SagemakerSettings

    def __init__(
        self,
        target: str,
        settings: msgspec.Struct,
        surroundings: Surroundings,
        *,
        amazon: Amazon | None = None,
        images: Images | None = None,
        lease_patience: float = LEASE_PATIENCE,
        lease_duration: float = LEASE_DURATION,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        assert isinstance(settings, SagemakerSettings)  # noqa: S101 - made by settings_type
        self.target = target
        self.settings = settings
        later = settings.kind is EndpointKind.ASYNCHRONOUS
        self.capabilities = Capabilities(
            synchronous=not later, scale_to_zero=settings.kind is not EndpointKind.REAL_TIME
        )
        self.surroundings = surroundings
        self.given_amazon = amazon
        self.given_images = images
        self.lease_patience = lease_patience
        self.lease_duration = lease_duration
        self.monotonic = monotonic
        self.sleep = sleep

    @cached_property
    def amazon(self) -> Amazon:
        """The way to AWS, at its first use; its library takes seconds to import."""
        if self.given_amazon is not None:
            return self.given_amazon
        from deployers.sagemaker.login import login

        ways = self.settings.login
        amazon = login(self.settings, self.surroundings.environment, self.target, ways=ways)
        amazon.sleep = self.sleep
        return amazon

    @cached_property
    def api(self) -> Api:
        """SageMaker's control plane: a slot is an endpoint of its own, or a component of the target's."""
        if self.settings.components is not None:
            return ComponentApi(self.amazon, scaled=self.settings.scaling is not None)
        return Api(self.amazon)

    @cached_property
    def shared(self) -> SharedEndpoint | None:
        """The endpoint beneath the target's components, where there are any."""
        if self.settings.components is None:
            return None
        below = Api(self.amazon)
        poller = Poller(below, self.settings.patience, clock=self.monotonic, sleep=self.sleep)
        return SharedEndpoint(below, self.settings, self.target, self.rendering, poller)

    @cached_property
    def bucket(self) -> Bucket:
        """Where records, leases and models lie."""
        return Bucket(self.amazon, self.settings.bucket, self.settings.prefix)

    @cached_property
    def entrances(self) -> Entrances:
        """Where requests go."""
        return Entrances(self.settings, self.api, self.bucket)

    @cached_property
    def poller(self) -> Poller:
        """What watches endpoints."""
        return Poller(self.api, self.settings.patience, clock=self.monotonic, sleep=self.sleep)

    @cached_property
    def materials(self) -> Materials:
        """What releases are made of."""
        given = self.given_images
        return Materials(self.target, self.settings, self.surroundings, self.amazon, self.rendering, given)

    @cached_property
    def rendering(self) -> Templates:
        """Our templates, and the repository's own."""
        return Templates(Path(packaged.__file__).parent / "sagemaker", self.surroundings.templates("sagemaker"))

    def templates(self) -> Mapping[str, str]:
        """The digests of the templates that make the requests."""
        return self.rendering.digests()

    # What is, and what would be

    def plan(self, release: Release, bundle: Bundle) -> Plan:
        """Say what apply would change. Builds the image, pushes and changes nothing."""
        seen = self.entrances.look(release.slot)
        if seen.serves(release.id):
            kept = Change(object=f"Endpoint {endpoint_name(release.slot, self.settings)}", action=Action.KEEP)
            return Plan(release=release, bundle=bundle, changes=[kept], fingerprint=seen.fingerprint())
        wanted = self.materials.made(release, bundle)
        live = seen.record.live if seen.record is not None else None
        stored = self._records(release.slot).release(live.id) if live is not None else None
        changes = planning.changes(self.api, seen, wanted, stored.made if stored is not None else None)
        if self.shared is not None:
            changes = [*planning.beneath(self.shared.api, self.shared.changed()), *changes]
        return Plan(release=release, bundle=bundle, changes=changes, fingerprint=seen.fingerprint())

    def observe(self, slot: Slot) -> Observation:
        """Say what is really served: asked of the server itself, by an invocation."""
        return self.entrances.look(slot).observation(self.entrances.url(slot))

    def slots(self) -> Sequence[Slot]:
        """Every slot of this target with a record in the bucket."""
        return records.slots(self.bucket, self.target)

    def refusal(self, request: Request) -> str | None:
        """Why SageMaker would never hand the request on."""
        return refusal(request, self.settings.kind, ours=self.settings.container is None)

    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        """Send a request by InvokeEndpoint, as clients do."""
        if revision is Revision.CANDIDATE:
            raise UnreachableError(
                "there is no candidate", where=str(slot), hint="SageMaker shifts the traffic itself: see `deployment`."
            )
        if reason := self.refusal(request):
            raise UnreachableError(
                reason, where=f"{request.method} {request.path}", hint="docs/sagemaker.md has the limits."
            )
        entrance = self.entrances.of(slot)
        if is_silent(self.settings):
            way = Silent(
                self.settings,
                self.bucket,
                entrance,
                lambda: self.entrances.look(slot).proof,
                self.monotonic,
                self.sleep,
            )
            return way.call(request)
        return calling.call(self.amazon, entrance, request)

    def diagnose(self, slot: Slot) -> Sequence[str]:
        """What AWS says of the endpoint, and the last lines that its containers have written."""
        record = self._records(slot).read()
        since = record.operation.since if record is not None and record.operation is not None else None
        told = explain if self.settings.components is None else explain_component
        return told(self.amazon, self.entrances.endpoint(slot), since=since)

    # What changes the target

    def apply(self, plan: Plan) -> Iterator[Step]:
        """Push the image, make model and config, bring the endpoint to it, and watch until it is there."""
        release = plan.release
        seen = self.entrances.look(release.slot)
        plan.check(seen.fingerprint())
        if plan.unchanged:
            if release.tag is not None and (seen.record is None or release.tag != seen.record.tag):
                self.record_tag(release.slot, release.tag)
            return
        wanted = self.materials.made(release, plan.bundle)
        yield from self.materials.bring(plan.bundle)
        yield from self._beneath()
        yield from self._keeper(release.slot).bring_up(release, wanted, APPLY)

    def push_ahead(self, bundle: Bundle) -> str:
        """Push image and model when a version is registered, so that its assignment only rolls out."""
        return "; ".join(step.detail for step in self.materials.bring(bundle))

    def rollback(self, slot: Slot, to: VerifiedRelease | None = None) -> Iterator[Step]:
        """Bring the endpoint back to a verified release, from the requests that were stored with it."""
        keeper = self._keeper(slot)
        record = keeper.records.read()
        if record is None:
            return
        to = to or next(iter(record.verified), None)
        if to is None:
            yield from keeper.take_down(ROLLBACK)
            yield from self._leave()
            return
        stored = keeper.records.release(to.release_id)
        if stored is None:
            raise ReleaseFailedError(
                f"what {to.release.version} was made of is not stored here any more",
                where=str(slot),
                hint=f"Deploy {to.release.version} anew.",
            )
        yield from self._beneath()
        yield from keeper.bring_up(to.release, stored.made, ROLLBACK)

    def remove(self, slot: Slot) -> Iterator[Step]:
        """Remove the slot's endpoint and all that it was made of, then its records."""
        keeper = self._keeper(slot)
        if keeper.records.read() is None:
            return
        yield from keeper.take_down(REMOVE)
        yield from self._leave()
        keeper.records.forget()
        self.bucket.delete(key_of(slot))
        yield Step(name="forget", detail="its records are gone")

    # What is remembered

    def mark_verified(self, slot: Slot, release: Release) -> None:
        """Remember that the release was proved live; what it was made of is kept for a rollback."""
        verified = VerifiedRelease(release=release, release_id=release.id, at=self.surroundings.clock())
        kept = self._records(slot)
        record = kept.update(lambda before: before.with_verified(verified, self.settings.keep))
        sweep(self.api, kept, record)

    def mark_failed(self, slot: Slot, release: Release, reason: str) -> None:
        """Remember that the release did not pass; it is nothing to roll back to any more."""
        failure = FailedRelease(release=release, release_id=release.id, reason=reason, at=self.surroundings.clock())
        self._records(slot).update(lambda before: before.with_failed(failure))

    def hold(self, slot: Slot, hold: Hold | None) -> None:
        """Hold the slot, or with None release it."""
        self._records(slot).update(lambda before: replace(before, held=hold))

    def record_tag(self, slot: Slot, tag: TagRecord) -> None:
        """Remember the event that won."""
        self._records(slot).update(lambda before: replace(before, tag=tag))

    def lease(self, slot: Slot) -> AbstractContextManager[Lease]:
        """One run at a time, by an object in the bucket; and none while the endpoint still changes.

        Whoever holds the lease reads the registry only then: so what has arrived during a long update is what goes
        live after it.
        """
        return self._lease(slot)

    @contextlib.contextmanager
    def _lease(self, slot: Slot) -> Iterator[Lease]:
        with lease(
            self.bucket, slot, patience=self.lease_patience, duration=self.lease_duration, sleep=self.sleep
        ) as held:
            for _ in self.poller.until_still(self.entrances.endpoint(slot)):
                held.renew()
            yield held

    def _beneath(self) -> Iterator[Step]:
        """See that there is what a component stands on."""
        if self.shared is not None:
            yield from self.shared.ensure()

    def _leave(self) -> Iterator[Step]:
        """Remove what no component stands on any more."""
        if self.shared is not None:
            yield from self.shared.release()

    def _records(self, slot: Slot) -> Records:
        return Records(self.bucket, slot)

    def _keeper(self, slot: Slot) -> Slotkeeper:
        return Slotkeeper(
            api=self.api,
            slot=slot,
            records=self._records(slot),
            poller=self.poller,
            clock=self.surroundings.clock,
        )
