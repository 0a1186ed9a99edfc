"""MLEM's saved models: ``iris.mlem`` describes the data beside it, ``iris`` (mlem/core/artifacts.py, MLEM 0.4.14)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from entrypoint.downloading.documents import read_yaml
from entrypoint.downloading.paths import path_in_repository
from entrypoint.errors import RefusedError, UnsafeContentError

SUFFIX = ".mlem"
LARGEST = 16 * 2**20
"""Bytes; requirements with sources in them make such a file long."""
_BESIDE = {"", "local", "dvc"}
"""Storage types whose ``uri`` is a path beside the description."""


def data_of(content: bytes, file: str) -> list[str]:
    """The paths, from the repository's root, that the description at ``file`` names as its data.

    Raises `RefusedError` for data kept in another repository or a bucket: an address from the commit is not followed.
    """
    document = read_yaml(content, where=file)
    artifacts = (document.get("artifacts") or {}) if isinstance(document, Mapping) else None
    if not isinstance(artifacts, Mapping):
        raise UnsafeContentError("the file is no MLEM description", where=file)
    paths = []
    for name, artifact in artifacts.items():
        where = f"{file}: artifacts.{str(name)[:100]}"
        uri = artifact.get("uri") if isinstance(artifact, Mapping) else None
        if not isinstance(uri, str):
            raise UnsafeContentError("it names no data", where=where)
        if "://" in uri or str(artifact.get("type", "")) not in _BESIDE:
            raise RefusedError(
                "the model's data lies elsewhere, at an address that the commit brings",
                where=where,
                hint="Save the model with its data beside it (mlem save), track both, and register a new version.",
            )
        paths.append(path_in_repository(posixpath.dirname(file), uri, where=where))
    return paths
