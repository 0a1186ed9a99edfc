"""Where DVC's objects are, by files that are trusted (SECURITY C1, C13).

The ``.dvc/config`` of the tagged commit is not: only a remote's *name* counts there. Remotes come from ``.dvc/config``
at the configuration's ref (or in the working tree), from the runner's own ``.dvc/config.local`` beside it, and from
``dvc.remotes`` of tagboat.yaml, each over the one before.
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
from entrypoint.downloading.dvc_config import DvcConfigFile, default_of, remotes_of
from entrypoint.downloading.paths import path_in_repository
from entrypoint.downloading.remote_keys import SECRETS, checked, scheme_of
from entrypoint.errors import ConfigurationError, RefusedError
from entrypoint.registry.repository import Repository


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
        names = {name: None for file in self.files for name in remotes_of(file)}
        names.update({name.lower(): None for name in self.dvc.remotes})
        return list(names)

    def choose(self, *suggestions: str | None) -> str:
        """The remote to download from: tagboat.yaml's word, else the commit's first known suggestion, else the default.

        ``suggestions`` are names that the tagged commit brings: its output's, its default's. Raises
        `ConfigurationError` where no remote is left to choose.
        """
        known = self.names()
        defaults = [default_of(file) for file in reversed(self.files)]
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
            settings = checked(name, settings, self.root)
        return settings

    def _from_file(self, file: DvcConfigFile, name: str) -> dict[str, str]:
        where = f"{file.where}: remote {name!r}"
        settings = {}
        for key, value in remotes_of(file).get(name, {}).items():
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
                settings[key] = expand(_as_dvc_writes(value), environment, where=where)
        if "url" in settings:
            settings["url"] = _address(settings["url"], self.root)
        return settings


def _address(url: str, folder: Path) -> str:
    if scheme_of(url) or re.match(r"[A-Za-z]:", url):
        return url
    path = Path(url).expanduser()
    return str((folder / path).resolve() if not path.is_absolute() else path)


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


def _as_dvc_writes(value: Any) -> str:
    """As in DVC's own files: ``false``, and ``60`` rather than ``60.0``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _unknown_remote(name: str, where: str, known: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"there is no DVC remote {name!r}",
        where=where,
        hint=f"Known ones: {', '.join(sorted(known)) or 'none'}.",
    )
