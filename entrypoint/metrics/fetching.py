"""Small files of metrics that DVC tracks and Git does not have, from DVC's remote, verified like a model's files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from entrypoint.configuration.policy_settings import Limits
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.downloading.wanted import Model
from entrypoint.metrics.documents import LARGEST
from entrypoint.metrics.reading import Fetch
from entrypoint.registry.repository import Repository

TIMEOUT = 60.0
"""Seconds that one file may take."""


def fetcher(
    repository: Repository,
    remotes: Callable[[str], RemoteSettings],
    *,
    cache: Path,
    environment: Mapping[str, str],
) -> Fetch:
    """What `entrypoint.metrics.reading.read` takes as ``fetch``.

    ``remotes``: from a path to the remotes that may be asked for it, from trusted files only. ``cache``: the cache of
    models' objects.
    """

    def fetch(commit: str, path: str) -> bytes:
        from entrypoint.download import download

        with tempfile.TemporaryDirectory(prefix="tagboat-metrics-") as folder:
            found = download(
                repository,
                Model(path, commit, path),
                cache=cache,
                destination=Path(folder) / "file",
                remotes=remotes(path),
                limits=Limits(download_size=LARGEST, files=1, time=TIMEOUT),
                environment=environment,
                link=False,
            )
            return (found.folder / found.model).read_bytes()

    return fetch
