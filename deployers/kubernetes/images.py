"""Where the image of a bundle comes from: made here, pushed to the target's registry, named by its digest."""

from __future__ import annotations

from typing import Protocol

from deployers.wrapping.bundle import Bundle


class Images(Protocol):
    """Makes images of bundles. A reference is ``repository@sha256:…``."""

    def reference(self, bundle: Bundle) -> str:
        """What the image is called once it is pushed; builds it, pushes nothing."""

    def push(self, bundle: Bundle) -> str:
        """Push what the registry lacks; says how much that was, for people."""
