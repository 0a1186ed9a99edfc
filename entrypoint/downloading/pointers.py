"""What DVC's files in a commit say: which paths are kept outside Git, and by which hash.

A pointer is a ``.dvc`` file, or one output of a stage in ``dvc.lock``. Formats: dvc/schema.py and
dvc/stage/serialize.py of DVC 3.67. Outputs without ``hash: md5`` were written by DVC before 3.0; their sums are taken
after CRLF became LF in what looks like text ("md5-dos2unix"), and their objects lie in another place of the remote.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from entrypoint.downloading.documents import read_yaml
from entrypoint.downloading.paths import path_in_repository
from entrypoint.errors import UnsafeContentError

MD5 = "md5"
LEGACY = "md5-dos2unix"
_VALUE = re.compile(r"[0-9a-f]{32}(\.dir)?", re.ASCII)


Template = Callable[[str, Mapping[str, Any], str], str | None]
"""From a folder, the dvc.yaml in it and a stage's name to that stage's ``wdir``, or None."""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """One output that DVC tracks.

    ``path``: from the repository's root. ``value``: the MD5 in hexadecimal, with ``.dir`` for a folder's manifest.
    ``size``: bytes, as the commit claims. ``cached``: false where the file itself is kept in Git. ``remote``: the one
    the output names, if any. ``imported``: the output came from another repository or URL. ``file``: where this stands.
    """

    path: str
    hash_name: str
    value: str
    size: int | None
    cached: bool
    remote: str | None
    imported: bool
    file: str

    @property
    def is_folder(self) -> bool:
        """Whether the object is a manifest of further objects."""
        return self.value.endswith(".dir")


def read_dvc_file(content: bytes, file: str) -> Iterator[Pointer]:
    """The outputs of a ``.dvc`` file at the path ``file``. Raises `UnsafeContentError`."""
    document = _mapping(read_yaml(content, where=file), file)
    folder = posixpath.join(posixpath.dirname(file), _text(document.get("wdir"), file) or "")
    imported = any(isinstance(dependency, Mapping) for dependency in _sequence(document.get("deps"), file))
    for out in _sequence(document.get("outs"), file):
        yield _pointer(_mapping(out, file), folder, file, imported=imported)


def read_lock(content: bytes, file: str, pipeline: bytes | None, filled_in: Template) -> Iterator[Pointer]:
    """The outputs in a ``dvc.lock`` at the path ``file``; ``pipeline`` is the dvc.yaml beside it.

    A stage's ``wdir`` and its outputs' remotes stand in dvc.yaml only. ``filled_in`` is asked for a ``wdir`` with a
    template in it; a stage whose folder nobody knows is left out.
    """
    document = _mapping(read_yaml(content, where=file), file)
    stages = _mapping(document.get("stages", {}) if "schema" in document else document, file)
    beside = posixpath.join(posixpath.dirname(file), "dvc.yaml")
    written = _mapping(read_yaml(pipeline, where=beside) if pipeline else {}, beside)
    described = _mapping(written.get("stages") or {}, beside)
    for name, stage in stages.items():
        description = _stage_description(described, str(name), beside)
        wdir = _text(description.get("wdir"), beside) or ""
        if "${" in wdir:
            found = filled_in(posixpath.dirname(file), written, str(name))
            if found is None:
                continue
            wdir = found
        folder = posixpath.join(posixpath.dirname(file), wdir)
        remotes = _remotes_of_outs(description, beside)
        for out in _sequence(_mapping(stage, file).get("outs"), file):
            entry = dict(_mapping(out, file))
            entry.setdefault("remote", remotes.get(str(entry.get("path"))))
            try:
                yield _pointer(entry, folder, file, imported=False)
            except UnsafeContentError:
                # A stage may write outside the repository, to a bucket say; such an output is no model of this commit.
                continue


def _stage_description(described: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """A stage of dvc.yaml by its name in dvc.lock: ``train@de`` was made by ``foreach`` or ``matrix`` of ``train``."""
    stage = _mapping(described.get(name) or described.get(name.partition("@")[0]) or {}, where)
    return _mapping(stage.get("do") or stage, where)


def _remotes_of_outs(stage: Mapping[str, Any], where: str) -> dict[str, str]:
    """Output's path → the remote it names: ``outs: [{model.pkl: {remote: mirror}}]``."""
    return {
        str(path): str(details["remote"])
        for out in _sequence(stage.get("outs"), where)
        if isinstance(out, Mapping)
        for path, details in out.items()
        if isinstance(details, Mapping) and details.get("remote")
    }


def _pointer(out: Mapping[str, Any], folder: str, file: str, *, imported: bool) -> Pointer:
    path = path_in_repository(folder, _text(out.get("path"), file) or "", where=file)
    value = _text(out.get("md5"), file)
    if value is None or not _VALUE.fullmatch(value):
        raise UnsafeContentError(
            f"the output {path!r} has no MD5 sum that could be checked",
            where=file,
            hint="Track it with DVC 2 or later, without cloud versioning, and push it.",
        )
    size = _text(out.get("size"), file) or ""
    return Pointer(
        path=path,
        hash_name=MD5 if out.get("hash") == "md5" else LEGACY,
        value=value,
        size=int(size) if re.fullmatch(r"[0-9]{1,18}", size, re.ASCII) else None,
        cached=_text(out.get("cache"), file) not in {"false", "False", "no"},
        remote=_text(out.get("remote"), file) or None,
        imported=imported,
        file=file,
    )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise UnsafeContentError("the file is no DVC file: a mapping was expected", where=where)


def _sequence(value: Any, where: str) -> list[Any]:
    if not value:
        return []
    if isinstance(value, list):
        return value
    raise UnsafeContentError("the file is no DVC file: a list was expected", where=where)


def _text(value: Any, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise UnsafeContentError("the file is no DVC file: text was expected", where=where)
