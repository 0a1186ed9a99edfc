"""Which keys of a DVC remote are taken, scheme by scheme (dvc/config_schema.py of DVC 3.67; SECURITY C1).

Also in files that are trusted only these are: others can run a program, ask at a terminal, or read credentials from a
file of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from entrypoint.errors import ConfigurationError, RefusedError

_HTTP = {"auth", "user", "password", "custom_auth_header", "ssl_verify", "read_timeout", "connect_timeout"}
ALLOWED: Mapping[str, frozenset[str]] = {
    "": frozenset(),
    "http": frozenset(_HTTP),
    "https": frozenset(_HTTP),
    "s3": frozenset(
        {"endpointurl", "region", "profile", "access_key_id", "secret_access_key", "session_token"}
        | {"allow_anonymous_login", "use_ssl", "ssl_verify", "read_timeout", "connect_timeout"}
    ),
    "gs": frozenset({"projectname", "credentialpath", "endpointurl", "allow_anonymous_login"}),
    "azure": frozenset(
        {"account_name", "account_key", "sas_token", "connection_string", "tenant_id", "client_id", "client_secret"}
        | {"allow_anonymous_login", "timeout", "read_timeout", "connection_timeout"}
        | {f"exclude_{kind}_credential" for kind in ("environment", "shared_token_cache", "managed_identity")}
        | {"exclude_visual_studio_code_credential"}
    ),
    "ssh": frozenset({"user", "port", "password", "keyfile", "passphrase", "timeout", "allow_agent", "gss_auth"}),
}
"""Scheme → the keys that reach DVC; the empty scheme is a folder of this machine."""

IGNORED = frozenset(
    {"checksum_jobs", "jobs", "no_traverse", "verify", "type", "protected", "shared", "slow_link_warning", "method"}
    | {"listobjects", "acl", "sse", "sse_kms_key_id", "grant_read", "grant_read_acp", "grant_write_acp"}
    | {"grant_full_control", "cache_regions", "max_sessions"}
)
"""Keys that change nothing about a verified download: tuning, and the rights of uploads."""

SECRETS = frozenset(
    {"password", "passphrase", "access_key_id", "secret_access_key", "session_token", "account_key", "sas_token"}
    | {"connection_string", "client_secret"}
)
"""Keys whose values must not stand in a file of the repository."""

FILES_OF_THE_RUNNER = frozenset({"credentialpath", "keyfile"})

_WHY = {
    "configpath": "an AWS configuration file can name a program to run (credential_process)",
    "credentialpath": "an AWS credentials file can name a program to run (credential_process)",
    "ask_password": "nobody is there to type it",
    "ask_passphrase": "nobody is there to type it",
    "bearer_token_command": "it is a command to run",
    "version_aware": "objects without MD5 names cannot be verified yet",
    "worktree": "objects without MD5 names cannot be verified yet",
}


def checked(name: str, settings: Mapping[str, str], root: Path) -> dict[str, str]:
    """The settings that reach DVC, ``url`` among them. ``root``: the checkout, where no credentials file may lie.

    Raises `RefusedError` for a key that is not allowed, `ConfigurationError` for a scheme that is not read.
    """
    where = f"DVC remote {name!r}"
    scheme = scheme_of(settings["url"])
    if scheme not in ALLOWED:
        raise ConfigurationError(
            f"Tagboat does not download from {scheme}:// addresses",
            where=where,
            hint="It can from a folder, http, https, s3, gs, azure and ssh.",
        )
    if _is_true(settings.get("version_aware")) or _is_true(settings.get("worktree")):
        raise RefusedError(
            f"a cloud-versioned remote is refused: {_WHY['version_aware']}",
            where=where,
            hint="Use an ordinary DVC remote.",
        )
    taken = {}
    for key, value in settings.items():
        if key in {"url", *ALLOWED[scheme]}:
            taken[key] = value
        elif key not in IGNORED and not (key in _WHY and value.lower() == "false"):
            reason = _WHY.get(key, "it is not on the list of keys that Tagboat takes")
            raise RefusedError(
                f"the key {key!r} is refused: {reason}",
                where=where,
                hint="Credentials come from the runner: its environment, or ${env:NAME} in tagboat.yaml.",
            )
    for key in FILES_OF_THE_RUNNER & taken.keys():
        _check_file_of_the_runner(key, taken[key], root, where)
    if isinstance(verify := taken.get("ssl_verify"), str) and verify.lower() not in {"true", "false"}:
        _check_file_of_the_runner("ssl_verify", verify, root, where)
    return taken


def _check_file_of_the_runner(key: str, value: str, root: Path, where: str) -> None:
    path = Path(value).expanduser()
    if not path.is_absolute() or path.resolve().is_relative_to(root.resolve()):
        raise RefusedError(
            f"{key} names a file of the repository",
            where=where,
            hint="It must be an absolute path on the runner, outside the checkout.",
        )


def scheme_of(url: str) -> str:
    """The address's scheme in lower case; empty for a folder of this machine."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", url)
    return match[1].lower() if match else ""


def _is_true(value: str | None) -> bool:
    return (value or "").lower() == "true"
