"""Where the process stands: loading, ready, draining. Read by every answer, changed by `server` alone."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any, Optional

from tagboat_server.spec import Identity


@dataclasses.dataclass
class State:
    """One process's standing. ``since``: Unix seconds of the moment the model was loaded. ``listening``: addresses."""

    identity: Identity
    loaded: bool = False
    draining: bool = False
    since: Optional[float] = None
    listening: list[str] = dataclasses.field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return self.loaded and not self.draining

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
            "draining": self.draining,
            "listening": list(self.listening),
            "pid": os.getpid(),
            "since": self.since,
        }
