"""compare: two versions, stages or revisions side by side."""

from __future__ import annotations

from pathlib import Path

import click

from entrypoint.commands.context import Context, pass_context
from entrypoint.commands.options import config_option, json_option


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--md", is_flag=True, help="Answer in Markdown.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a page of HTML, which needs no network, to FILE; - for stdout.")  # fmt: skip
@click.option("--no-download", is_flag=True, help="Read no metrics from the DVC remote, only from Git.")
@config_option
@json_option
@pass_context
def compare(
    context: Context, before: str, after: str, md: bool, page: Path | None, no_download: bool, config: str
) -> None:
    """Compare B with A: metrics, parameters, data and model files, requirements.

    Each is a version (churn@v1.4.0), a stage (churn#prod) or a revision of Git (main, HEAD~3, a commit). Everything
    is read from the two commits, and nothing from the checkout but tagboat.yaml, whose `report:` says which way a
    metric is better.
    """
    from entrypoint.commands.registry import open_registry
    from entrypoint.comparison import Comparing, find_side
    from entrypoint.configuration import folder_of, load_if_present
    from entrypoint.downloading.cache import default_cache
    from entrypoint.downloading.remote_settings import RemoteSettings
    from entrypoint.errors import UsageError
    from entrypoint.metrics.fetching import fetcher
    from entrypoint.report import comparison as faces

    if md + (page is not None) + context.json > 1:
        raise UsageError("--md, --html and --json exclude each other", hint="Ask for one of them.")
    repository, registry = open_registry(context)
    settings = load_if_present(folder_of(config, context.directory, repository.root), config)

    def remotes(path: str) -> RemoteSettings:
        return RemoteSettings.of_checkout(repository, path, root=repository.root, dvc=settings.dvc)

    cache = default_cache(context.environment) / "objects"
    fetch = None if no_download else fetcher(repository, remotes, cache=cache, environment=context.environment)
    sides = find_side(repository, registry, before), find_side(repository, registry, after)
    found = Comparing(repository, settings, fetch).compare(*sides)
    if md:
        context.stdout.write(faces.markdown(found))
    elif page is not None and page.name == "-":
        context.stdout.write(faces.html(found))
    elif page is not None:
        _write(page, faces.html(found))
        context.page.print(f"written to {page}", markup=False, highlight=False, soft_wrap=True)
    else:
        context.out(faces.document(found), lambda: faces.show(found, context.page))


def _write(path: Path, text: str) -> None:
    from entrypoint.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the page cannot be written: {error.strerror}", where=str(path)) from None
