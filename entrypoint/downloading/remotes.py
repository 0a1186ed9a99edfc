"""A DVC remote, opened by DVC's own classes: reading objects as streams, and telling what went wrong.

DVC (dvc-objects, dvc-data and their clouds) knows how to reach a remote and where an object lies on it. What arrives
is not trusted: `entrypoint.downloading.cache` hashes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entrypoint.downloading.pointers import LEGACY
from entrypoint.downloading.remote_keys import SECRETS, scheme_of
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.errors import ConfigurationError, TagboatError, UnreachableError

PIECE = 2**20
"""Bytes that are asked for at once."""
BLOCK = 8 * 2**20
"""Bytes of a range request, where a cloud's file object reads ahead; several are in memory at once."""
_EXTRAS = {"gs": "gcs", "azure": "azure", "ssh": "ssh"}
_SIGN_IN = ("credential", "forbidden", "unauthorized", "permission", "accessdenied", "auth", "hostkey")


@dataclass(frozen=True)
class Remote:
    """``address`` is the remote's URL as it may be shown: no user, no query. ``secrets`` are masked in every error."""

    name: str
    address: str
    remote: Any = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def stream(self, hash_name: str, value: str, size: int | None) -> Iterator[bytes]:
        """An object's bytes in pieces. ``size`` as claimed; it saves a question to HTTP servers, nothing rests on it.

        Raises `FileNotFoundError` where the remote has no such object; otherwise whatever the client raises
        (`explain` makes sense of it).
        """
        database = self.remote.legacy_odb if hash_name == LEGACY else self.remote.odb
        path = database.oid_to_path(value)
        if self.remote.fs.protocol in {"http", "https"}:
            # One streaming GET: without a size fsspec would ask first, and call every refusal "not found".
            opened = self.remote.fs.open(path, "rb", block_size=0, size=size or 1)
        elif self.remote.fs.protocol == "local":
            opened = self.remote.fs.open(path, "rb")
        else:
            opened = self.remote.fs.open(path, "rb", block_size=BLOCK)
        with closing(opened) as file:
            while piece := file.read(PIECE):
                yield piece

    def explain(self, error: BaseException, what: str) -> TagboatError:
        """The error as a person should read it; ``what`` was being downloaded."""
        where = f"{what} on the DVC remote {self.name!r} ({self.address})"
        if isinstance(error, TagboatError):
            return error
        if isinstance(error, FileNotFoundError):
            return ConfigurationError(
                "the remote does not have the object",
                where=where,
                hint="Run 'dvc push' where the model was made; or name another remote by dvc.remote in tagboat.yaml.",
            )
        reason = masked(" ".join(str(error).split()), self.secrets)[:300]
        kind = type(error).__name__
        if _is_refusal(error):
            return ConfigurationError(
                f"the remote does not let us in: {kind}: {reason}",
                where=where,
                hint="Give the step the remote's credentials; docs/remotes.md says how, remote by remote.",
            )
        return UnreachableError(
            f"the download broke off: {kind}: {reason}",
            where=where,
            hint="It is safe to run again: what has arrived whole is kept.",
        )


def _is_refusal(error: BaseException) -> bool:
    """Whether a client was not let in: each tells it by a status of its own, or by the name of its error."""
    for name in ("status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            if status in {401, 403}:
                return True
            break  # the next name may be a deprecated one of the same, as aiohttp's is
    return any(word in type(error).__name__.lower() for word in _SIGN_IN)


def open_remote(settings: RemoteSettings, name: str, environment: Mapping[str, str]) -> Remote:
    """Make ready to read from a remote; nothing is contacted yet.

    Cloud clients find the runner's credentials themselves, in the process's environment and the home folder. Raises
    `ConfigurationError` where the remote's extra is not installed, or its settings are not what DVC expects.
    """
    resolved = settings.resolve(name, environment)
    scheme = scheme_of(resolved["url"])
    parts = urlsplit(resolved["url"])
    secrets = [value for key, value in resolved.items() if key in SECRETS and len(value) > 3]
    secrets += [part for part in (parts.password, parts.query) if part]
    where = f"DVC remote {name!r}"
    from dvc.data_cloud import Remote as DvcRemote
    from dvc.fs import get_cloud_fs
    from dvc_objects.fs.errors import RemoteMissingDepsError

    try:
        kind, config, path = get_cloud_fs({}, **resolved)
        remote = DvcRemote(name, path, kind(**config, **_extra(scheme)), **config)
        if scheme == "ssh":
            _check_host_keys(remote.fs, environment)
    except (ImportError, RemoteMissingDepsError):
        extra = _EXTRAS.get(scheme)
        raise ConfigurationError(
            f"{scheme}:// remotes need a package that is not installed",
            where=where,
            hint=f"pip install 'tagboat[{extra}]'" if extra else "Install Tagboat again: a part of it is missing.",
        ) from None
    except Exception as error:  # noqa: BLE001 - every client has errors of its own for settings it does not like
        reason = masked(" ".join(str(error).split()), secrets)[:300]
        raise ConfigurationError(f"DVC does not accept the remote: {reason}", where=where) from None
    return Remote(name, _shown(resolved["url"]), remote, tuple(secrets))


def _extra(scheme: str) -> dict[str, Any]:
    """What DVC's client is told beside its configuration."""
    if scheme != "ssh":
        return {}
    import asyncssh

    # dvc-ssh 4.3 asks at the terminal when a password is refused, and forwards the agent to the server.
    return {"client_factory": asyncssh.SSHClient, "agent_forwarding": False}


def _check_host_keys(client: Any, environment: Mapping[str, str]) -> None:
    """Hold the server against the runner's known_hosts where there is such a file; dvc-ssh 4.3 checks no host key."""
    home = environment.get("HOME")
    known = (Path(home) if home else Path.home()) / ".ssh" / "known_hosts"
    if known.is_file():
        client.fs_args["known_hosts"] = str(known)


def masked(text: str, secrets: Sequence[str]) -> str:
    """The text without these secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _shown(url: str) -> str:
    if not scheme_of(url):
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
