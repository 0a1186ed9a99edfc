"""Media types: what a body is said to be, and what an answer may be (RFC 9110, sections 8.3 and 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tagboat_server.errors import Rejection

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/x-parquet"

KNOWN: Mapping[str, str] = {
    JSON: JSON,
    "text/json": JSON,
    JSON_LINES: JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
    CSV: CSV,
    NPY: NPY,
    ARROW: ARROW,
    PARQUET: PARQUET,
    "application/vnd.apache.parquet": PARQUET,
}
"""Every name of a type that is read and written, and the one that it is known by here."""

KINDS = tuple(dict.fromkeys(KNOWN.values()))
"""The types that are read and written."""

BY_ARROW = {ARROW, PARQUET}
"""The types that need pyarrow."""

UTF_8 = {"utf-8", "utf8", "us-ascii"}

LONGEST = 1024
"""Characters of a header that are looked at; SageMaker passes no more."""


class MediaType(NamedTuple):
    """A type as it was named, the type that is meant, and its parameters in lower case."""

    name: str
    kind: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str, default: str) -> str:
        """The value of a parameter."""
        return dict(self.parameters).get(name, default)


class Wish(NamedTuple):
    """One range of an Accept header; ``quality`` from 0 to 1."""

    media: MediaType
    quality: float


def parse(text: str) -> MediaType:
    """A media type or a range of them."""
    name, *parts = text.split(";")
    name = name.strip().lower()
    pairs = (part.partition("=") for part in parts)
    parameters = tuple((key.strip().lower(), value.strip().strip('"').lower()) for key, _, value in pairs)
    kind = JSON if name.endswith("+json") and name.startswith("application/") else KNOWN.get(name, name)
    return MediaType(name, kind, parameters)


def content_type(header: bytes) -> MediaType:
    """What a body is; JSON where nothing is said. Raises `Rejection` 415 for what is not read."""
    media = parse(header.decode("latin-1")[:LONGEST]) if header.strip() else parse(JSON)
    if media.kind not in KINDS:
        known = ", ".join(KINDS)
        raise Rejection(415, f"the body is {media.name[:100]}, which is not read here", hint=f"Known are {known}.")
    charset = media.parameter("charset", "utf-8")
    if charset not in UTF_8:
        raise Rejection(415, "the body must be UTF-8", hint="Leave charset away, or set it to utf-8.")
    return media


def has_header(media: MediaType) -> bool:
    """Whether a CSV begins with its columns' names. Raises `Rejection` 415 for another word."""
    word = media.parameter("header", "absent")
    if word not in {"present", "absent"}:
        raise Rejection(415, f"header={word[:40]} is neither present nor absent", hint="text/csv; header=present")
    return word == "present"


def wishes(header: str) -> list[Wish]:
    """The ranges of an Accept header, as they stand; what is no range is left out."""
    found = []
    for part in header[:LONGEST].split(","):
        media = parse(part)
        try:
            quality = float(media.parameter("q", "1"))
        except ValueError:
            continue
        if "/" in media.name and 0 <= quality <= 1:
            found.append(Wish(media, quality))
    return found


def choose(header: str, default: str) -> MediaType:
    """The type to answer in: the sender's dearest that is written here, ``default`` among equals.

    Raises `Rejection` 406 where there is none.
    """
    asked = wishes(header)
    if not asked:
        return parse(default)
    dearest = max(candidates(asked, default), key=lambda media: quality_of(media, asked))
    if not quality_of(dearest, asked):
        known = ", ".join(KINDS)
        raise Rejection(406, "none of the types in Accept is written here", hint=f"Known are {known}.")
    return dearest


def candidates(asked: Sequence[Wish], default: str) -> list[MediaType]:
    """What may be answered: the default, what is asked for by name, and all else, in this order."""
    named = [wish.media for wish in asked if wish.media.kind in KINDS]
    plain = [parse(name) for name in KINDS]
    first = parse(default)
    # Asked for by name, the default has the parameters that were asked for with it.
    return [media for media in named if media.kind == first.kind] + [first, *named, *plain]


def quality_of(candidate: MediaType, asked: Sequence[Wish]) -> float:
    """How dear a type is: what the most exact range says that it falls into; 0 where none."""
    exact = [wish.quality for wish in asked if wish.media.name == candidate.name]
    if exact:
        return max(exact)
    group = candidate.name.partition("/")[0] + "/*"
    for wide in (group, "*/*"):
        found = [wish.quality for wish in asked if wish.media.name == wide]
        if found:
            return max(found)
    return 0.0
