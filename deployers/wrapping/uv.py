"""Run uv so that nothing of the checkout decides what it does.

`--no-config` and a working directory of its own keep out uv.toml, `[tool.uv]`, `.python-version` and their like; the
environment is an allow-list. The runner's own variables for uv and pip stay: whoever runs Tagboat may say where
packages come from, a tagged commit may not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployers.errors import TagboatError, UnreachableError
from deployers.wrapping import uv_errors

KEPT = {
    "PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "PYENV_ROOT", "SOURCE_DATE_EPOCH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE", "UV_EXCLUDE_NEWER",
    "UV_CACHE_DIR", "UV_LINK_MODE", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_CONCURRENT_DOWNLOADS",
    "UV_CONCURRENT_INSTALLS", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYTHON_PREFERENCE", "UV_PYTHON_CACHE_DIR",
}  # fmt: skip
"""Variables that uv may see, besides every UV_INDEX…: connections, certificates, caches, where Pythons are."""

CREDENTIALS = {"NETRC", "UV_KEYRING_PROVIDER", "SSL_CLIENT_CERT"}
"""Of those, what leads to credentials; left out where packages are built, since a build is code of theirs."""

LONGEST = 3600.0
"""Seconds after which a resolution or an installation is given up."""


@dataclass(frozen=True)
class Uv:
    """uv with the environment it may see. ``secrets``: values that no message may show."""

    program: Path
    environment: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    timeout: float = LONGEST

    def run(self, *arguments: str | Path, subject: uv_errors.Subject, hold: Sequence[int] = ()) -> str:
        """Run a command of uv and return its standard output.

        ``subject`` says what it was about, for the error. ``hold``: descriptors (locks) that stay open as long as uv
        runs, also when this process is killed. Raises a `TagboatError` that says what to do.
        """
        command = [self.program, *arguments, "--no-config", "--no-progress", "--color", "never"]
        with tempfile.TemporaryDirectory(prefix="tagboat-uv-") as elsewhere:
            try:
                done = subprocess.run(
                    [str(part) for part in command],
                    env=dict(self.environment),
                    cwd=elsewhere,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                    timeout=self.timeout,
                    pass_fds=tuple(hold),
                )
            except subprocess.TimeoutExpired as error:
                raise UnreachableError(
                    f"uv did not finish within {self.timeout:.0f} s", hint="Look at the package index; then try again."
                ) from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        raise uv_errors.explain(self._masked(done.stderr.decode("utf-8", "replace")), subject)

    def _masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def program() -> Path:
    """The uv that was installed along with Tagboat. Raises `TagboatError` where it is missing."""
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return beside
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        if found := shutil.which("uv"):
            return Path(found)
        raise TagboatError(
            "uv is not installed", hint="Install Tagboat again; uv is one of its requirements."
        ) from error


def allowed(environment: Mapping[str, str], *, credentials: bool = True) -> dict[str, str]:
    """What uv may see of the runner's environment; PIP_INDEX_URL counts where uv has no index of its own.

    Without ``credentials`` also nothing that carries or leads to some: packages are about to be built.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if (name in KEPT or name.startswith(("LC_", "UV_INDEX_"))) and value
    }
    if "PIP_INDEX_URL" in environment and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & kept.keys():
        kept["UV_DEFAULT_INDEX"] = environment["PIP_INDEX_URL"]
    if not credentials:
        kept = {name: value for name, value in kept.items() if name not in CREDENTIALS and not _credential(name, value)}
    return kept


def _credential(name: str, value: str) -> bool:
    named = name.startswith("UV_INDEX_") and name.endswith(("_USERNAME", "_PASSWORD"))
    return named or any("://" in part and "@" in part.partition("://")[2].partition("/")[0] for part in value.split())
