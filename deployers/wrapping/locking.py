"""Resolve requirements into a lock with hashes, once: the same inputs give the same lock from then on.

Only the resolver's process sees the credentials of an index. Wheels only, unless the policy allows builds; those run
code of the packages, so then nothing that carries or leads to a credential is handed to uv at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.settings import VARIABLE, expand
from deployers.wrapping import uv
from deployers.wrapping.requirement_lines import Line
from deployers.wrapping.uv_errors import Subject

RULES = 1
"""Part of every lock's key: raise it when locks of old must not be used again."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """A package index. ``url`` may hold ``${env:NAME}``; ``default``: it stands in PyPI's place."""

    url: str
    default: bool = False


class LockInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a lock is made from. ``server``: the server's own requirements. No secret is in it: it is hashed."""

    lines: tuple[Line, ...]
    server: tuple[str, ...]
    python: str
    source: str
    indexes: tuple[Index, ...] = ()
    allow_build: bool = False


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """``text``: a requirements file with hashes. ``indexes`` and ``allow_build``: how to install it."""

    text: str
    python: str
    source: str
    indexes: tuple[Index, ...] = ()
    allow_build: bool = False

    @property
    def digest(self) -> str:
        """64 hexadecimal digits of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def lock(inputs: LockInputs, *, cache: Path, environment: Mapping[str, str]) -> Lock:
    """Resolve, or take the lock that the same inputs gave before.

    Raises `ConfigurationError` (not to be had, contradictions), `RefusedError` (sdists, addresses), `UnreachableError`.
    """
    _refuse_addresses(inputs)
    kept = cache / "locks" / f"{key(inputs, environment)}.txt"
    try:
        text = kept.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = _keep(_resolved(inputs, environment), kept)
    return Lock(
        text=text,
        python=inputs.python,
        source=inputs.source,
        indexes=inputs.indexes,
        allow_build=inputs.allow_build,
    )


def key(inputs: LockInputs, environment: Mapping[str, str]) -> str:
    """40 hexadecimal digits of everything that a resolution rests on, but the hour."""
    runner = {
        name: _without_credentials(value)
        for name, value in uv.allowed(environment, credentials=False).items()
        if name in {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER"}
    }
    lines = sorted([line.text, *sorted(line.hashes)] for line in inputs.lines)
    machine = [sys.platform, platform.machine()]
    parts = [RULES, lines, sorted(inputs.server), inputs.python, inputs.indexes, inputs.allow_build, runner, machine]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:40]


def resolver(indexes: tuple[Index, ...], *, allow_build: bool, environment: Mapping[str, str]) -> uv.Uv:
    """uv, knowing the indexes. Raises `RefusedError` where a build would come to see their credentials."""
    if allow_build and any(VARIABLE.search(index.url) for index in indexes):
        raise RefusedError(
            "builds are allowed, and an index needs credentials: the code of a build could read them",
            where="tagboat.yaml: policies.allow-build, indexes",
            hint="Put wheels of what has none into the index, and leave allow-build out.",
        )
    variables = uv.allowed(environment, credentials=not allow_build)
    expanded = [(index, expand(index.url, environment, where="tagboat.yaml: indexes")) for index in indexes]
    if others := [url for index, url in expanded if not index.default]:
        variables["UV_INDEX"] = " ".join([*others, variables.get("UV_INDEX", "")]).strip()
    for url in (url for index, url in expanded if index.default):
        variables["UV_DEFAULT_INDEX"] = url
        variables.pop("UV_INDEX_URL", None)
    named = {name for index in indexes for name in VARIABLE.findall(index.url)}
    secrets = sorted((environment[name] for name in named), key=len, reverse=True)
    return uv.Uv(uv.program(), variables, secrets=tuple(secrets))


def _resolved(inputs: LockInputs, environment: Mapping[str, str]) -> str:
    run = resolver(inputs.indexes, allow_build=inputs.allow_build, environment=environment)
    subject = Subject(source=inputs.source, python=inputs.python)
    with tempfile.TemporaryDirectory(prefix="tagboat-lock-") as folder:
        listed = Path(folder) / "requirements.in"
        listed.write_text("".join(f"{text}\n" for text in [*(line.text for line in inputs.lines), *inputs.server]))
        text = run.run(
            "pip", "compile", listed, "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--python-version", inputs.python, *([] if inputs.allow_build else ["--no-build"]),
            subject=subject,
        )  # fmt: skip
    return _narrowed(text, inputs)


def _narrowed(text: str, inputs: LockInputs) -> str:
    """The lock with, where the author listed hashes, none but those: uv 0.13 does not read hashes when it resolves."""
    from packaging.utils import canonicalize_name

    allowed = {line.name: set(line.hashes) for line in inputs.lines if line.hashes}
    blocks = re.split(r"\n(?=\S)", text.rstrip("\n"))
    narrowed = []
    for block in blocks:
        name = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", block, maxsplit=1)[0])
        if name in allowed:
            head = block.split(" \\\n", 1)[0]
            common = sorted(allowed[name] & set(re.findall(r"--hash=(\S+)", block)))
            if not common:
                raise RefusedError(
                    f"no index has {head} with a hash that is listed for it",
                    where=inputs.source,
                    hint="The listed hashes belong to another version, or the index serves other bytes.",
                )
            block = " \\\n".join([head, *(f"    --hash={value}" for value in common)])
        narrowed.append(block)
    return "\n".join(narrowed) + "\n"


def _keep(text: str, path: Path) -> str:
    """Keep the lock under its key. Of two runs that resolved at once the first one's lock counts for both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", prefix=".lock-") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(written.name, path)
    return path.read_text(encoding="utf-8")


def _refuse_addresses(inputs: LockInputs) -> None:
    for line in inputs.lines:
        if line.address and not inputs.allow_build:
            raise RefusedError(
                f"{line.name} comes from an address, not from an index",
                where=line.where,
                hint="Name an index under `indexes:` in tagboat.yaml; or set `allow-build: true` under `policies:`.",
            )
    for index in inputs.indexes:
        if not re.match(r"https?://|\$\{env:", index.url):
            raise ConfigurationError(f"{index.url[:100]!r} is no index", where="tagboat.yaml: indexes")


def _without_credentials(value: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://", value)
