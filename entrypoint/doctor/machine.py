"""The programs and libraries that a run needs here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from importlib import metadata

from entrypoint.doctor.findings import Finding, Severity, Unchecked
from entrypoint.doctor.patient import Patient

OLDEST_GIT = (2, 35, 2)
"""The first with safe.directory; SSH signatures came with 2.34."""

EXTRAS = {"gs": ("dvc-gs", "gcs"), "azure": ("dvc-azure", "azure"), "ssh": ("dvc-ssh", "ssh")}
"""Scheme of a remote's address → the distribution that DVC needs for it, and our extra that brings it."""


def check(patient: Patient) -> Iterator[Finding | Unchecked]:
    """Git, uv, and the DVC plugins that the remotes need."""
    text = patient.repository.git.run("version").text
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        yield Unchecked(check="machine", reason=f"git calls itself {text[:60]!r}")
    elif tuple(int(part or 0) for part in match.groups()) < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        message = f"git {match[0]} is older than {oldest}, the first with safe.directory"
        yield _finding(Severity.WARNING, "git", message, f"Install git {oldest} or later.")
    if not _has_uv():
        message = "uv is not there, so no model environment can be made"
        yield _finding(Severity.ERROR, "uv", message, "Install tagboat anew; uv comes with it.")
    for scheme in sorted(_schemes(patient)):
        if scheme in EXTRAS and not _installed(EXTRAS[scheme][0]):
            distribution, extra = EXTRAS[scheme]
            message = f"a DVC remote is {scheme}://, and {distribution} is not installed"
            yield _finding(Severity.ERROR, "dvc", message, f"pip install 'tagboat[{extra}]'")


def _has_uv() -> bool:
    try:
        from uv import find_uv_bin

        find_uv_bin()
    except (ImportError, FileNotFoundError):
        return False
    return True


def _schemes(patient: Patient) -> set[str]:
    """The schemes of all remotes, of .dvc/config at HEAD and of tagboat.yaml."""
    addresses = [remote.url or "" for remote in patient.configuration.dvc.remotes.values()]
    content = patient.repository.read(patient.head, ".dvc/config") if patient.head else None
    parser = ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(ConfigParserError):
        parser.read_string((content or b"").decode("utf-8", "replace"))
    addresses += [parser.get(section, "url", fallback="") for section in parser.sections()]
    return {address.partition("://")[0] for address in addresses if "://" in address}


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _finding(severity: Severity, where: str, message: str, mend: str) -> Finding:
    return Finding(severity=severity, check="machine", where=where, message=message, mend=mend)
