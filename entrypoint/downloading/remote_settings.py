"""Where DVC's objects are, by files that are trusted (SECURITY C1, C13).

The ``.dvc/config`` of the tagged commit is not: only a remote's *name* counts there. Remotes come from ``.dvc/config``
at the configuration's ref (or in the working tree), from the runner's own ``.dvc/config.local`` beside it, and from
``dvc.remotes`` of tagboat.yaml, each over the one before. Even in trusted files only the keys below are taken: others
can run a program, ask at a terminal, or read credentials from a file of the repository. Keys: dvc/config_schema.py of
DVC 3.67.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from deployers.settings import expand
from entrypoint.configuration.schema import Dvc
from entrypoint.downloading.paths import path_in_repository
from entrypoint.errors import ConfigurationError, RefusedError
from entrypoint.registry.repository import Repository

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
_REMOTE_SECTION = re.compile(r'\s*remote\s*"(.*)"\s*')


@dataclass(frozen=True, kw_only=True)
class DvcConfigFile:
    """The text of one DVC configuration file.

    ``where`` names it in errors. ``folder`` is the ``.dvc`` folder that relative addresses start from. ``own`` marks a
    file that is the runner's alone (untracked), which may hold secrets.
    """

    text: str = field(repr=False)
    where: str
    folder: Path
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """Every remote that may be downloaded from.

    ``files``: later ones over earlier ones. ``dvc``: tagboat.yaml's section, over them all. ``root``: the checkout,
    where relative addresses of tagboat.yaml start, and where no credentials file may lie.
    """

    root: Path
    files: Sequence[DvcConfigFile] = ()
    dvc: Dvc = field(default_factory=Dvc)

    @classmethod
    def at_commit(
        cls, commits: Repository, commit: str, model: str, *, root: Path, dvc: Dvc | None = None
    ) -> RemoteSettings:
        """The remotes as the trusted commit has them (the Action's way); ``model``: the path they are looked up for."""
        for folder in _folder_and_parents(model):
            path = posixpath.join(folder, ".dvc", "config")
            content = commits.read(commit, path)
            if content is not None:
                where = f"{path} at {commit[:12]}"
                files = [DvcConfigFile(text=_decode(content, where), where=where, folder=root / folder / ".dvc")]
                return cls(root=root, files=[*files, *_local(commits, root, folder)], dvc=dvc or Dvc())
        return cls(root=root, dvc=dvc or Dvc())

    @classmethod
    def of_checkout(cls, commits: Repository, model: str, *, root: Path, dvc: Dvc | None = None) -> RemoteSettings:
        """The remotes as the files lie in the checkout (the command line's way)."""
        for folder in _folder_and_parents(model):
            path = root / folder / ".dvc" / "config"
            if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                where = path.relative_to(root).as_posix()
                files = [DvcConfigFile(text=_decode(path.read_bytes(), where), where=where, folder=path.parent)]
                return cls(root=root, files=[*files, *_local(commits, root, folder)], dvc=dvc or Dvc())
        return cls(root=root, dvc=dvc or Dvc())

    def names(self) -> list[str]:
        """Every remote's name; DVC's names know no case."""
        names = {name: None for file in self.files for name in _remotes(file)}
        names.update({name.lower(): None for name in self.dvc.remotes})
        return list(names)

    def choose(self, *suggestions: str | None) -> str:
        """The remote to download from: tagboat.yaml's word, else the commit's first known suggestion, else the default.

        ``suggestions`` are names that the tagged commit brings: its output's, its default's. Raises
        `ConfigurationError` where no remote is left to choose.
        """
        known = self.names()
        defaults = [_default(file) for file in reversed(self.files)]
        if self.dvc.remote is not None:
            suggestions = (self.dvc.remote,)
            if self.dvc.remote.lower() not in known:
                raise _unknown_remote(self.dvc.remote, "tagboat.yaml: dvc.remote", known)
        for name in (*suggestions, *defaults):
            if name and name.lower() in known:
                return name.lower()
        if len(known) == 1:
            return known[0]
        raise ConfigurationError(
            "there are several DVC remotes and none is the default" if known else "there is no DVC remote",
            where=".dvc/config and tagboat.yaml: dvc.remotes",
            hint="Name one: 'dvc remote default NAME', or dvc.remote in tagboat.yaml."
            if known
            else "Add one: 'dvc remote add -d NAME URL' and commit .dvc/config, or dvc.remotes in tagboat.yaml.",
        )

    def resolve(self, name: str, environment: Mapping[str, str]) -> dict[str, str]:
        """A remote's settings in DVC's own keys, checked, its variables filled in; ``url`` is always there.

        Raises `RefusedError` for a key that is not allowed, `ConfigurationError` for a remote that cannot be.
        """
        return self._resolve(name, environment, ())

    def _resolve(self, name: str, environment: Mapping[str, str], seen: tuple[str, ...]) -> dict[str, str]:
        name = name.lower()
        if name in seen:
            raise ConfigurationError("the remotes refer to one another in a circle", where=f"DVC remote {name!r}")
        settings: dict[str, str] = {}
        for file in self.files:
            settings.update(self._from_file(file, name))
        settings.update(self._from_tagboat(name, environment))
        if "url" not in settings:
            raise _unknown_remote(name, "DVC remotes", self.names())
        if settings["url"].startswith("remote://"):
            base, _, rest = settings["url"].removeprefix("remote://").partition("/")
            settings = {**self._resolve(base, environment, (*seen, name)), **settings}
            below = self._resolve(base, environment, (*seen, name))["url"].rstrip("/")
            settings["url"] = f"{below}/{rest}" if rest else below
        if not seen:
            settings = self._checked(name, settings)
        return settings

    def _from_file(self, file: DvcConfigFile, name: str) -> dict[str, str]:
        where = f"{file.where}: remote {name!r}"
        settings = {}
        for key, value in _remotes(file).get(name, {}).items():
            if not isinstance(value, str):
                raise ConfigurationError(f"{key} is not one text value", where=where)
            if key in SECRETS and not file.own:
                raise RefusedError(
                    f"{key} is a secret, and stands in a file of the repository",
                    where=where,
                    hint=f"Take it out, renew it, and set dvc.remotes.{name}.{key}: ${{env:NAME}} in tagboat.yaml.",
                )
            settings[key] = value
        if "url" in settings:
            settings["url"] = _address(settings["url"], file.folder)
        return settings

    def _from_tagboat(self, name: str, environment: Mapping[str, str]) -> dict[str, str]:
        settings = {}
        for written, remote in self.dvc.remotes.items():
            if written.lower() != name:
                continue
            for key, value in msgspec.to_builtins(remote).items():
                if value is None:
                    continue
                where = f"tagboat.yaml: dvc.remotes.{written}.{key}"
                # As in DVC's own files: false, and 60 rather than 60.0.
                text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if _is_number(value) else value
                settings[key] = expand(text, environment, where=where)
        if "url" in settings:
            settings["url"] = _address(settings["url"], self.root)
        return settings

    def _checked(self, name: str, settings: dict[str, str]) -> dict[str, str]:
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
        checked = {}
        for key, value in settings.items():
            if key in {"url", *ALLOWED[scheme]}:
                checked[key] = value
            elif key not in IGNORED and not (key in _WHY and value.lower() == "false"):
                reason = _WHY.get(key, "it is not on the list of keys that Tagboat takes")
                raise RefusedError(
                    f"the key {key!r} is refused: {reason}",
                    where=where,
                    hint="Credentials come from the runner: its environment, or ${env:NAME} in tagboat.yaml.",
                )
        for key in FILES_OF_THE_RUNNER & checked.keys():
            self._check_file_of_the_runner(key, checked[key], where)
        if isinstance(verify := checked.get("ssl_verify"), str) and verify.lower() not in {"true", "false"}:
            self._check_file_of_the_runner("ssl_verify", verify, where)
        return checked

    def _check_file_of_the_runner(self, key: str, value: str, where: str) -> None:
        path = Path(value).expanduser()
        if not path.is_absolute() or path.resolve().is_relative_to(self.root.resolve()):
            raise RefusedError(
                f"{key} names a file of the repository",
                where=where,
                hint="It must be an absolute path on the runner, outside the checkout.",
            )


def scheme_of(url: str) -> str:
    """The address's scheme in lower case; empty for a folder of this machine."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", url)
    return match[1].lower() if match else ""


def default_of(content: bytes | None) -> str | None:
    """The default remote's name in a ``.dvc/config`` that is not trusted, or None; never raises."""
    try:
        return _default(DvcConfigFile(text=(content or b"").decode(), where="", folder=Path()))
    except (ConfigurationError, UnicodeDecodeError):
        return None


def _address(url: str, folder: Path) -> str:
    if scheme_of(url) or re.match(r"[A-Za-z]:", url):
        return url
    path = Path(url).expanduser()
    return str((folder / path).resolve() if not path.is_absolute() else path)


def _remotes(file: DvcConfigFile) -> dict[str, dict[str, Any]]:
    sections = _parse(file)
    found = ((_REMOTE_SECTION.fullmatch(title), values) for title, values in sections.items())
    return {match[1].lower(): values for match, values in found if match and isinstance(values, dict)}


def _default(file: DvcConfigFile) -> str | None:
    core = _parse(file).get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    return name if isinstance(name, str) else None


def _parse(file: DvcConfigFile) -> dict[str, Any]:
    """The file's sections as DVC reads them (dvc/config.py: ConfigObj, keys in lower case)."""
    from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]

    if len(file.text) > 2**20:
        raise ConfigurationError("the file is larger than 1 MiB", where=file.where)
    try:
        sections = ConfigObj(file.text.splitlines(), interpolation=False).dict()
    except (ConfigObjError, RecursionError) as error:
        raise ConfigurationError(f"the file is no DVC configuration: {error}", where=file.where) from None
    lower = {}
    for title, values in sections.items():
        lower[title.lower()] = {k.lower(): v for k, v in values.items()} if isinstance(values, dict) else values
    return lower


def _local(commits: Repository, root: Path, folder: str) -> list[DvcConfigFile]:
    """The runner's own ``.dvc/config.local``: only if Git does not track it, since then it came with a commit."""
    path = root / folder / ".dvc" / "config.local"
    where = posixpath.join(folder, ".dvc", "config.local")
    head = commits.commit("HEAD")
    if not path.is_file() or path.is_symlink() or (head is not None and commits.entry(head, where) is not None):
        return []
    return [DvcConfigFile(text=_decode(path.read_bytes(), where), where=where, folder=path.parent, own=True)]


def _folder_and_parents(model: str) -> list[str]:
    parts = path_in_repository(model, where="the model's path").split("/")[:-1] if model else []
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _decode(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigurationError("the file is not UTF-8", where=where) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _is_true(value: str | None) -> bool:
    return (value or "").lower() == "true"


def _unknown_remote(name: str, where: str, known: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"there is no DVC remote {name!r}",
        where=where,
        hint=f"Known ones: {', '.join(sorted(known)) or 'none'}.",
    )
