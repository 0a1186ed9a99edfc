"""The run as GitHub's pages show it: deployments with their statuses, checks, and comments where one failed.

None of it may cost a deployment. A permission that is missing turns its part off and is a warning; a GitHub that does
not answer turns off everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from deployers.base import Release, Slot
from entrypoint.configuration.report_settings import Report
from entrypoint.errors import TagboatError, UnreachableError, UsageError
from entrypoint.github import checks, deployments, pull_requests
from entrypoint.github.client import GitHub, connect
from entrypoint.github.deployments import Account
from entrypoint.github.failures import NotAllowedError
from entrypoint.report.verdict import Preflight, SlotVerdict, Status, Verdict

if TYPE_CHECKING:
    from github.Deployment import Deployment

PARTS: Final = ("deployments", "checks", "failure-comments")
"""What can be turned off, by the keys of ``report:``."""


class OnGitHub:
    """A `Witness` for a run inside of GitHub Actions. ``connection``: makes the way to GitHub, at its first use.

    ``config``: the configuration's path from the repository's root, where checks show what stands at no other file.
    """

    def __init__(
        self,
        settings: Report,
        connection: Callable[[], GitHub],
        *,
        config: str,
        run_url: str | None = None,
        run: str = "",
        attempt: str = "",
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._config = config
        self._run_url = run_url
        self._run = run
        self._attempt = attempt
        self._connected: GitHub | None = None
        self._opened: dict[Slot, Deployment] = {}
        self._off = {part for part in PARTS if not getattr(settings, part.replace("-", "_"))}
        self._problems: dict[str, None] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_step(cls, settings: Report, environment: Mapping[str, str], token: str, *, config: str,
                run_url: str | None) -> OnGitHub:  # fmt: skip
        """The witness of a step, as its environment describes the run."""
        return cls(
            settings,
            lambda: connect(environment, token),
            config=config,
            run_url=run_url,
            run=environment.get("GITHUB_RUN_ID", ""),
            attempt=environment.get("GITHUB_RUN_ATTEMPT", ""),
        )

    @property
    def _github(self) -> GitHub:
        with self._lock:
            if self._connected is None:
                self._connected = self._connection()
            return self._connected

    def queued(self, release: Release) -> None:
        """Make the release's deployment."""
        account = Account(artifact=release.slot.artifact, version=release.version, stage=release.slot.stage,
                          target=release.slot.target, commit=release.commit,
                          tag=release.tag.name if release.tag else None, run=self._run_url,
                          attempt=self._attempt or None)  # fmt: skip
        self._try("deployments", lambda: self._open(account))

    def in_progress(self, release: Release) -> None:
        """Say that the target is being changed."""
        opened = self._opened.get(release.slot)
        if opened is not None:
            text = f"release {release.id} on its way"
            self._try("deployments", lambda: self._say(opened, "in_progress", text))

    def ended(self, slot: SlotVerdict) -> None:
        """Say how the deployment ended, and of what it replaced that it is no more."""
        self._try("deployments", lambda: self._close(slot))

    def finished(self, verdict: Verdict) -> Sequence[str]:
        """Write the checks and the comments; everything that could not be shown is told here."""
        if not verdict.dry_run:
            for commit, name, part in checks.parts(verdict):
                self._try("checks", lambda commit=commit, name=name, part=part: self._check(commit, name, part))  # type: ignore[misc]
            for preflight in verdict.preflights:
                self._try("failure-comments", lambda one=preflight: self._comment_preflight(one))  # type: ignore[misc]
            for slot in verdict.slots:
                if slot.commit and checks.news(slot, verdict) and (slot.changed or not slot.status.good):
                    self._try("failure-comments", lambda slot=slot: self._comment(slot))  # type: ignore[misc]
        if self._connected is not None:
            self._connected.close()
        return list(self._problems)

    def _open(self, account: Account, *, queued: bool = True) -> Deployment:
        environment = self._settings.environment(account.stage)
        opened = deployments.open_deployment(self._github, account, environment)
        self._opened[account.slot] = opened
        if queued:
            self._say(opened, "queued", f"by {account.tag}" if account.tag else "by the registry")
        return opened

    def _say(self, deployment: Deployment, state: str, text: str, url: str | None = None) -> None:
        deployments.say(self._github, deployment, state, text, url=url, log=self._run_url)

    def _close(self, verdict: SlotVerdict) -> None:
        slot = Slot(artifact=verdict.artifact, stage=verdict.stage, target=verdict.target)
        opened = self._opened.pop(slot, None)
        if verdict.status is Status.REMOVED:
            if verdict.changed:
                deployments.settle(self._github, slot, replaced=True, by="taken down")
            return
        if opened is None and verdict.changed and verdict.commit and verdict.version:
            # A rollback serves what is stored: there was nothing to prepare, and nothing was queued.
            account = Account(artifact=slot.artifact, version=verdict.version, stage=slot.stage, target=slot.target,
                              commit=verdict.commit, tag=verdict.tag, run=self._run_url,
                              attempt=self._attempt or None)  # fmt: skip
            opened = self._open(account, queued=False)
        if opened is None:
            return
        if verdict.status.good:
            self._say(opened, "success", f"{verdict.version} is live: release {verdict.release}", verdict.url)
        else:
            state = "error" if verdict.status is Status.DEGRADED else "failure"
            self._say(opened, state, f"{verdict.status}: {verdict.reason}")
        deployments.settle(self._github, slot, replaced=verdict.status.good, newest=opened.id,
                           by=f"replaced by {verdict.version}")  # fmt: skip

    def _check(self, commit: str, name: str, part: Verdict) -> None:
        key = f"{self._run}/{self._attempt}/{name}"
        checks.put_check(self._github, commit, name, part, config=self._config, run=self._run_url, key=key)

    def _comment(self, slot: SlotVerdict) -> None:
        numbers = pull_requests.sources(self._github, slot.commit or "")
        pull_requests.tell_of(self._github, numbers, slot, self._run_url)

    def _comment_preflight(self, preflight: Preflight) -> None:
        numbers = pull_requests.sources(self._github, preflight.commit) if preflight.commit else ()
        pull_requests.tell_of_preflight(self._github, numbers, preflight, self._run_url)

    def _try(self, part: str, act: Callable[[], object]) -> None:
        """Do it, or note why not; what cannot work is not tried again in this run."""
        if part in self._off:
            return
        try:
            act()
        except NotAllowedError as error:
            self._off.add(part)
            self._note(f"{error.message}. {error.hint or ''} `report: {{{part}: false}}` does without.")
        except (UnreachableError, UsageError) as error:
            self._off.update(PARTS)
            self._note(f"{error.message}; the run goes on, and GitHub's pages do not show it")
        except TagboatError as error:
            self._note(error.message)
        except Exception as error:  # noqa: BLE001 - the model is what counts, not what is said of it
            self._off.add(part)
            self._note(f"could not write {part}: {type(error).__name__}: {error}; this is a defect of Tagboat's")

    def _note(self, text: str) -> None:
        with self._lock:
            self._problems[text] = None
