"""What a deployer's author supplies, and how the suite works with it: as the pipeline would."""

from __future__ import annotations

import abc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerContext
from typing import ClassVar, TypeVar

from deployers.base import Deployer, Health, Observation, Release, Slot, Step, TagRecord
from deployers.wrapping.bundle import Bundle

Value = TypeVar("Value")


class Subject(abc.ABC):
    """One target to try a deployer on, empty at first; a new one for each test.

    Where `processes` is true the object must survive `pickle`, and a copy of it in another process must reach the
    same target.
    """

    processes: ClassVar[bool] = False
    """Another process can work on the target: the suite then also kills processes, with SIGKILL."""

    patience: ClassVar[float] = 30.0
    """Seconds that the target may take to show what was done to it."""

    canary: ClassVar[str | None] = None
    """The value of a variable that the target's settings name as ``${env:…}``. It must show up nowhere."""

    @abc.abstractmethod
    def deployer(self) -> Deployer:
        """A new deployer object for the target: what a later run would have."""

    preload: Sequence[str] = ()
    """Modules of installed distributions that take long to import and that processes need; see `process_context`."""

    @abc.abstractmethod
    def slot(self, name: str = "model") -> Slot:
        """A slot on the target; another name, another slot."""

    @abc.abstractmethod
    def release(self, slot: Slot, version: str, tag: TagRecord | None = None) -> tuple[Release, Bundle]:
        """A release that works; for the same version the same one."""

    @abc.abstractmethod
    def broken(self, slot: Slot, version: str) -> tuple[Release, Bundle]:
        """A release that never comes up."""

    @abc.abstractmethod
    def served(self, slot: Slot) -> str | None:
        """The id of the release that a client meets, found out without the deployer; None when nothing answers."""

    def crash(self, slot: Slot) -> bool:
        """End what serves the slot, behind the deployer's back; False where that can't be done."""
        del slot
        return False

    def lose_caches(self) -> None:  # noqa: B027 - nothing to do is a fair answer
        """Delete every bundle and cache on this machine that the target does not own."""

    def stranger(self) -> Callable[[], bool] | None:
        """Put something on the target that is not ours; the answer tells whether it is still untouched."""
        return None

    def snapshot(self) -> object:
        """All that the target holds, comparable; None where it can't be had."""
        return None

    def leftovers(self) -> Sequence[str]:
        """What is on the target beyond what a slot needs that serves one release: servers, half-made objects."""
        return ()


def deploy(subject: Subject, slot: Slot, version: str, tag: TagRecord | None = None) -> Release:
    """Bring a version live as the pipeline does, and see that it is."""
    release, bundle = subject.release(slot, version, tag)
    deployer = subject.deployer()
    with deployer.lease(slot):
        plan = deployer.plan(release, bundle)
        for _ in deployer.apply(plan):
            pass
        assert_live(subject, slot, release)
        deployer.mark_verified(slot, release)
    return release


def assert_live(subject: Subject, slot: Slot, release: Release) -> Observation:
    """The release serves, says so, is well, and nothing is left over."""
    seen = eventually(
        lambda: subject.deployer().observe(slot),
        lambda seen: seen.release_id == release.id and seen.health is Health.READY and not seen.unfinished,
        subject.patience,
    )
    assert seen.health is Health.READY, f"health is {seen.health}: {'; '.join(seen.reasons)}"  # noqa: S101
    assert seen.release_id == release.id, f"{seen.release_id} is served, not {release.id}"  # noqa: S101
    assert not seen.unfinished, f"something is unfinished: {'; '.join(seen.reasons)}"  # noqa: S101
    assert seen.release is not None, "the target does not know what it serves"  # noqa: S101
    assert seen.release.version == release.version, f"{seen.release.version} is named"  # noqa: S101
    assert subject.served(slot) == release.id, "a client meets another release than the target says"  # noqa: S101
    left = eventually(subject.leftovers, lambda left: not left, subject.patience)
    assert not left, f"left over: {', '.join(left)}"  # noqa: S101
    return seen


def assert_down(subject: Subject, slot: Slot) -> Observation:
    """Nothing serves, nothing is left over."""
    seen = eventually(
        lambda: subject.deployer().observe(slot), lambda seen: seen.health is Health.ABSENT, subject.patience
    )
    assert seen.health is Health.ABSENT, f"health is {seen.health}"  # noqa: S101
    assert seen.release_id is None, "a release is named where none is served"  # noqa: S101
    assert not seen.unfinished, f"something is unfinished: {'; '.join(seen.reasons)}"  # noqa: S101
    assert eventually(lambda: subject.served(slot), lambda served: served is None, subject.patience) is None  # noqa: S101
    left = eventually(subject.leftovers, lambda left: not left, subject.patience)
    assert not left, f"left over: {', '.join(left)}"  # noqa: S101
    return seen


def eventually(look: Callable[[], Value], good: Callable[[Value], bool], seconds: float) -> Value:
    """Look until it is good or the time is over; the last look."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not good(value := look()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    return value


class Work:
    """Something that a run does in steps; survives `pickle`, so that it can be done, and killed, elsewhere."""

    def __init__(self, kind: str, slot: Slot, version: str = "") -> None:
        self.kind = kind
        self.slot = slot
        self.version = version

    def begin(self, subject: Subject, deployer: Deployer) -> Iterator[Step]:
        """The steps, not yet taken."""
        if self.kind == "apply":
            return deployer.apply(deployer.plan(*subject.release(self.slot, self.version)))
        return deployer.rollback(self.slot) if self.kind == "rollback" else deployer.remove(self.slot)


Interrupt = Callable[[Subject, Work, int], bool]
"""Does a work's first steps and stops there; whether it was stopped before its end."""


def close_after(subject: Subject, work: Work, steps: int) -> bool:
    """The generator is closed after so many steps, as by an exception or an interrupt of the run."""
    deployer = subject.deployer()
    with deployer.lease(work.slot):
        under_way = work.begin(subject, deployer)
        for _ in range(steps):
            if next(under_way, None) is None:
                return False
        closing = getattr(under_way, "close", None)
        if closing is not None:
            closing()
    return True


def process_context(subject: Subject) -> ForkServerContext:
    """Starts processes that share nothing with this one but what they are given; heavy imports are made once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(subject.preload))
    return context


def kill_after(subject: Subject, work: Work, steps: int) -> bool:
    """The process that runs it is killed after so many steps, with SIGKILL, the lease in its hands."""
    process = process_context(subject).Process(target=_die_after, args=(subject, work, steps))
    process.start()
    process.join()
    if process.exitcode not in {0, -signal.SIGKILL}:
        raise AssertionError(f"the run failed by itself, with exit code {process.exitcode}; its traceback is above")
    return process.exitcode != 0


def _die_after(subject: Subject, work: Work, steps: int) -> None:
    deployer = subject.deployer()
    with deployer.lease(work.slot):
        under_way = work.begin(subject, deployer)
        for _ in range(steps):
            if next(under_way, None) is None:
                return
        os.kill(os.getpid(), signal.SIGKILL)
