"""What the server is told: the bundle it serves, the release it is, and how it shall behave.

The bundle (``model.json``) is the same in every stage; release, stage and settings come with the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Optional, Union

import msgspec

from tagboat_server.errors import SettingsError
from tagboat_server.optimizing.outcome import Outcome
from tagboat_server.signature import Method

SCHEMA = 1
"""The version of ``model.json`` that this server reads."""

HEADER_SAFE = re.compile(r"[!-~]{1,200}\Z", re.ASCII)
"""What may stand in a header and in a label: printable, without spaces."""


DefaultAccept = Literal[
    "auto",
    "application/json",
    "application/jsonlines",
    "text/csv",
    "application/x-npy",
    "application/vnd.apache.arrow.stream",
    "application/x-parquet",
]


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """``model.json``, as far as the server reads it; ``model`` is relative to the bundle's ``model/``."""

    schema: int
    name: str
    model: str
    version: Optional[str] = None
    commit: Optional[str] = None
    digest: Optional[str] = None
    format: Optional[str] = None
    sample: Optional[str] = None
    methods: dict[str, Method] = {}
    code: tuple[str, ...] = ()
    optimized: Optional[Outcome] = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which release answers. All None but the artifact when the server is tried by hand."""

    artifact: str
    version: Optional[str] = None
    release: Optional[str] = None
    stage: Optional[str] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """How the server behaves (``TAGBOAT_SETTINGS``); sizes in bytes, durations in seconds.

    Unknown keys are refused: a bound that was asked for and silently ignored is no bound.
    """

    max_body: int = 16 * 1024 * 1024
    """The largest request body."""
    max_header: int = 32 * 1024
    """The largest request line and headers together."""
    drain: float = 30.0
    """How long open connections may finish when the server ends."""
    drain_delay: float = 0.0
    """How long the server says not ready, and still accepts, before it drains."""
    concurrency: int = 1024
    """Requests in work or waiting for the model at once; more are answered with 503."""
    workers: Union[int, Literal["auto"]] = 1
    """Processes that serve side by side; ``auto``: as many as the processors that the process may use."""
    threads: int = 1
    """Calls of the model that run side by side in one worker."""
    batching: Literal["auto", "on", "off"] = "auto"
    """Whether requests that arrive together are answered by one call: where that keeps every bit, always, never."""
    blas_threads: int = 1
    """Threads that one call of the model may use inside BLAS and OpenMP."""
    request_timeout: float = 60.0
    """How long a request may wait for the model and its answer."""
    header_timeout: float = 10.0
    """From a request's first byte to the end of its headers."""
    body_timeout: float = 60.0
    """From the end of the headers to the end of the body; also how long a client may take to read its answer."""
    keep_alive: float = 75.0
    """How long a connection may be idle."""
    max_connections: int = 2048
    """Open connections at once, also bounded by the process's file descriptors."""
    mlem_standardize: bool = True
    """Whether a MLEM model's methods are shown as ``mlem serve`` shows them by default, or under their own names."""
    default_accept: DefaultAccept = "auto"
    """What ``/invocations`` answers where no type is asked for; ``auto``: JSON, and JSON lines to JSON lines."""
    grpc_port: Optional[int] = None
    """A TCP port for gRPC beside HTTP's, on the same host; 0 for any. None: no gRPC."""
    access_log: bool = True
    """A line of JSON on stderr for every request."""

    def __post_init__(self) -> None:
        """Refuse what would serve nobody."""
        for name in ("max_body", "max_header", "concurrency", "threads", "blas_threads", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name.replace('_', '-')}` must be at least 1")
        if self.workers != "auto" and self.workers < 1:
            raise ValueError("`workers` must be at least 1, or `auto`")
        for name in ("request_timeout", "header_timeout", "body_timeout", "keep_alive"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name.replace('_', '-')}` must be more than 0")
        if self.grpc_port is not None and not 0 <= self.grpc_port <= 65535:
            raise ValueError("`grpc-port` must be from 0 to 65535")
        if self.drain < 0 or self.drain_delay < 0:
            raise ValueError("`drain` and `drain-delay` must not be negative")


ALIASES = {"drain-seconds": "drain"}
"""Other names of settings."""


def read_settings(environment: Mapping[str, str], asked: Optional[Mapping[str, Any]] = None) -> Settings:
    """The settings from ``TAGBOAT_SETTINGS``, a JSON object; its absence means every default.

    ``asked``: settings that count where ``TAGBOAT_SETTINGS`` says nothing.
    """
    text = environment.get("TAGBOAT_SETTINGS") or "{}"
    try:
        given = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        renamed = {**(asked or {}), **{ALIASES.get(key, key): value for key, value in given.items()}}
        return msgspec.json.decode(msgspec.json.encode(renamed), type=Settings)
    except (msgspec.DecodeError, ValueError) as error:
        raise SettingsError(str(error), where="TAGBOAT_SETTINGS", hint="See docs/serving.md for its keys.") from None


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle's ``model.json``."""
    file = folder / "model.json"
    try:
        bundle = msgspec.json.decode(file.read_bytes(), type=Bundle)
    except OSError as error:
        raise SettingsError(f"no bundle: {error.strerror}", where=str(file)) from None
    except msgspec.DecodeError as error:
        raise SettingsError(str(error), where=str(file)) from None
    if bundle.schema != SCHEMA:
        raise SettingsError(f"schema {bundle.schema} is not known to this server", where=str(file))
    graph = bundle.optimized.graph if bundle.optimized is not None else None
    for path in filter(None, (bundle.model, *bundle.code, bundle.sample, graph)):
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise SettingsError(f"the path {path!r} leaves the bundle", where=str(file))
    return bundle


def read_identity(bundle: Bundle, environment: Mapping[str, str]) -> Identity:
    """Which release this process is: the bundle, with ``TAGBOAT_RELEASE`` and ``TAGBOAT_STAGE``."""
    release = environment.get("TAGBOAT_RELEASE") or None
    if release is not None and not HEADER_SAFE.match(release):
        raise SettingsError("the release id cannot stand in a header", where="TAGBOAT_RELEASE")
    return Identity(
        artifact=bundle.name,
        version=bundle.version or None,
        release=release,
        stage=environment.get("TAGBOAT_STAGE") or None,
    )
