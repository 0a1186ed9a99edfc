"""Comments of ours on pull requests: one for each purpose, changed in place, never piled up.

A comment is ours where it begins with the marker *and* was written with our own token: the marker alone can be quoted
by anybody.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from entrypoint.errors import TagboatError
from entrypoint.github.client import Author, GitHub
from entrypoint.github.failures import NothingThereError

if TYPE_CHECKING:
    from github.IssueComment import IssueComment

LIMIT: Final = 65_536
"""Characters of a comment, as GitHub counts them, its marker included."""

ROOM: Final = LIMIT - 512
"""What is left for a body in any case."""


def put(github: GitHub, number: int, marker: str, body: str) -> str:
    """Have exactly one comment of this purpose on an issue or pull request, and return its address.

    ``marker`` is any text that tells this purpose from others. Raises what `GitHub.asking` raises, and `TagboatError`
    for a body that GitHub would not take.
    """
    text = _text(marker, body)
    with github.asking(f"read the comments of #{number}"):
        ours = _ours(github, number, marker)
    if not ours:
        made = github.write_once(
            f"comment on #{number}",
            find=lambda: next(iter(_ours(github, number, marker)), None),
            create=lambda: github.repository.get_issue(number).create_comment(text),
        )
        return made.html_url
    return _kept(github, number, ours, text)


def replace(github: GitHub, number: int, marker: str, body: str) -> str | None:
    """As `put`, but only where there is such a comment already; None where there is none."""
    text = _text(marker, body)
    with github.asking(f"read the comments of #{number}"):
        ours = _ours(github, number, marker)
    return _kept(github, number, ours, text) if ours else None


def first_line(marker: str) -> str:
    """The line that a comment of this purpose begins with; nobody sees it."""
    return f"<!-- tagboat:{quote(marker, safe='').replace('-', '%2D')} -->"


def _kept(github: GitHub, number: int, ours: list[IssueComment], text: str) -> str:
    """The oldest one says it, the others go."""
    kept, *surplus = ours
    with github.asking(f"change our comment on #{number}"):
        if kept.body != text:
            kept.edit(text)
    for each in surplus:
        with contextlib.suppress(NothingThereError), github.asking(f"remove a comment of ours from #{number}"):
            each.delete()
    return kept.html_url


def _ours(github: GitHub, number: int, marker: str) -> list[IssueComment]:
    """Those of this purpose, the oldest first. Only marked ones are worth asking who we are."""
    line = first_line(marker)
    marked = [
        each
        for each in github.repository.get_issue(number).get_comments()
        if (each.body or "").split("\n")[0].rstrip() == line
    ]
    return [each for each in marked if each.user and Author.of(each.user.login, each.user.type) == github.author]


def _text(marker: str, body: str) -> str:
    text = f"{first_line(marker)}\n{body}"
    length = len(text.encode("utf-16-le")) // 2
    if length > LIMIT:
        raise TagboatError(f"a comment of {length:,} characters is longer than the {LIMIT:,} that GitHub takes")
    return text
