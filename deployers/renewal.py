"""Keep a lease while a run works: a thread renews it, since a step may take long, and a loss is told at the next step.

A deployer says how one renewal is written; when a lease counts as expired is its own matter.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from deployers.errors import LeaseHeldError, TagboatError, UnreachableError


class Renewal:
    """``write``: renews once, raising a `TagboatError` where the lease is somebody else's by now.

    ``duration``: seconds for which one renewal holds; it is renewed four times as often. ``where``: the lease's name.
    """

    def __init__(self, write: Callable[[], None], *, duration: float, where: str) -> None:
        self._write = write
        self._duration = duration
        self._where = where
        self.renewed = time.monotonic()
        self._lost: TagboatError | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def renew(self) -> None:
        """Renew now, where the last time was long ago. Raises `LeaseHeldError` once the lease is lost."""
        if time.monotonic() - self.renewed >= self._duration / 4:
            self._renew()
        if self._lost is not None:
            raise self._lost

    def stop(self, release: Callable[[], None]) -> None:
        """Renew no more; ``release`` lets go of the lease where it is still ours, and may fail."""
        self._ended.set()
        with self._lock, contextlib.suppress(TagboatError):
            if self._lost is None:
                release()

    def _keep(self) -> None:
        while not self._ended.wait(self._duration / 4):
            self._renew()

    def _renew(self) -> None:
        with self._lock:
            if self._ended.is_set() or self._lost is not None:
                return
            try:
                self._write()
                self.renewed = time.monotonic()
            except UnreachableError as error:
                # It holds until it expires; until then somebody who can be reached may answer again.
                if time.monotonic() - self.renewed > self._duration:
                    self._lost = error
            except TagboatError as error:
                self._lost = LeaseHeldError(
                    f"the lease was lost: {error.message}",
                    where=self._where,
                    hint="Another run has taken over; run the same command again.",
                )
