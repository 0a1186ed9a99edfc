"""What model code gets to see: nothing of the runner's secrets.

Three fences, each as far as the machine allows:

- the environment of a child is made from an allow-list, so a token in a variable of any name stays behind;
- `conceal` makes this process's own memory and /proc/PID/environ unreadable for other processes of the same user
  (Linux: PR_SET_DUMPABLE, prctl(2)); the runner's other processes, such as its agent, are beyond our reach;
- run as root, as in the Action's container, model code runs as another user, `MODEL_USER`, where the machine has one.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

MODEL_USER = "tagboat-model"
"""The Action's image makes this user; model code runs as it when Tagboat runs as root."""

KEPT = {
    "LANG", "LANGUAGE", "TZ", "TMPDIR", "PATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "SOURCE_DATE_EPOCH",
}  # fmt: skip
"""Locale, where certificates and native libraries are, how many threads: nothing that says who we are."""

PR_SET_DUMPABLE = 4


class ModelUser(msgspec.Struct, frozen=True):
    """Whom model code runs as, by number."""

    uid: int
    gid: int


def child_environment(environment: Mapping[str, str], *, home: Path | None = None) -> dict[str, str]:
    """The environment for model code: the allow-list of ``environment``, and ``home`` as its HOME.

    Without ``home`` there is no HOME at all, so that no library finds the runner's own files by it.
    """
    kept = {name: value for name, value in environment.items() if name in KEPT or name.startswith("LC_")}
    kept["PYTHONNOUSERSITE"] = "1"
    kept["PYTHONUNBUFFERED"] = "1"
    if home is not None:
        kept["HOME"] = str(home)
    return kept


def conceal() -> bool:
    """Make this process unreadable for others of the same user; says whether that was done. Linux only.

    Children are not affected: execve sets it back. Call it before the first model code is started.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def model_user(name: str = MODEL_USER) -> ModelUser | None:
    """The other user that model code can run as, or None: not root, or no such user here."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ModelUser(entry.pw_uid, entry.pw_gid)


def reaches(user: ModelUser, python: Path, file: Path) -> bool:
    """Whether that user can run the interpreter and read the file: caches below a private home are out of reach."""
    look = "import sys; open(sys.argv[1], 'rb').close()"
    try:
        done = subprocess.run(
            [python, "-I", "-c", look, file],
            cwd="/",
            env={},
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
