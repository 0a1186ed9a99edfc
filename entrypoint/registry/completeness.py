"""Whether a clone has the tags that the registry is made of, as actions/checkout often leaves it without."""

from __future__ import annotations

from entrypoint.errors import ConfigurationError, TagboatError
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry, read

SETTING = "Give actions/checkout `fetch-tags: true` (or `fetch-depth: 0`), or run `git fetch --tags --force` first."


def complete(repository: Repository, registry: Registry, token: str | None = None) -> Registry:
    """The registry, after fetching tags where the clone shows that it lacks them.

    A shallow clone lacks them always: actions/checkout fetches one commit, and the tag of the event as a lightweight
    one. So does any clone whose tag has no object although the remote's may have. Raises `ConfigurationError` that
    names the setting where the remote cannot be asked and there is nothing to go on.
    """
    lightweight = [tag for tag in registry.tags.values() if not tag.annotated and registry.problem(tag.name)]
    if not repository.is_shallow and not lightweight:
        return registry
    if repository.remote_url is None:
        return registry
    try:
        repository.fetch_tags(token)
    except TagboatError as error:
        if registry.events and not lightweight:
            return registry
        raise ConfigurationError(
            f"this clone lacks the registry's tags, and they could not be fetched: {error.message}",
            where=str(repository.root),
            hint=SETTING,
        ) from error
    return read(repository)
