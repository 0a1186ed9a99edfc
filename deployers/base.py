"""The contract between the pipeline and a deployer.

A deployer is the code for one kind of target. It holds no policy: verification, rollback on failure,
strategy, progress and reporting are the pipeline's, written once over the verbs of `Deployer`. Whatever a
later run needs to know is kept on the target itself (state files, labels, annotations, tags), never only on
the machine that ran.

The order in which the pipeline uses the verbs:

    with deployer.lease(slot) as lease:
        plan = deployer.plan(release, bundle)
        for step in deployer.apply(plan):        # a step that offers a candidate is verified before the next
            ...
        deployer.call(slot, smoke request)
        deployer.mark_verified(slot, release)    # or mark_failed(...) and rollback(...)
"""

from __future__ import annotations

import abc
import difflib
import enum
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec

from deployers.errors import StalePlanError
from deployers.wrapping.bundle import Bundle

JSON = Any
"""A value that JSON can hold."""


class Slot(msgspec.Struct, frozen=True, order=True):
    """One place where a release can be live: an artifact in a stage on a target."""

    artifact: str
    stage: str
    target: str

    def __str__(self) -> str:
        return f"{self.artifact}#{self.stage} on {self.target}"


class TagRecord(msgspec.Struct, frozen=True):
    """The registry tag that put a release where it is: full name, its object id, tagger time in Unix seconds."""

    name: str
    object_id: str
    time: int


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What is deployed: one version of one artifact in one slot, and everything its identity rests on.

    ``bundle_digest`` is `Bundle.digest`. ``settings`` are the effective settings, those of the server under
    ``server`` and those of the target under ``target``, with ``${env:NAME}`` unexpanded, so that no secret enters the
    identity. ``templates`` maps each template's name
    to the SHA-256 of its text. ``tag`` says which event won; it is no part of the identity, so that assigning the
    same version twice changes nothing.
    """

    slot: Slot
    version: str
    commit: str
    bundle_digest: str
    settings: Mapping[str, JSON] = {}
    templates: Mapping[str, str] = {}
    tag: TagRecord | None = None

    @property
    def id(self) -> str:
        """32 hexadecimal digits; equal for equal inputs on every machine."""
        identity = [
            self.slot.artifact,
            self.version,
            self.commit,
            self.slot.stage,
            self.slot.target,
            self.bundle_digest,
            self.settings,
            self.templates,
        ]
        return hashlib.sha256(msgspec.json.encode(identity, order="deterministic")).hexdigest()[:32]


class Revision(enum.StrEnum):
    """Which of the two servers that a slot may run is meant."""

    LIVE = "live"
    CANDIDATE = "candidate"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a model's server; ``path`` starts with a slash; ``timeout`` in seconds."""

    method: str = "POST"
    path: str = "/methods/predict"
    body: bytes = b""
    headers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"content-type": "application/json"})
    timeout: float = 60.0


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; header names in lower case; ``seconds`` from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of target can do. The pipeline refuses at plan time what is asked for and lacking here."""

    candidate: bool = False
    """A new release can be called before it is live."""
    weights: bool = False
    """Traffic can be split between live and candidate."""
    synchronous: bool = True
    """A call returns its answer."""
    scale_to_zero: bool = False
    metrics: bool = False
    """`Deployer.metrics` answers."""


class CanaryStep(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the traffic for the new release, in percent, and how long it is watched, in seconds."""

    weight: int
    pause: float


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """How a new release earns the traffic, step by step; `entrypoint.canary` carries it out.

    ``requests``: fewer answers of the new release in a step are too few to judge. ``error_rate``: by how much its share
    of failed requests may be higher. ``latency``: how many times as long its 99th percentile may be. ``drift``: the
    most that the distributions of answers may differ (population stability index). ``patience``: seconds beyond a
    step's pause that are waited for enough requests.
    """

    steps: Sequence[CanaryStep]
    requests: int
    error_rate: float
    latency: float
    drift: float
    patience: float


