"""Secret values that somebody wrote into tagboat.yaml, comments included. What was found is never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrypoint.configuration.mistakes import Mistake, Place

LOOKS = {
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a Slack webhook": r"https://hooks\.slack\.com/services/T[A-Za-z0-9]+/",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "a PyPI token": r"\bpypi-[A-Za-z0-9_-]{40,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}",
    "a Docker token": r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    "an Azure account key": r"AccountKey=[A-Za-z0-9+/=]{40,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY",
    "a password in an address": r"[a-z][a-z0-9+.-]{0,20}://(?:\$\{env:\w{1,100}\}|[^/\s:@'\"$]){0,200}:(?!\$\{env:)[^/\s@'\"]{1,200}@",
}
"""How providers' secrets look, by their documented prefixes."""

COMPILED = {name: re.compile(look, re.ASCII) for name, look in LOOKS.items()}
LONGEST_LINE = 10_000


def secrets_in(text: str) -> Iterator[Mistake]:
    """Every place that looks like a secret value."""
    for number, line in enumerate(text.splitlines(), start=1):
        for name, look in COMPILED.items():
            match = look.search(line[:LONGEST_LINE])
            if match is not None:
                yield Mistake(
                    Place(number, match.start() + 1),
                    "",
                    f"this looks like {name}",
                    "Take it out of the file and out of use (the history of the repository keeps it), and name a "
                    "variable of the runner instead: ${env:NAME}.",
                )
