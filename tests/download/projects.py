"""Real repositories, real remotes: Git and DVC as their users run them, and servers on the loopback."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.configuration.policy_settings import Limits
from entrypoint.configuration.schema import Dvc
from entrypoint.download import Download, Progress, RemoteSettings, download
from entrypoint.registry.repository import Repository

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Release:
    """What a resolution says of a release, as far as downloading goes."""

    commit: str
    path: str | None
    artifact: str = "iris"


@dataclass
class Project:
    """A repository with DVC and a remote in a folder; ``storage`` is that folder."""

    root: Path
    storage: Path
    cache: Path
    out: Path
    environment: Mapping[str, str]
    heard: list[Progress] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository(self.root, self.environment)

    def run(self, *command: str) -> str:
        program = str(BIN / command[0]) if (BIN / command[0]).exists() else command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.root,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def commit(self, message: str = "Change") -> str:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def store(self, content: bytes, *, folder: bool = False) -> str:
        """Put an object on the remote, as ``dvc push`` would, and return its name."""
        value = hashlib.md5(content).hexdigest() + (".dir" if folder else "")
        file = self.storage / "files" / "md5" / value[:2] / value[2:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return value

    def point(self, path: str, value: str, *, more: str = "", top: str = "", name: str | None = None) -> None:
        """Write a ``.dvc`` file by hand."""
        out = f"outs:\n- md5: {value}\n  hash: md5\n  path: {name or Path(path).name}\n{more}"
        self.write(f"{path}.dvc", top + out)

    def settings(self, dvc: Dvc | None = None, model: str = "iris") -> RemoteSettings:
        return RemoteSettings.of_checkout(self.repository, model, root=self.root, dvc=dvc)

    def download(
        self,
        path: str | None,
        commit: str | None = None,
        *,
        out: Path | None = None,
        remotes: RemoteSettings | None = None,
        limits: Limits | None = None,
        link: bool = True,
    ) -> Download:
        return download(
            self.repository,
            Release(commit or self.commit(), path),
            cache=self.cache,
            destination=out or self.out,
            remotes=remotes or self.settings(),
            limits=limits,
            environment=self.environment,
            progress=self.heard.append,
            link=link,
        )


def contents(found: Download) -> dict[str, bytes]:
    """Path → bytes of every file that is really in the folder."""
    folder = found.folder
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def surroundings(folder: Path) -> dict[str, str]:
    """The runner's variables, with nothing of this machine's user in them."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    for name in ("home", "dvc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        "HOME": str(folder / "home"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(folder / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(folder / "dvc"),
        "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "Test"), ("EMAIL", "test@example.com"))},
    }  # fmt: skip
