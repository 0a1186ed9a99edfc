"""GTO's bookkeeping of one artifact, event by event (gto/base.py, gto/tag.py and gto/api.py of 1.10).

GTO's rules, found by reading it and held by property tests against it:

- Events are ordered by the tagger's time; counters do not count. It replays deprecations first, then registrations
  and deregistrations, then assignments and unassignments, so that an assignment belongs to the version of its commit
  even when that was registered later.
- In one second the cancelling event wins. Between two assignments of one second the version that was registered
  earlier wins.
- Registrations are kept by (version, commit). The last event of a version says whether it is there.
- A stage has the version whose last assignment is newest, among versions that are there and were not unassigned from
  it. An assignment of a commit with no version makes a version of its own, named by the commit; nothing can take it
  back, since an unassignment of such a commit makes yet another one.
- A deprecation hides an artifact until any later event. The making of a version's commit is an event, too, and so is
  HEAD's commit where its artifacts.yaml names the artifact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from entrypoint.registry import annotated
from entrypoint.registry.events import Event, EventKind, Problem, event
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import Tag, TagAction

Key = tuple[int, int, int, str]
"""Sorts events as GTO orders them: time, kind, age of the version (the one that counts last), name."""


def commits_that_date(admitted: Iterable[tuple[TagObject, Tag]]) -> set[str]:
    """The commits whose own dates have a say: of a deprecated artifact's tags, and those in a stage with no version."""
    pairs = list(admitted)
    deprecated = {parsed.artifact for _, parsed in pairs if parsed.action is TagAction.DEPRECATE}
    registered = {(parsed.artifact, tag.commit) for tag, parsed in pairs if parsed.version}
    return {
        tag.commit
        for tag, parsed in pairs
        if tag.commit
        and (parsed.artifact in deprecated or (parsed.stage and (parsed.artifact, tag.commit) not in registered))
    }


def by_key(pair: tuple[Key, Event]) -> Key:
    """Sort by the key alone."""
    return pair[0]


@dataclass
class Version:
    """A version while the registry is worked out: GTO's ``Version``."""

    version: str
    commit: str
    commit_time: int
    direct: list[Event] = field(default_factory=list)
    stages: dict[str, list[Event]] = field(default_factory=dict)

    @cached_property
    def registration(self) -> Event | None:
        """The newest registration; entries come in the order of their time."""
        return next((e for e in reversed(self.direct) if e.kind is EventKind.REGISTRATION), None)

    @cached_property
    def active(self) -> bool:
        """Whether it is there: its last registration or deregistration says so, a stand-in always is."""
        if not self.direct:
            return True
        newest = max(self.direct, key=lambda e: (e.time, e.kind is EventKind.DEREGISTRATION))
        return newest.kind is EventKind.REGISTRATION

    @property
    def stage_events(self) -> Iterable[Event]:
        """Every assignment and unassignment of this version."""
        return (happened for entries in self.stages.values() for happened in entries)

    @cached_property
    def created(self) -> int:
        """GTO's ``created_at``: of the newest registration, or else of whatever happened last."""
        if self.registration:
            return self.registration.time
        return max([self.commit_time, *(happened.time for happened in self.stage_events)])

    def assignment(self, stage: str) -> Event | None:
        """The assignment in effect, if this version was not unassigned since."""
        entries = self.stages.get(stage)
        if not entries:
            return None
        newest = max(entries, key=lambda e: (e.time, e.kind is EventKind.UNASSIGNMENT))
        if newest.kind is EventKind.UNASSIGNMENT:
            return None
        return next(e for e in reversed(entries) if e.kind is EventKind.ASSIGNMENT)


