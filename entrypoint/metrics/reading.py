"""From a commit to its figures: the files found, read from Git or fetched from DVC's remote, flattened."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from entrypoint.configuration.report_settings import Report
from entrypoint.downloading.contents import Contents, TrackedPart
from entrypoint.errors import TagboatError
from entrypoint.metrics.documents import LARGEST, UnreadableError, flatten
from entrypoint.metrics.figures import Kind, Metrics, Plot, Sheet
from entrypoint.metrics.named_files import MOST_FILES, named_files
from entrypoint.registry.repository import Repository

IMAGES = (".png", ".jpg", ".jpeg", ".svg", ".gif", ".webp")

Fetch = Callable[[str, str], bytes]
"""From a commit and a path that DVC tracks to the content; raises `TagboatError` (`entrypoint.metrics.fetching`)."""


def read(repository: Repository, commit: str, settings: Report | None = None, *, fetch: Fetch | None = None) -> Metrics:
    """The metrics, parameters and plots of a commit (40 hexadecimal digits); never the checkout's.

    ``settings``: ``report:`` of tagboat.yaml. ``fetch``: brings small files that DVC has and Git has not; without it
    they are noted. A file that cannot be read is a note, and no error.
    """
    contents = Contents(repository, commit)
    named = named_files(contents, settings or Report())
    notes = list(named.notes)
    sheets = []
    for kind, paths in ((Kind.METRICS, named.metrics), (Kind.PARAMS, named.params)):
        for path in paths:
            try:
                content = _content(contents, path, fetch)
                if content is not None:
                    sheets.append(Sheet(path=path, kind=kind, values=flatten(content, path)))
            except UnreadableError as error:
                notes.append(f"{path}: {error}")
            except TagboatError as error:
                notes.append(f"{path}: {error.message}")
    return Metrics(commit=commit, sheets=sheets, plots=_plots(contents, list(named.plots)), notes=notes)


def _content(contents: Contents, path: str, fetch: Fetch | None) -> bytes | None:
    """A file's bytes; None where the commit has no such file yet."""
    entry = contents.tree.get(path)
    if entry is not None:
        if not entry.is_file:
            raise UnreadableError("it is a link, or a submodule")
        if entry.size is not None and entry.size > LARGEST:
            raise UnreadableError(f"it is larger than {LARGEST:,} bytes")
        return contents.commits.read(contents.commit, path, limit=LARGEST)
    tracked = next(iter(contents.find(path, everywhere=False)), None)
    if not isinstance(tracked, TrackedPart):
        return None
    if fetch is None:
        raise UnreadableError("DVC has it, and not Git: it was not fetched")
    if tracked.pointer.size is not None and tracked.pointer.size > LARGEST and not tracked.below:
        raise UnreadableError(f"it is larger than {LARGEST:,} bytes")
    return fetch(contents.commit, path)


def _plots(contents: Contents, named: list[str]) -> list[Plot]:
    """The plots' files; a folder's in its place."""
    found: dict[str, Plot] = {}
    for path in named:
        inside = [path] if path in contents.tree else [name for name in contents.tree if name.startswith(f"{path}/")]
        for file in inside[:MOST_FILES]:
            found[file] = Plot(path=file, image=_is_image(file))
        if not inside:
            found[path] = Plot(path=path, image=_is_image(path), tracked=True)
    return list(found.values())[:MOST_FILES]


def _is_image(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in IMAGES
