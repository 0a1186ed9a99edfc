"""The repository's remote: how it is reached, with whose credentials, and what it says to a push."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entrypoint.errors import RefusedError, TagboatError, UnreachableError, UsageError
from entrypoint.registry.git import REMOTE_TIMEOUT, Git, Outcome, credentials
from entrypoint.registry.tags import shown

GITHUB = "https://github.com"


class TagTakenError(UnreachableError):
    """There is another tag of this name already; reading again and trying again is safe."""


class PushRefusedError(RefusedError):
    """The remote does not let us write this tag."""


@dataclass(frozen=True)
class Remote:
    """One remote of a clone. ``token``: of the GitHub server that GITHUB_SERVER_URL names; it goes to no other."""

    git: Git
    name: str
    environment: Mapping[str, str] = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str | None:
        """Where it is, as Git would go there; may hold credentials, so never for showing."""
        outcome = self.git.run("remote", "get-url", self.name, check=False)
        return outcome.text or None if outcome.code == 0 else None

    def fetch(self, refspec: str, *options: str) -> None:
        """Bring refs here, and nothing else: no tags along the way, no FETCH_HEAD, no branch of the user's moved."""
        outcome = self._run(
            "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--refmap=",
            "--upload-pack=git-upload-pack", *options, self.name, refspec,
        )  # fmt: skip
        if outcome.code != 0:
            raise self._unreachable("fetch", outcome)

    def object_id(self, ref: str) -> str | None:
        """What one ref of the remote points to, or None where it has no such ref."""
        outcome = self._run("ls-remote", "--refs", self.name, ref)
        if outcome.code != 0:
            raise self._unreachable("ls-remote", outcome)
        return outcome.text.split()[0] if outcome.text else None

    def push(self, ref: str, object_id: str) -> bool:
        """Put one new ref there; false where the remote has this very one already.

        Raises `TagTakenError` where it has another one of that name, `PushRefusedError` where it wants none.
        """
        outcome = self._run("push", "--porcelain", "--receive-pack=git-receive-pack", self.name, f"{object_id}:{ref}")
        lines = outcome.text.splitlines()
        if outcome.code == 0:
            return not any(line.startswith("=") for line in lines)
        reason = next((line for line in lines if line.startswith("!")), "").split("\t")[-1]
        if not reason:
            raise self._unreachable("push", outcome)
        there = self.object_id(ref)
        if there == object_id:
            return True  # it arrived, though we were told otherwise
        if there is not None:
            raise TagTakenError("the remote has another tag of this name", where=ref.removeprefix("refs/tags/"))
        raise PushRefusedError(
            f"the remote refused the tag: {reason}",
            where=ref.removeprefix("refs/tags/"),
            hint="Look at the rules for tags there, and at what the token may write (contents: write).",
        )

    def _run(self, *arguments: str) -> Outcome:
        from urllib.parse import urlsplit

        url = self.url
        if url is None:
            raise UsageError(
                f"there is no remote '{shown(self.name)}'",
                where=str(self.git.root),
                hint=f"git remote add {shown(self.name)} URL",
            )
        there, server = urlsplit(url), urlsplit(self.environment.get("GITHUB_SERVER_URL") or GITHUB)
        configuration: tuple[tuple[str, str], ...] = ()
        if self.token and (there.scheme, there.hostname, there.port) == (server.scheme, server.hostname, server.port):
            configuration = credentials(self.token, f"{there.scheme}://{there.netloc.rpartition('@')[2]}")
        return self.git.run(*arguments, check=False, timeout=REMOTE_TIMEOUT, configuration=configuration)

    def _unreachable(self, command: str, outcome: Outcome) -> TagboatError:
        lines = [line for line in outcome.errors.splitlines() if line.startswith(("fatal:", "error:"))]
        reason = "; ".join(lines) or outcome.errors or f"exit code {outcome.code}"
        return UnreachableError(
            f"git {command} did not reach the remote: {reason}",
            where=self.name,
            hint="Check the network and the credentials; in a workflow give the input `token`.",
        )
