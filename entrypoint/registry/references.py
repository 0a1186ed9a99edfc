"""What a REF is about, for commands that look around: an artifact, one of its versions, or one of its stages."""

from __future__ import annotations

from entrypoint.registry.resolve import latest_of, meant
from entrypoint.registry.state import Registry
from entrypoint.registry.tags import is_artifact


def about(registry: Registry, ref: str) -> tuple[str, str | None, str | None]:
    """(artifact, version, stage), the latter two None where the REF leaves them open.

    Raises `NotARegistryTagError` and `UnsafeContentError` as `entrypoint.registry.tags.parse` does.
    """
    if is_artifact(ref):
        return registry.artifact(ref).name, None, None
    tag = meant(ref)
    if tag is None:
        state = registry.artifact(latest_of(ref))
        return state.name, state.latest, None
    return tag.artifact, tag.version, tag.stage
