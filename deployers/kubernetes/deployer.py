"""The deployer of the kind ``kubernetes``: a namespace of a cluster."""

from __future__ import annotations

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
from deployers.kubernetes import diffing, names, planning, records
from deployers.kubernetes.api import LEASE, Api
from deployers.kubernetes.bringing import APPLY, REMOVE, ROLLBACK, Slotkeeper, is_ours
from deployers.kubernetes.diagnosis import reasons
from deployers.kubernetes.engines import check as check_engine
from deployers.kubernetes.engines import engine_of
from deployers.kubernetes.figures import Figures
from deployers.kubernetes.leases import DURATION as LEASE_DURATION
from deployers.kubernetes.leases import lease
from deployers.kubernetes.looking import Look, look, workloads
from deployers.kubernetes.manifests import Manifests, as_stored, manifests
from deployers.kubernetes.records import Records, SlotRecord
from deployers.kubernetes.settings import Engine, KubernetesSettings
from deployers.kubernetes.traffic import canary_of, pods_for, split
from deployers.kubernetes.traffic import check as check_traffic
from deployers.rendering import Templates
from deployers.runs import run_link
from deployers.settings import expand
from deployers.wrapping.bundle import Bundle

if TYPE_CHECKING:
    from deployers.kubernetes.images import Images
    from deployers.wrapping.image import SigningKey

UNBUILT = "not-built-yet"
"""Stands for the image of a release that is only looked at."""

LEASE_PATIENCE = 70.0
"""Seconds that we wait for another run's lease: long enough to follow one that has died."""


