"""The way to GitHub's API: PyGithub, set up once, so that everything else asks for things and not for requests.

The address comes from the runner (``GITHUB_API_URL``), so that an Enterprise server is nothing special. Limits are
waited for, reads are tried again, and a write whose answer was lost is looked for before it is made again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from entrypoint.errors import UsageError
from entrypoint.github.failures import translated, uncertain

if TYPE_CHECKING:
    from github.Repository import Repository

API: Final = "https://api.github.com"

Thing = TypeVar("Thing")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast GitHub is asked, in seconds.

    ``between_writes``: GitHub takes 80 a minute. ``pauses``: before a lost write is looked for and made again.
    ``backoff``: the first pause before a read is tried again, doubled each time, ``tries`` times. ``secondary``: where
    a secondary limit tells no time. ``longest``: a limit that ends later is an error. ``timeout``: of one answer.
    """

    between_writes: float = 0.75
    pauses: tuple[float, ...] = (1.0, 4.0, 10.0)
    backoff: float = 1.0
    tries: int = 3
    secondary: float = 60.0
    longest: float = 120.0
    timeout: int = 15
    sleep: Callable[[float], None] = time.sleep


class Author(NamedTuple):
    """Who writes with a token. A bot's name is without ``[bot]``."""

    name: str
    bot: bool

    @classmethod
    def of(cls, login: str, kind: str = "User") -> Author:
        """The author that GitHub names by login and type."""
        return cls(login.removesuffix("[bot]"), kind == "Bot" or login.endswith("[bot]"))


class GitHub:
    """One repository on GitHub. Several threads may use it, one question at a time; ``close`` it in the end."""

    def __init__(self, repository: Repository, name: str, pace: Pace, close: Callable[[], None]) -> None:
        self.close = close
        self.repository = repository
        self.name = name
        self.pace = pace
        self._lock = threading.RLock()

    @contextmanager
    def asking(self, what: str) -> Iterator[Repository]:
        """Ask for something, by PyGithub; its errors become ours. ``what`` completes the sentence "could not …".

        Raises `UnreachableError`, `NotAllowedError`, `NothingThereError`, `GitHubError`, and `UsageError` for a token
        that is not accepted.
        """
        with self._lock:
            try:
                yield self.repository
            except Exception as error:
                known = translated(what, error)
                if known is None:
                    raise
                raise known from error

    def write_once(self, what: str, *, find: Callable[[], Thing | None], create: Callable[[], Thing]) -> Thing:
        """Make something that must not be there twice.

        Where the answer is lost (a 5xx, a broken connection) it may be there all the same: ``find`` looks for it before
        ``create`` is tried again.
        """
        with self.asking(what):
            for pause in self.pace.pauses:
                try:
                    return create()
                except Exception as error:
                    if not uncertain(error):
                        raise
                self.pace.sleep(pause)
                found = find()
                if found is not None:
                    return found
            return create()

    @cached_property
    def author(self) -> Author:
        """Whose token it is.

        A person's says so itself. A workflow's own token and an app's are nobody that REST knows; GraphQL tells them.
        """
        from entrypoint.errors import TagboatError

        try:
            with self.asking("ask who we are") as repository:
                _, user = repository.requester.requestJsonAndCheck("GET", "/user")
                return Author.of(str(user["login"]), str(user.get("type", "User")))
        except TagboatError:
            pass
        with self.asking("ask who we are") as repository:
            _, answer = repository.requester.graphql_query("query { viewer { login } }", {})
            return Author(str(answer["data"]["viewer"]["login"]).removesuffix("[bot]"), bot=True)


def connect(environment: Mapping[str, str], token: str, pace: Pace | None = None) -> GitHub:
    """The repository that the runner names, asked with ``token``; contacts nothing yet.

    Raises `UsageError` where ``GITHUB_REPOSITORY`` or ``GITHUB_API_URL`` is missing or is none.
    """
    name = environment.get("GITHUB_REPOSITORY", "")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        raise UsageError(
            "there is no repository", where="GITHUB_REPOSITORY", hint="GitHub's runner sets it: OWNER/NAME."
        )
    url = environment.get("GITHUB_API_URL") or API
    if not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w./-]*)?", url, re.ASCII):
        raise UsageError("this is no web address", where="GITHUB_API_URL", hint=f"GitHub's runner sets it, as {API}.")
    import github
    from github.Repository import Repository

    from entrypoint.github.retrying import Retrying

    # PyGithub tells of each refused request, to stderr where nobody listens; what matters becomes an error of ours.
    logging.getLogger("github").addHandler(logging.NullHandler())
    pace = pace or Pace()
    retry = Retrying(total=pace.tries, backoff_factor=pace.backoff, secondary_rate_wait=pace.secondary,
                     longest=pace.longest)  # fmt: skip
    api = github.Github(auth=github.Auth.Token(token), base_url=url.rstrip("/"), retry=retry, per_page=100,
                        timeout=pace.timeout, user_agent="tagboat", seconds_between_requests=None,
                        seconds_between_writes=pace.between_writes)  # fmt: skip
    # Not `get_repo`, which asks at once; nor a lazy one, whose things would say only later that they are not there.
    repository = Repository(api.requester, attributes={"full_name": name}, completed=False, url=f"/repos/{name}")
    return GitHub(repository, name, pace, api.close)
