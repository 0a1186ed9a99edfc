"""Registry tags through GitHub's API: an annotated tag's object first, then the reference that makes it one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from entrypoint.github.client import GitHub
from entrypoint.github.failures import GitHubError, NothingThereError
from entrypoint.registry.remote import TagTakenError
from entrypoint.registry.repository import Identity

UNPROCESSABLE = 422


@dataclass(frozen=True)
class ApiTags:
    """`entrypoint.registry.inscription.TagWriter` by the API. Tags that are made so are not signed."""

    github: GitHub

    def create(self, name: str, commit: str, message: str, *, time: int, tagger: Identity) -> str:
        """Make the tag, dated ``time`` (Unix seconds); its object's id. Raises `TagTakenError` where the name is taken,
        and what `GitHub.asking` raises."""
        from github import InputGitAuthor

        when = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        author = InputGitAuthor(tagger.name, tagger.email, when)
        # Equal tags are one object, so that making it again after a lost answer makes nothing new.
        made = self.github.write_once(
            f"make the tag {name}",
            find=lambda: None,
            create=lambda: self.github.repository.create_git_tag(name, message, commit, "commit", author).sha,
        )
        try:
            self.github.write_once(
                f"make the reference of the tag {name}",
                find=lambda: made if self._object_id(name) == made else None,
                create=lambda: self.github.repository.create_git_ref(f"refs/tags/{name}", made).object.sha,
            )
        except GitHubError as error:
            if error.status != UNPROCESSABLE:
                raise
            there = self._object_id(name)
            if there is None:
                raise
            if there != made:
                raise TagTakenError("the remote has another tag of this name", where=name) from error
        return made

    def delete(self, name: str, object_id: str) -> None:
        """Take a tag of ours back, unless another one has its name now."""
        if self._object_id(name) == object_id:
            path = f"/repos/{self.github.name}/git/refs/tags/{quote(name)}"
            with self.github.asking(f"take back the tag {name}") as repository:
                repository.requester.requestJsonAndCheck("DELETE", path)

    def _object_id(self, name: str) -> str | None:
        try:
            with self.github.asking(f"look for the tag {name}") as repository:
                return str(repository.get_git_ref(f"tags/{name}").object.sha)
        except NothingThereError:
            return None