class KubernetesDeployer(Deployer):
    """Serves each slot by a Deployment and a Service; keeps its records in ConfigMaps."""

    settings_type: ClassVar[type[msgspec.Struct]] = KubernetesSettings

    def __init__(
        self,
        target: str,
        settings: msgspec.Struct,
        surroundings: Surroundings,
        *,
        images: Images | None = None,
        lease_patience: float = LEASE_PATIENCE,
        lease_duration: float = LEASE_DURATION,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        assert isinstance(settings, KubernetesSettings)  # noqa: S101 - made by settings_type
        self.target = target
        self.settings = settings
        beside = settings.strategy.type != "rolling"
        self.capabilities = Capabilities(candidate=beside, weights=beside, metrics=True, scale_to_zero=True)
        self.surroundings = surroundings
        self.canary = canary_of(settings.strategy)
        self.engine = engine_of(settings)
        self.given_images = images
        self.lease_patience = lease_patience
        self.lease_duration = lease_duration
        self.sleep = sleep

    @cached_property
    def api(self) -> Api:
        """The way to the cluster, at its first use; the client's library takes seconds to import."""
        from deployers.kubernetes.login import login

        way = login(self.settings, self.surroundings.environment, self.target)
        namespace = self.settings.namespace or way.namespace or "default"
        return Api(way.client, namespace, where=f"target {self.target}", sleep=self.sleep)

    @cached_property
    def figures(self) -> Figures:
        """The servers' figures, as far as this run has seen them."""
        return Figures(self.api)

    @cached_property
    def images(self) -> Images:
        """What makes images."""
        if self.given_images is not None:
            return self.given_images
        # Imported here: what it takes to build is not needed to look.
        from deployers.kubernetes.images import registry_images

        return registry_images(
            self.settings.pushed,
            self.surroundings,
            key=self._signing_key,
            run=run_link(self.surroundings.environment),
        )

    @cached_property
    def rendering(self) -> Templates:
        """Our templates, and the repository's own."""
        return Templates(Path(packaged.__file__).parent / "kubernetes", self.surroundings.templates("kubernetes"))

    def templates(self) -> Mapping[str, str]:
        """The digests of the templates that make the objects."""
        return self.rendering.digests()

    # What is, and what would be

    def plan(self, release: Release, bundle: Bundle) -> Plan:
        """Say what apply would change, by a dry run of the server's. Builds the image, pushes and changes nothing."""
        check_engine(self.settings, self.target)
        check_traffic(self.settings, self.target)
        seen = self._look(release.slot)
        if seen.serves(release.id):
            shown = f"{self.engine.kind.kind} {seen.record.workload}" if seen.record else ""
            kept = Change(object=shown, action=Action.KEEP)
            return Plan(release=release, bundle=bundle, changes=[kept], fingerprint=seen.fingerprint())
        made = self._manifests(release, self.images.reference(bundle))
        changes = planning.changes(self.api, seen, made, force=self.settings.force_conflicts)
        return Plan(release=release, bundle=bundle, changes=changes, fingerprint=seen.fingerprint())

    def preview(self, release: Release, *, live: bool) -> Sequence[Change]:
        """The release's objects, with a name in the place of an image that nobody has built."""
        if live:
            made = self._manifests(release, UNBUILT)
            return planning.changes(self.api, self._look(release.slot), made, force=self.settings.force_conflicts)
        made = self._manifests(release, UNBUILT, self.settings.namespace or "default")
        return [diffing.change(None, document, document) for document in made.lasting()]

    def observe(self, slot: Slot) -> Observation:
        """Say what is really served: asked of the server itself, through its service."""
        return self._look(slot).observation(self._url(slot))

    def slots(self) -> Sequence[Slot]:
        """Every slot of this target with a record in the namespace."""
        return records.slots(self.api, self.target)

    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        """Send a request through the API server's proxy, so that no ingress is needed."""
        release_id = None
        if revision is Revision.CANDIDATE:
            record = self._records(slot).read()
            under_way = record.operation.release if record is not None and record.operation is not None else None
            if under_way is None:
                raise UnreachableError("there is no candidate", where=str(slot), hint="Deploy a release first.")
            release_id = under_way.id
        return self.engine.ask(self.api, slot, request, release_id)

    def traffic(self, slot: Slot, weights: Mapping[Revision, int]) -> None:
        """Split the clients between what serves and the candidate."""
        if not self.capabilities.weights:
            raise NotImplementedError(f"strategy {self.settings.strategy.type} has no candidate")
        kept = self._records(slot)
        split(self.api, kept, kept.read() or SlotRecord(slot=slot), self.settings, weights)

    def metrics(self, slot: Slot, revision: Revision, window: float) -> Mapping[str, float]:
        """The figures of a revision's pods."""
        record = self._records(slot).read() or SlotRecord(slot=slot)
        release = record.live
        if revision is Revision.CANDIDATE:
            release = record.operation.release if record.operation is not None else None
        if release is None:
            raise UnreachableError(f"there is no {revision.value} release", where=str(slot))
        return self.figures.over(release.id, names.selector(slot, release.id), window)

    def diagnose(self, slot: Slot) -> Sequence[str]:
        """What the cluster says of the newest workload's pods."""
        lines = list(self.observe(slot).reasons)
        for name, labels in workloads(self.api, slot, self.engine)[:1]:
            lines += [f"{self.engine.kind.kind} {name}:", *reasons(self.api, labels)]
        return lines

    # What changes the target

    def apply(self, plan: Plan) -> Iterator[Step]:
        """Push the image, apply the objects, watch the rollout, and send the clients there."""
        release = plan.release
        seen = self._look(release.slot)
        plan.check(seen.fingerprint())
        if plan.unchanged:
            if release.tag is not None and (seen.record is None or release.tag != seen.record.tag):
                self.record_tag(release.slot, release.tag)
            return
        made = self._manifests(release, self.images.reference(plan.bundle))
        yield Step(name="image", detail=self.images.push(plan.bundle))
        keeper = self._keeper(release.slot)
        if seen.record is not None:
            keeper.sweep_retired(seen.record)
        yield from keeper.bring_up(release, made, APPLY, canary=self._few())

    def push_ahead(self, bundle: Bundle) -> str:
        """Push the image when a version is registered, so that its assignment only rolls out."""
        return self.images.push(bundle)

    def rollback(self, slot: Slot, to: VerifiedRelease | None = None) -> Iterator[Step]:
        """Apply the objects of a verified release again, as they were stored."""
        keeper = self._keeper(slot)
        record = keeper.records.read()
        if record is None:
            return
        to = to or next(iter(record.verified), None)
        if to is None:
            yield from keeper.take_down(ROLLBACK)
            return
        stored = keeper.records.release(to.release_id)
        if stored is None:
            raise ReleaseFailedError(
                f"the objects of {to.release.version} are not stored here any more",
                where=str(slot),
                hint=f"Deploy {to.release.version} anew.",
            )
        made = as_stored(slot, to.release_id, stored.workload, stored.documents)
        yield from keeper.bring_up(to.release, made, ROLLBACK)

    def remove(self, slot: Slot) -> Iterator[Step]:
        """Remove the slot's objects, then its records."""
        keeper = self._keeper(slot)
        if keeper.records.read() is None:
            return
        yield from keeper.take_down(REMOVE)
        keeper.records.forget()
        held = self.api.get(LEASE, f"tagboat-{names.slot_name(slot)}")
        if held is not None and is_ours(held, slot):
            self.api.delete(held)
        yield Step(name="forget", detail="its records are gone")

    # What is remembered

    def mark_verified(self, slot: Slot, release: Release) -> None:
        """Remember that the release was proved live; its objects are kept for a rollback."""
        verified = VerifiedRelease(release=release, release_id=release.id, at=self.surroundings.clock())
        kept = self._records(slot)
        kept.sweep(kept.update(lambda before: before.with_verified(verified)))

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
        """One run at a time, by a Lease of the cluster."""
        patience, duration = self.lease_patience, self.lease_duration
        return lease(self.api, slot, patience=patience, sleep=self.sleep, duration=duration)

    def _few(self) -> int | None:
        """So many pods does a canary begin with, where their number makes its share."""
        strategy = self.settings.strategy
        if strategy.type != "canary" or self.settings.route is not None or self.settings.engine is Engine.KSERVE:
            return None
        return pods_for(self.settings.replicas, strategy.steps[0].weight)

    def _signing_key(self) -> SigningKey | None:
        if self.settings.pushed.signing_key is None:
            return None
        from deployers.wrapping.image import SigningKey

        where = f"targets.{self.target}.image.signing-key"
        return SigningKey(expand(self.settings.pushed.signing_key, self.surroundings.environment, where=where))

    def _look(self, slot: Slot) -> Look:
        return look(self.api, self._records(slot), slot, engine=self.engine, now=self.surroundings.clock())

    def _records(self, slot: Slot) -> Records:
        return Records(self.api, slot)

    def _keeper(self, slot: Slot) -> Slotkeeper:
        strategy = self.settings.strategy
        return Slotkeeper(
            api=self.api,
            slot=slot,
            records=self._records(slot),
            engine=self.engine,
            clock=self.surroundings.clock,
            timeout=self.settings.start_timeout + 120,
            keep_old=strategy.keep_old if strategy.type == "blue-green" else 0.0,
            force=self.settings.force_conflicts,
        )

    def _manifests(self, release: Release, image: str, namespace: str | None = None) -> Manifests:
        return manifests(
            release,
            image=image,
            settings=self.settings,
            templates=self.rendering,
            namespace=namespace or self.api.namespace,
            environment=self.surroundings.environment,
        )

    def _url(self, slot: Slot) -> str:
        settings = self.settings
        if settings.ingress is not None:
            scheme = "https" if settings.ingress.tls_secret else "http"
            return f"{scheme}://{settings.ingress.host}{settings.ingress.path}"
        if settings.route is not None and settings.route.hostnames:
            return f"http://{settings.route.hostnames[0]}{settings.route.path}"
        return f"http://{names.slot_name(slot)}.{self.api.namespace}.svc:{settings.port}"
