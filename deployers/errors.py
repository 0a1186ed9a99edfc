"""What can go wrong while a release is put on a target.

    TagboatError                 exit 1   the root; also of entrypoint/errors.py
    ├── ConfigurationError       exit 2   the settings ask for what cannot be
    │   └── CapabilityError      exit 2   this target cannot do what was asked of it
    ├── RefusedError             exit 3   policy, or safety, says no
    │   └── StalePlanError       exit 3   the target has moved since the plan was made
    ├── UnreachableError         exit 4   nothing was decided; safe to try again
    │   └── LeaseHeldError       exit 4   another run is at work on this slot
    ├── ReleaseFailedError       exit 1   this release is not live; what served before still does
    └── DegradedError            exit 5   the way back failed too

Every error says what was wrong (the message), where (``where``) and what to do about it (``hint``).
"""

from __future__ import annotations

from typing import ClassVar


class TagboatError(Exception):
    """An error that is shown to a person as it stands, never as a traceback.

    ``message``: what was wrong. ``where``: the tag, file, key or object it was found in.
    ``hint``: what to do about it. The process ends with ``exit_code``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class ConfigurationError(TagboatError):
    """The command line, tagboat.yaml or the model's own files ask for what cannot be."""

    exit_code = 2


class CapabilityError(ConfigurationError):
    """The target lacks what the configuration asks of it; nothing asked for is silently ignored."""


class RefusedError(TagboatError):
    """Policy or safety says no; nothing was written."""

    exit_code = 3


class StalePlanError(RefusedError):
    """The live state is no longer the one the plan was made for."""


class UnreachableError(TagboatError):
    """A target, a remote or an index did not answer; trying again is safe."""

    exit_code = 4


class LeaseHeldError(UnreachableError):
    """Another run holds the slot's lease."""


class ReleaseFailedError(TagboatError):
    """The release could not be made live."""


class DegradedError(TagboatError):
    """The release failed and so did the return to the last verified one."""

    exit_code = 5
