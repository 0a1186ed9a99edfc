"""Whether a clone has the tags that the registry is made of, as actions/checkout often leaves it without."""

from __future__ import annotations

from entrypoint.errors import ConfigurationError, TagboatError
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry, read

SETTING = "Give actions/checkout `fetch-tags: true` (or `fetch-depth: 0`), or run `git fetch --tags --force` first."


def complete(repository: Repository, registry: Registry, token: str | None = None) -> Registry:
    """The registry, after fetching tags where the clone is likely to lack them.

    A shallow clone is: actions/checkout fetches one commit, and the tag of the event as a lightweight one. So is, on
    a runner, any clone with a lightweight registry tag. Raises `ConfigurationError` that names the setting where the
    remote does not answer and there is nothing to go on.
    """
    lightweight = any(not tag.annotated and registry.problem(tag.name) for tag in registry.tags.values())
    shallow = repository.is_shallow
    runner = bool(repository.environment.get("CI"))
    if repository.remote_url is None or not (shallow or (lightweight and runner)):
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
