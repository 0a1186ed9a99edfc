"""``policies:``: what is refused, and where a download stops."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Connection, Duration, Settings, Size
from entrypoint.configuration.words import (
    Text,
)

GIGABYTE = 1_000_000_000


class Scan(enum.StrEnum):
    """What a finding of the static scan means."""

    WARN = "warn"
    REFUSE = "refuse"


class RequireSignature(Settings, frozen=True, kw_only=True):
    """Who may sign; exactly one of the two. Both are files of the runner, never of the tagged commit (absolute)."""

    allowed_signers: Annotated[
        Connection | None, Meta(description="An SSH allowed-signers file on the runner: an absolute path.")
    ] = None
    keyring: Annotated[Connection | None, Meta(description="A GnuPG keyring on the runner: an absolute path.")] = None

    def __post_init__(self) -> None:
        """Hold to exactly one of the two."""
        if (self.allowed_signers is None) == (self.keyring is None):
            raise ValueError("exactly one of allowed-signers and keyring is needed")


class Limits(Settings, frozen=True, kw_only=True):
    """Where a download stops."""

    download_size: Annotated[Size, Meta(description="The most that one model's files may weigh.")] = 10 * GIGABYTE
    files: Annotated[int, Meta(ge=1, description="The most files that one model may have.")] = 10_000
    time: Annotated[Duration, Meta(description="The longest that one download may take.")] = 3600.0


class Policies(Settings, frozen=True, kw_only=True):
    """What is refused."""

    scan: Annotated[Scan, Meta(description="Imports of a pickle outside the allow-list: `warn` or `refuse`.")] = (
        Scan.WARN
    )
    allowed_imports: Annotated[
        tuple[str, ...], Meta(description="Modules that a pickle may import beside those known to be harmless.")
    ] = ()
    allow_build: Annotated[
        bool, Meta(description="Build requirements that have no wheel; runs their code, without credentials.")
    ] = False
    require_branch: Annotated[
        Text | None, Meta(description="A tag counts only on a commit that this branch contains.")
    ] = None
    require_signature: Annotated[
        RequireSignature | None, Meta(description="A tag counts only when one of these signed it.")
    ] = None
    moved_tags: Annotated[
        Literal["refuse", "allow"], Meta(description="A tag that a target knows with another object.")
    ] = "refuse"
    limits: Annotated[Limits, Meta(description="Where a download stops.")] = Limits()
