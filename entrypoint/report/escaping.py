"""Making text from the repository harmless for the place where it is shown.

Three ways out: `plain` for a terminal or a log, `text` and `code` for GitHub's Markdown, `block` for many lines of it.
What GitHub does with Markdown beyond CommonMark works on the finished text, so that an entity alone does not stop it.
Mentions, issue links and formulas leave ``<code>`` alone, but cmark-gfm makes links of bare addresses there, too
(``churn@v1.4.0-rc`` would be an e-mail's). So names go into ``<code>`` with a ``<wbr>``, which copies as nothing, where
a link would begin, and running text gets a zero-width space.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_LIMIT = 2_000
"""Characters of one piece of running text."""

CODE_LIMIT = 300
"""Characters of one name."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that show nothing, or rearrange what is shown."""

_ZERO_WIDTH_SPACE = "\u200b"
_BREAK = "\ue000"  # private use: `plain` lets none through
_PUNCTUATION = re.compile(r"(?<!\w)[-+]|[-+](?!\w)|(?<=\d)\.(?=\s|$)|[^\w\s,;/%'.+\u0080-\U0010ffff-]|_", re.ASCII)
"""What Markdown may take for structure, where it may."""

_BARE_LINKS = re.compile(
    r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?<=[@#])(?=\w)|(?<=\bmailto)(?=:)|(?<=\bxmpp)(?=:)|(?<=\bgh)(?=-\d)"
)


class Markdown(str):
    """Markdown that is safe to put into a page as it stands."""

    __slots__ = ()


def plain(text: object, *, lines: bool = False) -> str:
    """Text for a terminal or a log: what could move the cursor or turn the text around is spelled out.

    With ``lines`` line breaks and tabs stay.
    """
    spelled = "".join(_spelled(character, lines=lines) for character in str(text).replace("\r\n", "\n"))
    return spelled.replace("##[", "##\\[")


def shortened(text: str, limit: int) -> str:
    """The beginning of a text that is longer than ``limit`` characters, saying how much is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def text(value: object, limit: int = TEXT_LIMIT) -> Markdown:
    """Running text: no structure, no mention, no link, one line, also inside a table."""
    line = " ".join(plain(shortened(str(value), limit), lines=True).split())
    return Markdown(_PUNCTUATION.sub(_entity, _BARE_LINKS.sub(_ZERO_WIDTH_SPACE, line)))


def code(value: object, limit: int = CODE_LIMIT) -> Markdown:
    """A name, as it is and fit to be copied; also inside a table."""
    broken = _BARE_LINKS.sub(_BREAK, plain(shortened(str(value), limit)))
    return Markdown(f"<code>{_PUNCTUATION.sub(_entity, broken).replace(_BREAK, '<wbr>')}</code>")


def block(value: object, language: str = "", limit: int = 20_000) -> Markdown:
    """Many lines, literally; cut at the last whole line within ``limit`` characters."""
    lines = plain(value, lines=True).rstrip("\n").split("\n")
    kept: list[str] = []
    room = limit
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            kept.append(f"… {len(lines) - len(kept):,} more lines")
            break
        kept.append(line)
    longest = max((len(run) for line in kept for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown("\n".join([f"{fence}{language}", *kept, fence]))


def link(url: str | None, label: str | None = None) -> Markdown:
    """A link where ``url`` is a plain web address, else the address as a name."""
    if not url:
        return Markdown("")
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~:/?#@!&+,;=%-]*)?", url) or len(url) > CODE_LIMIT:
        return code(url)
    return Markdown(f'<a href="{url.replace("&", "&amp;")}">{text(label) if label else code(url)}</a>')


def _spelled(character: str, *, lines: bool) -> str:
    if lines and character in "\n\t":
        return character
    if unicodedata.category(character) not in _UNSEEN:
        return character
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 126 else f"\\x{ord(character):02x}"
    )


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
