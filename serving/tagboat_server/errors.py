"""What can go wrong, drawn by who has to act.

    ServerError              exit 2   the server cannot start; a person reads it
    ├── SettingsError                 TAGBOAT_SETTINGS, the command line, or the bundle
    ├── ModelError                    the model's files cannot be loaded
    │   └── MissingLibraryError       a library that the model needs is not in its environment
    └── ListenError                   an address cannot be bound or taken over

    Rejection                HTTP     one request cannot be answered; its sender reads it

Neither is ever shown as a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional


class ServerError(Exception):
    """The server cannot start, or a command cannot be carried out. ``where``, ``hint``: as in Tagboat's own errors."""

    def __init__(self, message: str, *, where: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def document(self) -> dict[str, dict[str, Optional[str]]]:
        """The error as ``inspect`` and the log print it."""
        return {"error": {"message": self.message, "where": self.where, "hint": self.hint}}


class SettingsError(ServerError):
    """What the server was told cannot be."""


class ModelError(ServerError):
    """The model's files are not what they should be."""


class MissingLibraryError(ModelError):
    """The model needs a library that its environment lacks; ``requirement`` is what to add."""

    def __init__(self, requirement: str, *, where: Optional[str] = None, reason: str) -> None:
        super().__init__(
            f"{reason}: {requirement} is not in the model's environment",
            where=where,
            hint=f"Add {requirement} to the model's requirements.",
        )
        self.requirement = requirement


class ListenError(ServerError):
    """An address is taken, forbidden, or no address."""


class Rejection(Exception):  # noqa: N818 - it is an answer, not a defect
    """An HTTP answer other than success.

    ``path``: where in the body, such as ``data[3].age``. ``reason``: one word for the metrics. ``kind`` and
    ``identity``: the type and the id of a failure whose traceback is in the log. ``cause``: what the model raised,
    where its words are for the sender. ``label``: the method that was asked, where the path does not tell.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        path: Optional[str] = None,
        hint: Optional[str] = None,
        reason: str = "request",
        kind: Optional[str] = None,
        identity: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        cause: Optional[BaseException] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.path = path
        self.hint = hint
        self.reason = reason
        self.kind = kind
        self.identity = identity
        self.cause = cause
        self.label: Optional[str] = None
        self.headers = dict(headers or {})

    def document(self) -> dict[str, dict[str, str]]:
        """The answer's body; absent parts are left out."""
        parts = {
            "message": self.message,
            "path": self.path,
            "hint": self.hint,
            "type": self.kind,
            "id": self.identity,
        }
        return {"error": {name: text for name, text in parts.items() if text is not None}}
