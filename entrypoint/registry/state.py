"""What is registered and what is in which stage: the same answer as GTO 1.10 (gto/base.py, gto/tag.py, gto/api.py).

The rules are in `entrypoint.registry.ledger`; this is their result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from entrypoint.errors import ConfigurationError
from entrypoint.registry import annotated
from entrypoint.registry.events import Event, Problem, admit
from entrypoint.registry.ledger import Book, by_key, commits_that_date
from entrypoint.registry.repository import Repository
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import Tag, is_version, shown
from entrypoint.registry.versions import precedence


@dataclass(frozen=True)
class VersionState:
    """A version that is there. ``registered`` is false for GTO's stand-in for a commit that has none; its
    ``version`` is the commit's id then. ``registration``: the newest one. ``stages``: where it is now."""

    version: str
    commit: str
    registration: Event | None
    stages: tuple[str, ...]

    @property
    def registered(self) -> bool:
        """Whether a tag registered it."""
        return self.registration is not None

    @property
    def registered_at(self) -> str | None:
        """When, as ISO 8601 in UTC."""
        return self.registration.when if self.registration else None

    @property
    def author(self) -> str | None:
        """Who registered it, as the tag says."""
        return self.registration.author if self.registration else None


@dataclass(frozen=True)
class ArtifactState:
    """One artifact now.

    ``versions``: those that are there, newest first (semantic versions, then commits without one). ``assignments``:
    stage → the assignment in effect.
    A deprecated artifact is in no stage, and none of its versions is the latest.
    """

    name: str
    versions: tuple[VersionState, ...]
    assignments: Mapping[str, Event]
    deprecated: bool
    latest_version: VersionState | None
    _book: Book = field(repr=False, compare=False)

    @property
    def latest(self) -> str | None:
        """The greatest registered version, pre-releases included."""
        return self.latest_version.version if self.latest_version else None

    @property
    def stages(self) -> dict[str, str]:
        """Stage → version."""
        return {stage: assignment.version or "" for stage, assignment in self.assignments.items()}

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happened, in GTO's order, oldest first."""
        return tuple(happened for _, happened in self._book.ordered)

    @property
    def touches(self) -> Mapping[str, Event]:
        """Stage → the last event that had a say in it."""
        return self._book.touches

    @property
    def touched_by(self) -> Mapping[str, tuple[str, ...]]:
        """Tag → the stages that its event can have changed."""
        return self._book.touched_by

    def named(self, version: str) -> tuple[VersionState, ...]:
        """The versions of this name; several when it was registered on several commits."""
        return tuple(state for state in self.versions if state.version == version)


@dataclass(frozen=True)
class Registry:
    """The registry as its tags say it. ``problems``: tags that do not count. ``warnings``: tags that count, but
    perhaps not as somebody meant them. ``tags``: every tag ref by its name, whether or not it counts."""

    artifacts: Mapping[str, ArtifactState]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    tags: Mapping[str, TagObject] = field(repr=False)
    _books: Sequence[Book] = field(repr=False, compare=False)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happened, in GTO's order, oldest first."""
        pairs = [pair for book in self._books for pair in book.ordered]
        return tuple(happened for _, happened in sorted(pairs, key=by_key))

    def artifact(self, name: str) -> ArtifactState:
        """One artifact. Raises `ConfigurationError` that names the nearest one."""
        if name in self.artifacts:
            return self.artifacts[name]
        import difflib

        close = difflib.get_close_matches(name, self.artifacts, n=1)
        near = f"Did you mean '{close[0]}'? " if close else ""
        raise ConfigurationError(
            "no such artifact is registered", where=shown(name), hint=f"{near}`tagboat show` lists them."
        )

    def tag(self, name: str) -> TagObject | None:
        """A tag as Git has it, whether or not it counts; None where there is none."""
        return self.tags.get(name)

    def event(self, tag: str) -> Event | None:
        """What a tag did, by its full name; None where no such tag counts."""
        return self._by_tag.get(tag)

    def problem(self, tag: str) -> Problem | None:
        """Why a tag does not count, where it does not."""
        return next((problem for problem in self.problems if problem.tag == tag), None)

    def is_later(self, tag: str, other: str) -> bool:
        """Whether both tags count and GTO orders the first one after the other."""
        order = self._positions
        return tag in order and other in order and order[tag] > order[other]

    @cached_property
    def _by_tag(self) -> dict[str, Event]:
        return {happened.tag.name: happened for happened in self.events}

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {happened.tag.name: position for position, happened in enumerate(self.events)}


def read(repository: Repository) -> Registry:
    """Read the registry from the tags that are here (`Repository.fetch_tags` brings the remote's)."""
    return replay(repository.tags(), annotated.head(repository), repository.commit_times)


def replay(
    tags: Sequence[TagObject], head: annotated.Head | None, commit_times: Callable[[Iterable[str]], Mapping[str, int]]
) -> Registry:
    """Work out the registry from tag objects in the order of their names; see `read`."""
    admitted: list[tuple[TagObject, Tag]] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    for tag in tags:
        match admit(tag):
            case Tag() as parsed:
                admitted.append((tag, parsed))
                if tag.nested:
                    warnings.append(f"{tag.name}: a tag of a tag; it is read as one of the commit behind it")
            case Problem() as hidden:
                problems.append(hidden)
    admitted.sort(key=lambda pair: pair[0].time or 0)
    times = commit_times(commits_that_date(admitted))
    books: dict[str, Book] = {}
    direct = [pair for pair in admitted if pair[1].stage is None]
    staged = [pair for pair in admitted if pair[1].stage is not None]
    for tag, parsed in (*direct, *staged):
        book = books.get(parsed.artifact)
        if book is None:
            book = books[parsed.artifact] = Book(parsed.artifact, times)
        if problem := book.enter(tag, parsed):
            problems.append(problem)
    books = {name: book for name, book in books.items() if book.events}
    if head is not None:
        for name in head.names:
            books.setdefault(name, Book(name, times)).note(head)
    artifacts = {}
    for name in sorted(books):
        artifacts[name] = _closed(books[name])
        warnings += books[name].warnings()
    return Registry(
        artifacts,
        tuple(sorted(problems, key=lambda problem: problem.tag)),
        tuple(warnings),
        {tag.name: tag for tag in tags},
        tuple(books.values()),
    )


def _closed(book: Book) -> ArtifactState:
    """The artifact as the reader of the registry sees it."""
    current = {} if book.deprecated else book.current
    stage_of = {assignment.tag.name: stage for stage, assignment in current.items()}
    active = [version for version in book.versions if version.active]
    semantic = [version for version in active if is_version(version.version)]
    semantic = sorted(semantic, key=lambda version: precedence(version.version))[::-1]
    bare = sorted((v for v in active if not is_version(v.version)), key=lambda v: v.version)[::-1]
    states: dict[tuple[str, str], VersionState] = {}
    for version in (*semantic, *bare):
        key = (version.version, version.commit)
        stages = {stage_of[e.tag.name] for e in version.stage_events if e.tag.name in stage_of}
        if key in states:
            stages.update(states[key].stages)
        states[key] = VersionState(*key, version.registration, tuple(sorted(stages)))
    versions = tuple(states.values())
    latest = next((version for version in versions if version.registered), None)
    return ArtifactState(
        name=book.name,
        versions=versions,
        assignments=current,
        deprecated=book.deprecated,
        latest_version=None if book.deprecated else latest,
        _book=book,
    )
