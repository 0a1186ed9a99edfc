"""download: the model's files on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option

if TYPE_CHECKING:
    from entrypoint.download import Download, Progress

QUIET_SECONDS = 5.0
"""Between two lines of progress, where there is no terminal to draw on."""


@click.command()
@click.argument("ref")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=None, metavar="DIR",
              help="The folder for the files; by default ARTIFACT-VERSION here.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither use nor fill the cache.")
@config_option
@json_option
@pass_context
def download(context: Context, ref: str, out: Path | None, no_cache: bool, config: str) -> None:
    """Download the model that REF stands for, and verify every file.

    The files are read at the release's commit, from Git or from the DVC remote; remotes come from .dvc/config of this
    checkout and from tagboat.yaml. DIR must not hold anything else; if it holds the same files already, nothing
    happens. A second download takes them from the cache.
    """
    import tempfile

    from entrypoint.commands.registry import open_registry
    from entrypoint.configuration import folder_of, load_if_present
    from entrypoint.download import RemoteSettings
    from entrypoint.download import download as download_model
    from entrypoint.downloading.cache import default_cache
    from entrypoint.downloading.wanted import Model
    from entrypoint.registry.resolve import resolve

    repository, registry = open_registry(context)
    resolution = resolve(repository, registry, ref)
    settings = load_if_present(folder_of(config, context.directory, repository.root), config)
    artifact = settings.artifacts.get(resolution.artifact)
    path = resolution.path or (artifact.path if artifact else None)
    label = resolution.version or resolution.commit[:12]
    destination = out or Path(f"{resolution.artifact.replace('/', '-').replace(':', '-')}-{label}")
    with tempfile.TemporaryDirectory(prefix="tagboat-") as nowhere, _progress(context) as progress:
        found = download_model(
            repository,
            Model(resolution.artifact, resolution.commit, path),
            cache=Path(nowhere) if no_cache else default_cache(context.environment) / "objects",
            destination=destination,
            remotes=RemoteSettings.of_checkout(repository, path or "", root=repository.root, dvc=settings.dvc),
            limits=settings.policies.limits,
            environment=context.environment,
            progress=progress,
            link=False,
        )
    context.out(document(found, resolution), lambda: _print(context, found, resolution))


def document(found: Download, resolution: Any) -> dict[str, Any]:
    """What ``download --json`` answers; docs/remotes.md describes it."""
    return {
        "artifact": resolution.artifact,
        "version": resolution.version,
        "commit": resolution.commit,
        "folder": str(found.folder),
        "model": found.model.as_posix(),
        "size": found.size,
        "transferred": found.transferred,
        "files": [
            {"path": file.path, "size": file.size, "md5": file.md5, "sha256": file.sha256} for file in found.files
        ],
    }


def _print(context: Context, found: Download, resolution: Any) -> None:
    from rich.filesize import decimal

    count = f"{len(found.files)} file{'s' if len(found.files) != 1 else ''}"
    came = f"{decimal(found.transferred)} transferred" if found.transferred else "nothing had to be transferred"
    what = f"{resolution.artifact} {resolution.version or resolution.commit[:12]}"
    context.page.print(
        f"{what}: {count}, {decimal(found.size)}, verified; {came}", markup=False, highlight=False, soft_wrap=True
    )
    context.page.print(str(found.folder / found.model), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress(context: Context) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal; elsewhere a line now and then."""
    if not context.console.is_terminal or context.json:
        yield _Lines(context)
        return
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=context.console, transient=True) as bar:
        task = bar.add_task("download", total=None)

        def told(progress: Progress) -> None:
            name = escape(_shortened(progress.file))
            bar.update(task, description=name, completed=progress.done, total=progress.total)

        yield told


class _Lines:
    """Plain lines, at most one every few seconds; none with --json."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if self._context.json or time.monotonic() - self._last < QUIET_SECONDS:
            return
        self._last = time.monotonic()
        of = f" of {progress.total:,}" if progress.total else ""
        line = f"{progress.done:,}{of} bytes: {_shortened(progress.file)}"
        self._context.console.print(line, markup=False, highlight=False)


def _shortened(path: str) -> str:
    """The end of a path, printable: paths of a commit may hold anything."""
    printable = "".join(character if character.isprintable() else "?" for character in path)
    return printable if len(printable) <= 40 else "…" + printable[-39:]
