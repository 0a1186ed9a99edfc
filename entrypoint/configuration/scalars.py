"""What a text of the file means, by the type that its key has (C7: nothing is retyped behind one's back).

- A key of type text takes the text as it is written: `python: 3.10` is "3.10", a stage may be called `on`.
- A truth value is `true` or `false`; a number is what JSON calls a number.
- Where the type is open (the input of a smoke request), JSON's own words count, as in YAML 1.2: `null`, `true`, `false`
  and JSON numbers are themselves, all else is text. What YAML 1.2 reads as a number and JSON does not (`0777`, `0x1F`,
  `.5`, `.nan`) is refused, because two readers would differ.
- ``${env:NAME}`` stands in connection settings only (C15).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployers.settings import VARIABLE
from entrypoint.configuration.documents import Scalar
from entrypoint.configuration.mistakes import quoted


class MeaningError(ValueError):
    """The text does not mean what is needed here. Arguments: the message and the hint or None."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
AMBIGUOUS = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|True|TRUE|False|FALSE|Null|NULL"
)
"""What YAML 1.2's core schema takes for a number, a truth value or nothing (yaml.org, 10.3.2)."""
NOTHING = {"", "~", "null"}
LONGEST_NUMBER = 40

BYTES = {"": 1, "B": 1}
BYTES |= {prefix + "B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T"), start=1)}
BYTES |= {prefix + "iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T"), start=1)}
SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MEASURE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)", re.ASCII)


def is_nothing(scalar: Scalar) -> bool:
    """Whether this says that there is no value: empty, `~` or `null`."""
    return scalar.plain and scalar.text in NOTHING


def as_text(scalar: Scalar, extra: Mapping[str, Any]) -> str:
    """The text as written; ``extra`` says whether it may name variables."""
    if is_nothing(scalar):
        raise MeaningError(
            "there is nothing here", 'Write a value, leave the key out, or put "" or "null" in quotes to mean the text.'
        )
    check_variables(scalar.text, extra)
    return scalar.text


def check_variables(text: str, extra: Mapping[str, Any]) -> None:
    """Refuse ``${env:NAME}`` where it will not be expanded, and what only looks like it where it would be."""
    if extra.get("secret") and not VARIABLE.fullmatch(text):
        raise MeaningError("a secret stands in the file", "Name a variable of the runner instead: ${env:NAME}.")
    if extra.get("connection"):
        if "${" in VARIABLE.sub("", text):
            raise MeaningError("this names no variable", "Write ${env:NAME}; NAME has letters, digits and _.")
    elif "${env:" in text:
        raise MeaningError(
            "${env:NAME} is not read here, only in connection settings",
            "What a model needs when it runs is referenced where its target keeps it.",
        )


def as_truth(scalar: Scalar) -> bool:
    """`true` or `false`, and no other word for it."""
    if scalar.plain and scalar.text in {"true", "false"}:
        return scalar.text == "true"
    word = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    meant = word.get(scalar.text.lower(), scalar.text.lower())
    hint = f"Write {meant}, without quotes." if meant in {"true", "false"} else None
    raise MeaningError(f"true or false is needed here, not {quoted(scalar.text)}", hint)


def as_number(scalar: Scalar, *, whole: bool) -> int | float:
    """A JSON number."""
    match = JSON_NUMBER.fullmatch(scalar.text) if scalar.plain and len(scalar.text) <= LONGEST_NUMBER else None
    if match is None or (whole and (match[1] or match[2])):
        kind = "a whole number" if whole else "a number"
        raise MeaningError(f"{kind} is needed here, not {quoted(scalar.text)}")
    return int(scalar.text) if whole else _finite(scalar.text)


def as_measure(scalar: Scalar, unit: str) -> int | float:
    """A size in bytes or a duration in seconds; a number without a unit counts those."""
    factors, example = (BYTES, "16MB or 16MiB") if unit == "bytes" else (SECONDS, "500ms, 30s, 5m or 2h")
    match = MEASURE.fullmatch(scalar.text)
    if match is None or match[2] not in factors:
        raise MeaningError(f"a {'size' if unit == 'bytes' else 'duration'} is needed here, such as {example}")
    amount = float(match[1]) * factors[match[2]]
    return int(match[1]) if unit == "bytes" and not match[2] and match[1].isdigit() else (
        round(amount) if unit == "bytes" else amount
    )  # fmt: skip


def as_json(scalar: Scalar) -> Any:
    """What the text is where any JSON value may stand."""
    if not scalar.plain:
        check_variables(scalar.text, {})
        return scalar.text
    text = scalar.text
    if text in NOTHING:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if len(text) <= LONGEST_NUMBER and (match := JSON_NUMBER.fullmatch(text)):
        return _finite(text) if match[1] or match[2] else int(text)
    if AMBIGUOUS.fullmatch(text):
        raise MeaningError(
            f"{quoted(text)} is a number or a word of YAML, and none of JSON",
            "Put it in quotes to mean the text, or write it as JSON does.",
        )
    check_variables(text, {})
    return text


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise MeaningError(f"{quoted(text)} is too large a number")
    return number