class Action(enum.StrEnum):
    """What a plan does to one object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a plan; ``diff`` is a unified diff of its rendered text against the live one, or empty."""

    object: str
    action: Action
    diff: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `Deployer.apply` would do. ``fingerprint`` stands for the live state that the plan was made from."""

    release: Release
    bundle: Bundle
    changes: Sequence[Change]
    fingerprint: str

    @property
    def unchanged(self) -> bool:
        """Whether the release is live already and nothing is left to do."""
        return all(change.action is Action.KEEP for change in self.changes)

    def check(self, fingerprint: str) -> None:
        """Raise `StalePlanError` where the live state is no longer the one that the plan was made from."""
        if fingerprint != self.fingerprint:
            raise StalePlanError(
                "the slot has changed since the plan was made",
                where=str(self.release.slot),
                hint="Another run was at work here; run the same command again.",
            )


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of an apply, rollback or removal: the step ``name`` is done, or stands at ``progress`` (0 to 1).

    Where ``candidate`` is true the new release answers `Deployer.call` with `Revision.CANDIDATE`, and the pipeline
    verifies it before it asks for the next step.
    """

    name: str
    detail: str = ""
    progress: float | None = None
    candidate: bool = False


class Health(enum.StrEnum):
    """How a slot fares."""

    READY = "ready"
    STARTING = "starting"
    FAILING = "failing"
    ABSENT = "absent"


class FailedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release that did not pass, and why; ``at`` in Unix seconds."""

    release: Release
    release_id: str
    reason: str
    at: float


class VerifiedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release that was proved live; ``at`` in Unix seconds."""

    release: Release
    release_id: str
    at: float


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that reconcile and events leave alone until a person releases it; ``at`` in Unix seconds."""

    reason: str
    by: str
    at: float


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What a target says of a slot, from the target alone.

    ``release_id``: what is really served, or None. ``proved_by``: ``server`` when the server itself said so,
    ``configuration`` when it was derived from the target's own records. ``verified``: newest first. ``tag``: the
    event that last won here. ``unfinished``: an earlier apply, rollback or removal stopped half-way.
    ``since``: Unix seconds.
    """

    slot: Slot
    health: Health = Health.ABSENT
    reasons: Sequence[str] = ()
    release: Release | None = None
    release_id: str | None = None
    proved_by: str | None = None
    url: str | None = None
    since: float | None = None
    verified: Sequence[VerifiedRelease] = ()
    failed: Sequence[FailedRelease] = ()
    held: Hold | None = None
    tag: TagRecord | None = None
    unfinished: bool = False

    def failure_of(self, release_id: str) -> FailedRelease | None:
        """The remembered failure of a release, or None."""
        return next((failed for failed in self.failed if failed.release_id == release_id), None)


class Lease(Protocol):
    """The right to be the one run at work on a slot."""

    def renew(self) -> None:
        """Prolong the lease; raises `LeaseHeldError` when it was lost."""