@dataclass
class Book:
    """One artifact while the registry is worked out: GTO's ``Artifact``."""

    name: str
    times: Mapping[str, int]
    """When commits were made, as far as that matters (`commits_that_date`)."""
    events: list[Event] = field(default_factory=list)
    deprecations: list[Event] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    registered: dict[tuple[str, str], Version] = field(default_factory=dict)
    at_commit: dict[str, list[Version]] = field(default_factory=dict)
    owner: dict[str, Version] = field(default_factory=dict)
    """Tag → the version that its event belongs to."""

    def enter(self, tag: TagObject, parsed: Tag) -> Problem | None:
        """Take one event in, in the order of time; a problem where GTO would fail on it."""
        commit = tag.commit or ""
        if parsed.action is TagAction.DEPRECATE:
            happened = event(tag, parsed, None)
            self.deprecations.append(happened)
        elif parsed.version:
            happened = event(tag, parsed, parsed.version)
            version = self.registered.get((parsed.version, commit))
            if version is None:
                version = self._new(parsed.version, tag)
                self.registered[parsed.version, commit] = version
                self.at_commit.setdefault(commit, []).append(version)
            version.direct.append(happened)
            self.owner[tag.name] = version
        else:
            here = self.at_commit.get(commit, ())
            if len(here) > 1:
                names = " and ".join(version.version for version in here)
                return Problem(tag.name, f"its commit has the versions {names}; GTO cannot tell which is meant")
            version = here[0] if here else self._new(commit, tag)
            happened = event(tag, parsed, version.version)
            version.stages.setdefault(parsed.stage or "", []).append(happened)
            self.owner[tag.name] = version
        self.events.append(happened)
        return None

    def note(self, head: annotated.Head) -> None:
        """HEAD's artifacts.yaml names this artifact: to GTO that is an event of HEAD's commit."""
        if head.commit not in self.at_commit:
            self.versions.append(Version(head.commit, head.commit, head.time))

    def _new(self, version: str, tag: TagObject) -> Version:
        commit = tag.commit or ""
        made = Version(version, commit, self.times.get(commit, 0))
        self.versions.append(made)
        return made

    @cached_property
    def by_age(self) -> list[Version]:
        """Every version, the one created last first; of one second the one entered last first."""
        return sorted(self.versions, key=lambda version: version.created)[::-1]

    @cached_property
    def deprecated(self) -> bool:
        """Whether the newest event of all is a deprecation."""
        if not self.deprecations:
            return False
        others = [e.time for e in self.events if e.kind is not EventKind.DEPRECATION]
        commits = [version.commit_time for version in self.versions]
        return self.deprecations[-1].time > max([*others, *commits], default=-1)

    @cached_property
    def current(self) -> dict[str, Event]:
        """Stage → the assignment in effect, deprecation aside."""
        best: dict[str, tuple[tuple[int, int], Event]] = {}
        for position, version in enumerate(version for version in self.by_age if version.active):
            for stage in version.stages:
                assignment = version.assignment(stage)
                if assignment is not None:
                    key = (assignment.time, position)
                    if stage not in best or key >= best[stage][0]:
                        best[stage] = (key, assignment)
        return {stage: best[stage][1] for stage in sorted(best)}

    @cached_property
    def ordered(self) -> list[tuple[Key, Event]]:
        """The events with their keys in GTO's order; of two assignments in one second the one that counts is last."""
        positions = {id(version): position for position, version in enumerate(self.by_age)}
        pairs = []
        for happened in self.events:
            owner = self.owner.get(happened.tag.name)
            position = positions[id(owner)] if owner is not None else 0
            pairs.append(((happened.time, happened.kind.priority, position, happened.tag.name), happened))
        return sorted(pairs, key=by_key)

    @cached_property
    def touched_by(self) -> dict[str, tuple[str, ...]]:
        """Tag → the stages that its event can have changed."""
        everything = tuple(sorted({stage for version in self.versions for stage in version.stages}))
        touched = {}
        before: Event | None = None
        for _, happened in self.ordered:
            revives = before is not None and before.kind is EventKind.DEPRECATION
            if happened.kind is EventKind.DEPRECATION or revives:
                touched[happened.tag.name] = everything
            elif happened.stage:
                touched[happened.tag.name] = (happened.stage,)
            else:
                touched[happened.tag.name] = tuple(sorted(self.owner[happened.tag.name].stages))
            before = happened
        return touched

    @property
    def touches(self) -> dict[str, Event]:
        """Stage → the last event that touched it."""
        last = {stage: happened for _, happened in self.ordered for stage in self.touched_by[happened.tag.name]}
        return dict(sorted(last.items()))

    def warnings(self) -> list[str]:
        """What GTO takes another way than the one who tagged may have meant."""
        found = []
        if self.deprecations and not self.deprecated:
            newest = self.ordered[-1][1]
            if newest.kind is EventKind.DEPRECATION:
                reason = "without effect: a commit of this artifact is dated later, and to GTO that counts"
                found.append(f"{newest.tag.name}: {reason}")
        by_stage: dict[str, list[Event]] = {}
        for happened in self.events:  # stage events stand here in the order of their seconds
            if happened.stage and happened.tag.counter is not None:
                by_stage.setdefault(happened.stage, []).append(happened)
        for entries in by_stage.values():
            highest = max(entries, key=_counter)
            if highest is entries[-1] and (len(entries) == 1 or entries[-2].time < highest.time):
                continue
            last = next(e for _, e in reversed(self.ordered) if e in entries)
            if _counter(highest) > _counter(last):
                found.append(
                    f"{highest.tag.name}: has the higher counter, but {last.tag.name} is newer by its date "
                    f"({last.when}, this one {highest.when}); as in GTO the date decides"
                )
        return found


def _counter(happened: Event) -> int:
    return happened.tag.counter or 0
