"""What a run is asked to do: the one thing that the command line and the Action hand to the pipeline."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from entrypoint.configuration.report_settings import Report
from entrypoint.report.progress import Progress, Silence
from entrypoint.report.verdict import Verdict
from entrypoint.report.witness import Unwatched, Witness
from entrypoint.saved_plan import SavedPlan


class Command(enum.StrEnum):
    """What the pipeline can be asked for."""

    DEPLOY = "deploy"
    """Bring the slots that ``ref`` touches to what the registry says now."""
    PLAN = "plan"
    """Say what deploying would change; the same as a dry run."""
    RECONCILE = "reconcile"
    """Bring every slot to what the registry says."""
    ROLLBACK = "rollback"
    """Go back to the last verified release of the slot ``ref``."""
    REMOVE = "remove"
    """Take the slot ``ref`` down."""
    RELEASE_HOLD = "release-hold"
    """Let events and reconcile at the held slot ``ref`` again."""
    PROMOTE = "promote"
    """Promote what passes its gates, from stage to stage."""
    REPORT = "report"
    """Show what a pull request changes (`entrypoint.pull_requests`); no slot is touched."""


class ConfigRef(enum.StrEnum):
    """Where tagboat.yaml and the user's templates are read from."""

    DEFAULT_BRANCH = "default-branch"
    """The tip of the default branch, fetched: a tag cannot bring its own policies."""
    TAG = "tag"
    """The tagged commit."""
    WORKING_TREE = "working-tree"
    """The files as they lie there; the command line's way."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run.

    ``directory``: the checkout, or the folder in it that ``working-directory`` names. ``ref``: a full tag or GTO's
    shortcut; for rollback and remove ``ARTIFACT#STAGE``; None for reconcile. ``tag_is_gone``: the event deleted the
    tag ``ref``, so that it is not to be resolved, but what it touched brought to what the registry says without it.
    ``artifact``, ``stage``: reconcile these only, or promote this artifact, into this stage.
    ``source``: promote from this stage. ``promote``: deploy and reconcile go on with the promotions that are automatic.
    ``fetch``: read the remote's tags first, where there is a remote.
    ``tag``: rollback and remove write the tag that says so, or with False hold the slot; ``push``: and push it.
    ``version``: what rollback goes back to, or None for the one verified before; the only one that is promoted.
    ``token`` authenticates fetches; never shown. ``saved``: the plan that is to be carried out as it stands, or
    refused. ``cache``: None means the user's cache folder. ``in_action``: inside the container Action, where nothing
    outlives the step. ``run_url``: the run, for records. ``stories``: tell of each release what it brings.
    ``witness``: makes whoever is shown the run on other pages, as ``report:`` says. ``asked_by``: the account on GitHub
    whose comment asks for a promotion; what it may do there is looked up.
    """

    command: Command
    directory: Path
    environment: Mapping[str, str]
    ref: str | None = None
    tag_is_gone: bool = False
    artifact: str | None = None
    stage: str | None = None
    source: str | None = None
    promote: bool = True
    config: str = "tagboat.yaml"
    config_ref: ConfigRef = ConfigRef.WORKING_TREE
    dry_run: bool = False
    retry: bool = False
    fetch: bool = True
    tag: bool = True
    push: bool = True
    version: str | None = None
    token: str | None = field(default=None, repr=False)
    saved: SavedPlan | None = None
    cache: Path | None = None
    in_action: bool = False
    actor: str | None = None
    asked_by: str | None = None
    run_url: str | None = None
    clock: Callable[[], float] = time.time
    progress: Progress = field(default_factory=Silence, repr=False)
    stories: bool = False
    witness: Callable[[Report], Witness] = field(default=lambda _: Unwatched(), repr=False)

    @property
    def api_token(self) -> str | None:
        """What GitHub's API is asked with; never shown."""
        return self.token or self.environment.get("GITHUB_TOKEN") or self.environment.get("GH_TOKEN") or None


class Handle(Protocol):
    """A run, as its callers see it: `entrypoint.run.run`."""

    def __call__(self, request: Request) -> Verdict:
        """Do what is asked, and say how it ended. Raises `TagboatError` only where no verdict can be reached."""
