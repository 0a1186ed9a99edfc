"""Where a download stops: bytes, time, and the disk's free space (SECURITY C4).

Sizes that a commit claims are checked before anything is transferred; since they may be lies, the bytes that really
pass are counted too.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from entrypoint.configuration.policy_settings import Limits
from entrypoint.errors import RefusedError

SPARE = 256 * 2**20
"""Bytes of the disk that are never used."""
_EVERY = 64 * 2**20
"""Bytes between two looks at the disk's free space."""


class Budget:
    """What one download may still use; shared by the threads that transfer."""

    def __init__(
        self,
        limits: Limits,
        disk: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.limits = limits
        self._disk = disk
        self._clock = clock
        self._free = free
        self._ends = clock() + limits.time
        self._lock = threading.Lock()
        self._used = 0
        self._looked = 0
        self._stopped = False

    @property
    def seconds_left(self) -> float:
        """Until the time is up; never negative."""
        return max(0.0, self._ends - self._clock())

    def claim(self, size: int, *, missing: int) -> None:
        """Refuse a model of ``size`` bytes, ``missing`` of them not on this machine yet, before it is transferred."""
        if size > self.limits.download_size:
            raise self._too_large(size)
        if missing + SPARE > self._free(self._disk):
            raise self._disk_full(missing)

    def spend(self, size: int) -> None:
        """Count bytes that arrived. Raises `RefusedError` when the download has to stop."""
        with self._lock:
            self._used += size
            if self._stopped:
                raise RefusedError("the download was stopped")
            if self._used > self.limits.download_size:
                raise self._too_large(self._used)
            if not self.seconds_left:
                raise self.too_slow()
            if self._used - self._looked >= _EVERY:
                self._looked = self._used
                if self._free(self._disk) < SPARE:
                    raise self._disk_full(0)

    def stop(self) -> None:
        """End the transfers that still run, each at its next piece."""
        self._stopped = True

    def too_slow(self) -> RefusedError:
        """The error for a download that takes too long."""
        return RefusedError(
            f"the download took longer than {self.limits.time:g} seconds",
            hint="Raise policies.limits.time in tagboat.yaml; what has arrived whole is kept for the next run.",
        )

    def _too_large(self, size: int) -> RefusedError:
        return RefusedError(
            f"the model has at least {size:,} bytes, more than the limit of {self.limits.download_size:,}",
            hint="Raise policies.limits.download-size in tagboat.yaml.",
        )

    def _disk_full(self, missing: int) -> RefusedError:
        return RefusedError(
            f"the disk has {self._free(self._disk):,} bytes left, too few for {missing:,} more",
            where=str(self._disk),
            hint="Free some space, or put the cache on another disk.",
        )
