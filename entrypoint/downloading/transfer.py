"""Objects from a remote into the cache, several at a time, within a budget."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from entrypoint.downloading.cache import Cache, CachedObject
from entrypoint.downloading.destination import writing
from entrypoint.downloading.limits import Budget
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.downloading.remotes import Remote, open_remote
from entrypoint.errors import RefusedError, TagboatError, UnreachableError

AT_ONCE = 4
"""Objects in transfer at the same time; each costs some blocks of memory."""
PATIENCE = 2.0
"""Seconds that stopped transfers get to tidy up; they end at their next piece, unless that never comes."""
ATTEMPTS = 3
"""How often an object is asked for when the connection breaks."""


@dataclass(frozen=True, kw_only=True)
class WantedObject:
    """An object of DVC, and the file that it will be.

    ``path``: from the repository's root, for messages and progress. ``size``: bytes as the commit claims, or None.
    ``remote``: the remote's name. ``imported``: see `entrypoint.downloading.pointers.Pointer`.
    ``most``: bytes that it may have at all, where it will be read into memory.
    """

    path: str
    hash_name: str
    value: str
    size: int | None
    remote: str
    imported: bool = False
    most: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What names the content."""
        return self.hash_name, self.value


@dataclass
class Transfer:
    """Brings objects into the cache. ``passed`` is told each file's path and how many of its bytes went by."""

    cache: Cache
    settings: RemoteSettings
    environment: Mapping[str, str]
    budget: Budget
    passed: Callable[[str, int], None]
    transferred: int = 0
    """Bytes that came from remotes."""

    def __post_init__(self) -> None:
        self._remotes: dict[str, Remote] = {}
        self._lock = threading.Lock()

    def fetch(self, wanted: Sequence[WantedObject]) -> dict[tuple[str, str], CachedObject]:
        """Every object, verified, by its key. Raises the first error; what arrived whole stays in the cache.

        The threads are daemons and are left behind when the time is up: a server that sends one byte a minute can
        keep a thread, but not the run.
        """
        distinct = {one.key: one for one in wanted}
        todo: queue.SimpleQueue[WantedObject] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[WantedObject, CachedObject | BaseException]] = queue.SimpleQueue()
        for one in distinct.values():
            todo.put(one)
        threads = [
            threading.Thread(target=partial(self._work, todo, done), daemon=True, name="download")
            for _ in range(min(AT_ONCE, len(distinct)))
        ]
        for thread in threads:
            thread.start()
        found: dict[tuple[str, str], CachedObject] = {}
        try:
            while len(found) < len(distinct):
                try:
                    one, outcome = done.get(timeout=self.budget.seconds_left)
                except queue.Empty:
                    raise self.budget.too_slow() from None
                if isinstance(outcome, BaseException):
                    raise outcome
                found[one.key] = outcome
        except BaseException:
            self.budget.stop()
            ends = time.monotonic() + PATIENCE
            for thread in threads:
                thread.join(max(0.0, ends - time.monotonic()))
            raise
        return found

    def _work(
        self,
        todo: queue.SimpleQueue[WantedObject],
        done: queue.SimpleQueue[tuple[WantedObject, CachedObject | BaseException]],
    ) -> None:
        while True:
            try:
                one = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((one, self.one(one)))
            except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
                done.put((one, error))
                return

    def one(self, wanted: WantedObject) -> CachedObject:
        """One object: from the cache, else from its remote."""
        cached = self.cache.find(wanted.hash_name, wanted.value, partial(self._passed_by, wanted.path))
        if cached is not None:
            return cached
        remote = self._remote(wanted.remote)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with writing(self.cache.folder):
                    arrived = self.cache.add(wanted.hash_name, wanted.value, self._arriving(remote, wanted))
            except UnreachableError:
                if attempt == ATTEMPTS:
                    raise
            else:
                if arrived is None:
                    raise _wrong_bytes(wanted, remote)
                return arrived
        raise AssertionError("the loop above returns or raises")

    def _arriving(self, remote: Remote, wanted: WantedObject) -> Iterator[bytes]:
        counted = 0
        try:
            for piece in remote.stream(wanted.hash_name, wanted.value, wanted.size):
                counted += len(piece)
                if wanted.size is not None and counted > wanted.size:
                    raise _wrong_bytes(wanted, remote)
                if wanted.most is not None and counted > wanted.most:
                    raise RefusedError(f"its list of files is longer than {wanted.most} bytes", where=wanted.path)
                self.budget.spend(len(piece))
                with self._lock:
                    self.transferred += len(piece)
                self.passed(wanted.path, len(piece))
                yield piece
        except GeneratorExit:  # the cache could not take it
            raise
        except BaseException as error:
            # The next attempt, if there is one, starts anew.
            self.passed(wanted.path, -counted)
            if isinstance(error, FileNotFoundError) and wanted.imported:
                raise _of_an_import(wanted) from None
            if isinstance(error, Exception):  # every cloud raises its own; `explain` sorts them
                raise remote.explain(error, wanted.path) from None
            raise

    def _passed_by(self, path: str, size: int) -> None:
        if not self.budget.seconds_left:
            raise self.budget.too_slow()
        self.passed(path, size)

    def _remote(self, name: str) -> Remote:
        with self._lock:
            if name not in self._remotes:
                self._remotes[name] = open_remote(self.settings, name, self.environment)
            return self._remotes[name]


def _of_an_import(wanted: WantedObject) -> TagboatError:
    return RefusedError(
        "the file was imported from another place, and our DVC remote does not have it",
        where=f"{wanted.path} on the DVC remote {wanted.remote!r}",
        hint="Tagboat never follows an import. Track the file itself (dvc add, dvc push) and register a new version.",
    )


def _wrong_bytes(wanted: WantedObject, remote: Remote) -> RefusedError:
    return RefusedError(
        f"the remote sent other bytes than the commit names (MD5 {wanted.value}); nothing was kept",
        where=f"{wanted.path} from the DVC remote {remote.name!r} ({remote.address})",
        hint="The remote is damaged or tampered with. Push the file again from where it is whole (dvc push).",
    )