def no_templates(_: str) -> Mapping[str, str]:
    """No template is the user's own."""
    return {}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployer may use of the machine it runs on; handed in, so that tests hand in their own.

    ``environment``: the variables that ``${env:NAME}`` in connection settings may name. ``state``: where the local
    target keeps its records. ``cache``: what may be deleted at any time. ``in_action``: inside the container Action.
    ``templates``: the user's own templates of a kind of target, text by file name; from where tagboat.yaml is.
    """

    environment: Mapping[str, str]
    state: Path
    cache: Path
    clock: Callable[[], float]
    in_action: bool = False
    templates: Callable[[str], Mapping[str, str]] = no_templates


class Deployer(abc.ABC):
    """The code for one kind of target. Found by the entry point group ``tagboat.deployers``."""

    capabilities: Capabilities
    settings_type: ClassVar[type[msgspec.Struct]]
    """The keys that a target of this kind takes in tagboat.yaml (kebab-case, unknown ones forbidden)."""
    canary: Canary | None = None
    """How a candidate earns its traffic; None where it takes over at once. Needs `Capabilities.weights`."""

    @abc.abstractmethod
    def __init__(self, target: str, settings: msgspec.Struct, surroundings: Surroundings) -> None:
        """Stand ready for one target; contacts nothing."""

    @abc.abstractmethod
    def plan(self, release: Release, bundle: Bundle) -> Plan:
        """Say what apply would change. Reads only."""

    def push_ahead(self, bundle: Bundle) -> str:  # noqa: ARG002 - for those that have something to bring
        """Bring what a release of the bundle will need to where the target takes it from, such as an image registry.

        Asked when a version is registered and its preflight has passed, so that the assignment only rolls out; changes
        nothing that serves, and doing it twice does nothing. Returns what was done, or nothing where there is nothing
        to bring. Raises `ConfigurationError` where the release could never run on this target.
        """
        return ""

    @abc.abstractmethod
    def apply(self, plan: Plan) -> Iterator[Step]:
        """Carry out a plan, step by step; each step is idempotent and may be the last one.

        Records the release's ``tag`` as the event that won, together with what it changes.

        Raises `StalePlanError` before the first step when the live state is not the one the plan saw, and
        `ReleaseFailedError` when the release does not come up.
        """

    @abc.abstractmethod
    def observe(self, slot: Slot) -> Observation:
        """Say what is really served in the slot."""

    @abc.abstractmethod
    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        """Send a request by the target's own way in. Raises `UnreachableError` when nothing answers."""

    def refusal(self, request: Request) -> str | None:  # noqa: ARG002 - most targets hand any request on
        """Why no server of this target could ever be sent the request (too large, another path), or None.

        Asked for every smoke request before anything is downloaded or changed.
        """
        return None

    def templates(self) -> Mapping[str, str]:
        """SHA-256 of each template that makes what is applied, by its name; a part of every release's identity."""
        return {}

    def preview(self, release: Release, *, live: bool) -> Sequence[Change]:
        """Say what a release would change as far as that is known without its bundle, so with nothing of its run.

        ``live``: compare with what is served now; without it nothing is contacted, and everything is new. For looking:
        the identity of a release without a bundle is none that is ever applied.
        """
        before = self.observe(release.slot).release if live else None
        old, new = (_told(before) if before else []), _told(release)
        action = Action.KEEP if old == new else Action.UPDATE if before else Action.CREATE
        diff = "\n".join(difflib.unified_diff(old, new, "live", "planned", lineterm=""))
        return [Change(object=f"release {release.slot}", action=action, diff=diff)]

    def traffic(self, slot: Slot, weights: Mapping[Revision, int]) -> None:
        """Split the traffic, in percent; only where `Capabilities.weights`."""
        raise NotImplementedError

    def metrics(self, slot: Slot, revision: Revision, window: float) -> Mapping[str, float]:
        """The servers' own figures over about the last ``window`` seconds; only where `Capabilities.metrics`.

        ``requests`` and ``failures`` (answers of 5xx) are counts, ``latency_p99`` is in seconds (NaN where nothing was
        asked), ``predictions.<method>.<bin>`` counts the answers that fell into a bin. With a window of 0 the counting
        begins now.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def mark_verified(self, slot: Slot, release: Release) -> None:
        """Remember on the target that the release was proved live; it is no failed one any more."""

    @abc.abstractmethod
    def mark_failed(self, slot: Slot, release: Release, reason: str) -> None:
        """Remember on the target that the release did not pass, and why; it is nothing to roll back to any more."""

    @abc.abstractmethod
    def diagnose(self, slot: Slot) -> Sequence[str]:
        """The reasons a person would look for: the last log lines, exit codes, messages of the target."""

    @abc.abstractmethod
    def rollback(self, slot: Slot, to: VerifiedRelease | None = None) -> Iterator[Step]:
        """Serve a verified release again from its stored bundle (the newest one unless ``to`` names another).

        Where the old release still serves, only the candidate goes. With none verified the slot is taken down, its
        records kept. Resolves and downloads nothing.
        """

    @abc.abstractmethod
    def remove(self, slot: Slot) -> Iterator[Step]:
        """Take the slot down and forget it; touches only what is ours."""

    @abc.abstractmethod
    def hold(self, slot: Slot, hold: Hold | None) -> None:
        """Hold the slot, or with None release it."""

    @abc.abstractmethod
    def record_tag(self, slot: Slot, tag: TagRecord) -> None:
        """Remember the event that won, also where it changes nothing else."""

    @abc.abstractmethod
    def slots(self) -> Sequence[Slot]:
        """Every slot of ours on this target, orphans included."""

    @abc.abstractmethod
    def lease(self, slot: Slot) -> AbstractContextManager[Lease]:
        """One run at a time. Raises `LeaseHeldError`, naming the owner, when another run holds it."""


def _told(release: Release) -> list[str]:
    """A release as a person compares it: version, commit, settings and templates, line by line."""
    document = {"version": release.version, "commit": release.commit, "settings": release.settings,
                "templates": release.templates}  # fmt: skip
    encoded = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(encoded, indent=2).decode().splitlines()
