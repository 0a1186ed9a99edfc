"""Requirement lines of a repository: read as data, one by one, nothing followed.

What pip would act on when it reads such a file (other files, indexes, editable installs, local paths, version control)
is refused by name: an index in a tag's file would decide where code comes from, which is tagboat.yaml's right alone.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec

from deployers.errors import ConfigurationError, RefusedError

MAXIMUM_BYTES = 1_000_000
MAXIMUM_LINES = 2_000
HASH = re.compile(r"\s--hash[= ](\S+)")
SHA256 = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
ALREADY_SO = ("--only-binary=:all:", "--only-binary :all:", "--prefer-binary", "--require-hashes")
"""Options that ask for what is done anyway."""

OPTIONS = {
    "-r": "Put all requirements into one file.",
    "--requirement": "Put all requirements into one file.",
    "-c": "Write the constraint into the requirement itself.",
    "--constraint": "Write the constraint into the requirement itself.",
    "-e": "List your own modules under `code:` in tagboat.yaml, or publish them as a package.",
    "--editable": "List your own modules under `code:` in tagboat.yaml, or publish them as a package.",
    "-i": "Name the index under `indexes:` in tagboat.yaml.",
    "--index-url": "Name the index under `indexes:` in tagboat.yaml.",
    "--extra-index-url": "Name the index under `indexes:` in tagboat.yaml.",
    "-f": "Name an index under `indexes:` in tagboat.yaml.",
    "--find-links": "Name an index under `indexes:` in tagboat.yaml.",
    "--no-index": "Name an index with `default: true` under `indexes:` in tagboat.yaml.",
    "--trusted-host": "Give the index a certificate that the runner trusts.",
    "--no-binary": "Set `allow-build: true` under `policies:` in tagboat.yaml where a package has no wheel.",
    "--pre": "Ask for the pre-release by its version, such as package==2.0rc1.",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement. ``hashes``: those its author allows, or none. ``address``: it names a URL to download from."""

    text: str
    where: str
    hashes: tuple[str, ...] = ()
    address: str | None = None

    @property
    def name(self) -> str:
        """The distribution's name, normalised."""
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        return canonicalize_name(Requirement(self.text).name)


def from_text(path: str, content: bytes) -> tuple[Line, ...]:
    """The lines of a requirements.txt. Raises `ConfigurationError` or `RefusedError`, naming the line."""
    lines = []
    for number, text in _logical_lines(_decoded(path, content)):
        where = f"{path}:{number}"
        if text.startswith("-"):
            _refuse_option(text, where)
        else:
            lines.append(parse(text, where))
    if not lines:
        raise ConfigurationError("this file names no package", where=path)
    return tuple(lines)


def from_pyproject(path: str, content: bytes) -> tuple[Line, ...]:
    """`[project].dependencies` of a pyproject.toml."""
    project = _project(path, content)
    if "dependencies" in project.get("dynamic", []):
        raise ConfigurationError(
            "its dependencies are dynamic: only its build system knows them",
            where=path,
            hint="List them under [project] dependencies, in a requirements.txt, or in tagboat.yaml.",
        )
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or not dependencies:
        raise ConfigurationError("[project] has no dependencies", where=path)
    where = f"{path}: project.dependencies"
    return tuple(parse(str(text), where) for text in dependencies[:MAXIMUM_LINES])


def has_project(path: str, content: bytes) -> bool:
    """Whether a pyproject.toml describes a project; many hold nothing but a linter's settings."""
    return bool(_project(path, content))


def requires_python(path: str, content: bytes) -> str | None:
    """`[project].requires-python` of a pyproject.toml."""
    value = _project(path, content).get("requires-python")
    return value if isinstance(value, str) else None


def parse(text: str, where: str) -> Line:
    """One requirement as PEP 508 has it, with pip's ``--hash`` options behind it."""
    from packaging.requirements import InvalidRequirement, Requirement

    hashes = tuple(HASH.findall(f" {text}"))
    for value in hashes:
        if not SHA256.fullmatch(value):
            raise ConfigurationError(f"the hash {value[:100]!r} is not sha256:<64 digits>", where=where)
    bare = HASH.sub("", f" {text}").strip()
    if re.match(r"(git|hg|svn|bzr)\+", bare) or re.match(r"\S+\s*@\s*(git|hg|svn|bzr)\+", bare):
        raise RefusedError(
            f"{bare[:200]}: what version control holds can't be locked by its hash",
            where=where,
            hint="Publish a wheel of it to an index, and name that under `indexes:` in tagboat.yaml.",
        )
    if re.match(r"([./~]|[A-Za-z]:\\|file:|https?:)", bare):
        raise RefusedError(
            f"{bare[:200]}: a requirement without a name, by path or address",
            where=where,
            hint="Name packages; list your own modules under `code:` in tagboat.yaml.",
        )
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise ConfigurationError(f"{bare[:200]!r} is no requirement: {_first_line(error)}", where=where) from error
    if requirement.url is not None:
        _check_address(requirement.url, where)
    return Line(text=str(requirement), where=where, hashes=hashes, address=requirement.url)


def _check_address(url: str, where: str) -> None:
    authority = url.partition("://")[2].partition("/")[0]
    if not url.startswith("https://") or "@" in authority:
        raise RefusedError(
            f"the address {url.rpartition('@')[2][:200]!r} is not https, or carries credentials",
            where=where,
            hint="Publish a wheel to an index, and name that under `indexes:` in tagboat.yaml.",
        )


def _refuse_option(text: str, where: str) -> None:
    if text.strip() in ALREADY_SO:
        return
    option = re.split(r"[\s=]", text, maxsplit=1)[0]
    short = option[:2] if not option.startswith("--") else option
    raise RefusedError(
        f"{option[:50]} is not followed from a repository's requirements",
        where=where,
        hint=OPTIONS.get(option) or OPTIONS.get(short) or "Leave the option out.",
    )


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number of the first line, text) with comments gone and continuations joined, as pip reads them."""
    found: list[tuple[int, str]] = []
    physical = text.split("\n")
    if len(physical) > 50 * MAXIMUM_LINES:
        raise RefusedError("too many lines for requirements")
    start, parts = 1, list[str]()
    for number, line in enumerate(physical, 1):
        clean = re.sub(r"(^|\s)#.*$", "", line.rstrip("\r"))
        if not parts:
            start = number
        if clean.endswith("\\"):
            parts.append(clean[:-1])
            continue
        whole = " ".join([*parts, clean]).strip()
        parts = []
        if whole:
            found.append((start, whole))
    if parts and (whole := " ".join(parts).strip()):
        found.append((start, whole))
    if len(found) > MAXIMUM_LINES:
        raise RefusedError(f"more than {MAXIMUM_LINES} requirements")
    return found


def _decoded(path: str, content: bytes) -> str:
    if len(content) > MAXIMUM_BYTES:
        raise RefusedError(f"larger than {MAXIMUM_BYTES} bytes", where=path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8 text", where=path) from error


def _project(path: str, content: bytes) -> dict[str, Any]:
    try:
        document = tomllib.loads(_decoded(path, content))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"not TOML: {_first_line(error)}", where=path) from error
    project = document.get("project", {})
    return project if isinstance(project, dict) else {}


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200]
