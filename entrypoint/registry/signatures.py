"""Who signed a tag: Git's own verification, against lists of the runner and nothing else.

Only one kind of signature can pass: with an allowed-signers file the OpenPGP and X.509 programs are replaced with one
that fails, with a keyring the SSH list is empty. So a key in the runner's own GnuPG home, which no list names, does
not pass either.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from entrypoint.errors import ConfigurationError, RefusedError
from entrypoint.registry.repository import Repository

_NEVER = "false"
"""A program that verifies nothing."""


@dataclass(frozen=True)
class Signers:
    """Whose signature counts: exactly one of an SSH allowed-signers file and a GnuPG keyring."""

    allowed_signers: Path | None = None
    keyring: Path | None = None

    @classmethod
    def of(cls, allowed_signers: str | None, keyring: str | None, repository: Repository) -> Signers:
        """Check what tagboat.yaml names. Raises `ConfigurationError` for a file that is absent or in the checkout."""
        if (allowed_signers is None) == (keyring is None):
            raise ConfigurationError(
                "name either `allowed-signers` or `keyring`", where="tagboat.yaml: policies.require-signature"
            )
        from deployers.settings import expand

        key = "allowed-signers" if allowed_signers else "keyring"
        where = f"tagboat.yaml: policies.require-signature.{key}"
        path = Path(expand(allowed_signers or keyring or "", repository.environment, where=where))
        if not path.is_absolute() or not path.is_file():
            raise ConfigurationError("this must be the absolute path of a file on the runner", where=f"{where}: {path}")
        if path.resolve().is_relative_to(repository.root):
            raise ConfigurationError(
                "the list of signers is in the checkout, where whoever tags can change it",
                where=f"{where}: {path}",
                hint="Keep it outside, for instance written from a variable of the environment by an earlier step.",
            )
        return cls(path, None) if allowed_signers else cls(None, path)


def signer_of(repository: Repository, tag: str, object_id: str, signers: Signers) -> str:
    """Who signed a tag's object, as Git tells it. Raises `RefusedError` unless a listed signer did."""
    with _configuration(repository, signers) as (configuration, environment):
        outcome = repository.git.run(
            "verify-tag", "--raw", object_id, check=False, configuration=configuration, environment=environment
        )
    if outcome.code != 0:
        raise RefusedError(
            "no listed signer signed this tag" + (f" ({_reason(outcome.errors)})" if outcome.errors else ""),
            where=tag,
            hint="Sign it (`git tag -s`, or tagboat with `--sign`) with a key that policies.require-signature lists.",
        )
    return _reason(outcome.errors)


def _reason(errors: str) -> str:
    lines = [line.removeprefix("error: ") for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if "[GNUPG:]" not in line or "GOODSIG" in line or "NO_PUBKEY" in line]
    return (telling or lines or [""])[-1]


@contextmanager
def _configuration(repository: Repository, signers: Signers) -> Iterator[tuple[list[tuple[str, str]], dict[str, str]]]:
    no_x509 = ("gpg.x509.program", _NEVER)
    if signers.allowed_signers:
        yield (
            [
                ("gpg.program", _NEVER),
                ("gpg.openpgp.program", _NEVER),
                no_x509,
                ("gpg.ssh.program", _program(repository, "ssh-keygen")),
                ("gpg.ssh.allowedSignersFile", str(signers.allowed_signers)),
                ("gpg.ssh.revocationFile", ""),
            ],
            {},
        )
        return
    gpg = _program(repository, "gpg")
    # Short, since gpg-agent's sockets are below it and their paths are limited to about 100 bytes.
    with tempfile.TemporaryDirectory(prefix="tb", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o700)
        environment = {**repository.environment, "GNUPGHOME": home, "LC_ALL": "C"}
        imported = subprocess.run(
            [gpg, "--batch", "--no-autostart", "--quiet", "--import", str(signers.keyring)],
            env=environment, cwd=home, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        if imported.returncode != 0:
            raise ConfigurationError("GnuPG cannot read this keyring", where=str(signers.keyring))
        yield (
            [
                ("gpg.program", gpg),
                ("gpg.openpgp.program", gpg),
                ("gpg.minTrustLevel", "undefined"),
                no_x509,
                ("gpg.ssh.allowedSignersFile", os.devnull),
            ],
            {"GNUPGHOME": home},
        )


def _program(repository: Repository, name: str) -> str:
    path = shutil.which(name, path=repository.environment.get("PATH", os.defpath))
    if path is None:
        raise ConfigurationError(
            f"{name} is not installed here, and policies.require-signature needs it",
            hint=f"Install {'openssh-client' if name == 'ssh-keygen' else 'gnupg'}.",
        )
    return path
