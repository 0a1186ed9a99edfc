"""Where the process stands: loading, ready, stuck, draining. Read by every answer, changed by `server` alone."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any, Callable, Optional

from tagboat_server.spec import Identity


@dataclasses.dataclass
class State:
    """One process's standing. ``since``: Unix seconds of the moment the model was loaded. ``listening``: addresses.

    ``stuck_for``: seconds for which the model has taken no call, since calls that are too old hold all its threads;
    after ``patience`` more of them the process counts as lost.
    """

    identity: Identity
    loaded: bool = False
    draining: bool = False
    since: Optional[float] = None
    listening: list[str] = dataclasses.field(default_factory=list)
    stuck_for: Callable[[], float] = lambda: 0.0
    patience: float = 60.0

    @property
    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return self.loaded and not self.draining and not self.stuck_for()

    @property
    def alive(self) -> bool:
        """Whether the process is worth keeping: its model is not stuck, or might yet come back."""
        return self.stuck_for() < self.patience

    @property
    def standing(self) -> str:
        """The same in a word, for people: ok, loading, draining or stuck."""
        if self.draining:
            return "draining"
        if not self.loaded:
            return "loading"
        return "stuck" if self.stuck_for() else "ok"

    def become_ready(self) -> None:
        """Note that the model is loaded."""
        self.loaded = True
        self.since = time.time()

    def document(self) -> dict[str, Any]:
        """What the control socket's ``status`` answers."""
        return {
            "release": self.identity.release,
            "stage": self.identity.stage,
            "artifact": self.identity.artifact,
            "version": self.identity.version,
            "ready": self.ready,
            "status": self.standing,
            "draining": self.draining,
            "listening": list(self.listening),
            "pid": os.getpid(),
            "since": self.since,
        }
