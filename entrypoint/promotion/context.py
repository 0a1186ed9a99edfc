"""What a gate may look at: the version, where it comes from, where it is to go, and the targets of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from deployers.base import Health, Observation, Slot
from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.errors import TagboatError
from entrypoint.metrics import Metrics, read
from entrypoint.metrics.fetching import fetcher
from entrypoint.preparation import remote_settings
from entrypoint.registry.resolve import Resolution
from entrypoint.registry.state import Registry
from entrypoint.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that a rule may carry from the stage ``source`` into the stage ``stage``."""

    artifact: str
    version: str
    commit: str
    source: str
    stage: str
    rule: PromotionRule

    def __str__(self) -> str:
        return f"{self.artifact} {self.version} from {self.source} into {self.stage}"


@dataclass(frozen=True)
class Seen:
    """What one target says of a slot: an observation, or why it could not be asked."""

    slot: Slot
    observation: Observation | None
    error: TagboatError | None = None

    def verified_since(self, candidate: Candidate) -> float | None:
        """Since when the target serves the candidate, proved and in good health (Unix seconds), or None."""
        observed = self.observation
        if observed is None or observed.health is not Health.READY or observed.unfinished or observed.release is None:
            return None
        if (observed.release.version, observed.release.commit) != (candidate.version, candidate.commit):
            return None
        verified = next((one.at for one in observed.verified if one.release_id == observed.release_id), None)
        if verified is None:
            return None
        return max(verified, observed.since or verified)

    def why_not(self, candidate: Candidate) -> str:
        """Why the target does not count as serving the candidate, verified."""
        observed = self.observation
        if observed is None:
            return f"{self.slot.target} could not be asked: {self.error.message if self.error else 'no answer'}"
        if observed.release is None:
            return f"{self.slot.target} serves nothing"
        if (observed.release.version, observed.release.commit) != (candidate.version, candidate.commit):
            return f"{self.slot.target} serves {observed.release.version}"
        if observed.health is not Health.READY:
            return f"{self.slot.target} is {observed.health.value}"
        return f"{self.slot.target} serves it unverified"


@dataclass(frozen=True)
class Context:
    """One candidate and its surroundings. ``registry``: as it was read for this evaluation."""

    workspace: Workspace
    registry: Registry
    candidate: Candidate
    _slots: dict[str, Sequence[Seen]] = field(default_factory=dict, repr=False)
    _metrics: dict[str, Metrics] = field(default_factory=dict, repr=False)

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.workspace.request.clock()

    @cached_property
    def version(self) -> Resolution | None:
        """The candidate as the registry has it in its source stage."""
        return self.placed(self.candidate.source)

    @cached_property
    def incumbent(self) -> Resolution | None:
        """What the stage has that is promoted into, or None."""
        return self.placed(self.candidate.stage)

    def placed(self, stage: str) -> Resolution | None:
        """What the registry has of the artifact in a stage."""
        return self.workspace.assigned(self.registry, self.candidate.artifact, stage)

    def seen(self, stage: str | None = None) -> Sequence[Seen]:
        """What every target of a stage says of the artifact's slot (of the source stage by default); asked once."""
        stage = stage or self.candidate.source
        if stage not in self._slots:
            slots = self.workspace.slots_of([(self.candidate.artifact, stage)])
            self._slots[stage] = [self._look(slot) for slot in slots]
        return self._slots[stage]

    def _look(self, slot: Slot) -> Seen:
        try:
            return Seen(slot, self.workspace.deployer(slot.target).observe(slot))
        except TagboatError as error:
            return Seen(slot, None, error)

    def metrics(self, stage: str | None = None) -> Metrics | None:
        """Metrics and parameters of what is in a stage (of the candidate by default), from Git and DVC's remote.

        None where the stage has no version. Read once for each commit.
        """
        commit = self.candidate.commit
        if stage is not None:
            placed = self.placed(stage)
            if placed is None:
                return None
            commit = placed.commit
        if commit not in self._metrics:
            workspace = self.workspace
            fetch = fetcher(
                workspace.repository,
                lambda path: remote_settings(workspace, path),
                cache=workspace.cache / "objects",
                environment=workspace.request.environment,
            )
            found = read(workspace.repository, commit, workspace.configuration.report, fetch=fetch)
            self._metrics[commit] = found.of(self.candidate.artifact)
        return self._metrics[commit]
