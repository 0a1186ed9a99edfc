"""What uv's messages mean for the person who tagged a model. Texts of uv 0.9 to 0.13."""

from __future__ import annotations

import re

import msgspec

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError

LONGEST = 1500
"""Characters of uv's own words that are passed on."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What uv was asked about. ``source``: where the requirements stand. ``python``: the version they are for."""

    source: str
    python: str


def explain(stderr: str, subject: Subject) -> TagboatError:
    """The error to raise for what uv wrote to standard error."""
    words = _words(stderr)
    for meaning in (_python, _hash, _resolution, _network, _build):
        error = meaning(stderr, words, subject)
        if error is not None:
            return error
    return TagboatError(f"uv failed: {words or 'it said nothing'}", where=subject.source)


def _python(stderr: str, words: str, subject: Subject) -> TagboatError | None:
    missing = (
        "No interpreter found for",
        "python-build-standalone",
        "Failed to inspect Python interpreter",
        "No download found for request",
        "Could not find a Python",
    )
    if not any(sign in stderr for sign in missing):
        return None
    return ConfigurationError(
        f"Python {subject.python}, which the model asks for, is not to be had on this machine: {words}",
        where=subject.source,
        hint=f"Install Python {subject.python} (`uv python install {subject.python}`, or actions/setup-python with a "
        "runner without Docker), or set `python:` for the artifact in tagboat.yaml. Another is never taken instead.",
    )


def _hash(stderr: str, words: str, subject: Subject) -> TagboatError | None:
    if "ash mismatch" not in stderr:
        return None
    return RefusedError(
        f"a package is not the one that was locked: {words}",
        where=subject.source,
        hint="The index now serves other bytes under the same name. Find out why before anything else.",
    )


def _resolution(stderr: str, words: str, subject: Subject) -> TagboatError | None:
    if "No solution found" not in stderr and "unsatisfiable" not in stderr:
        return None
    if unknown := re.search(r"Because ([\w.-]+) was not found in the package registry", words):
        return ConfigurationError(
            f"no index has a package {unknown[1]}",
            where=subject.source,
            hint="Correct the name; or name the index that has it under `indexes:` in tagboat.yaml; or list your own "
            "modules under `code:`.",
        )
    if absent := re.search(r"there is no version of (\S+?)[, ]", words):
        return ConfigurationError(
            f"no index has {absent[1]}",
            where=subject.source,
            hint="Correct the version, or name the index that has it under `indexes:` in tagboat.yaml.",
        )
    if wheelless := re.search(r"(\S+) has no (?:usable )?wheels", words):
        return ConfigurationError(
            f"{wheelless[1]} has no wheel for Python {subject.python} on this platform",
            where=subject.source,
            hint="Ask for a version that has one, or for another `python:`; or set `allow-build: true` under "
            "`policies:` in tagboat.yaml, which runs the package's own build.",
        )
    if "Python" in words and re.search(r"requested Python version|Python ABI", words):
        return ConfigurationError(
            f"the requirements do not go with Python {subject.python}: {words}",
            where=subject.source,
            hint="Set `python:` for the artifact in tagboat.yaml to the version the model was trained with.",
        )
    return ConfigurationError(
        f"the requirements contradict each other, or the server's: {words}",
        where=subject.source,
        hint="docs/environments.md lists what the server itself needs.",
    )


def _network(stderr: str, words: str, subject: Subject) -> TagboatError | None:
    if re.search(r"\b(401|403)\b", stderr) and "http" in stderr:
        return ConfigurationError(
            f"an index refused the credentials: {words}",
            where=subject.source,
            hint="Check the variables that `indexes:` in tagboat.yaml names.",
        )
    if re.search(r"Request failed|error sending request|Failed to (fetch|download)|timed out|\b50[0234]\b", stderr):
        return UnreachableError(
            f"a package index did not answer: {words}", where=subject.source, hint="Trying again is safe."
        )
    return None


def _build(stderr: str, words: str, subject: Subject) -> TagboatError | None:
    if "Failed to build" not in stderr and "build backend" not in stderr:
        return None
    return ConfigurationError(
        f"a package could not be built: {words}",
        where=subject.source,
        hint="Builds see no credentials and none of the runner's variables. Ask for a version that has a wheel.",
    )


def _words(stderr: str) -> str:
    """uv's message as one line: no labels, no drawing, nothing that a terminal or a runner would act on."""
    lines = []
    for line in stderr.splitlines():
        if re.match(r"\s*(warning|hint):|\s*Using |\s*Resolved ", line):
            continue
        lines.append(re.sub(r"^\s*(error:|cause:|×|╰─▶|├─▶|│)\s*", "", line).strip())
    text = " ".join(" ".join(lines).split())
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST]
