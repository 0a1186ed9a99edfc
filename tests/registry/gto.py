"""What GTO itself says of a repository, in the shape that ours is compared in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from entrypoint.registry.state import Registry

Answer = dict[str, dict[str, Any]]


def by_gto(path: Path) -> Answer:
    """Everything that `gto show` and `gto show NAME` print, by GTO's own functions; raises whatever GTO raises."""
    import gto.api
    from gto.registry import GitRegistry

    with GitRegistry.from_url(str(path)) as registry:
        overview = gto.api.show(registry.scm)
        answer: Answer = {}
        for name, state in overview.items():
            versions = gto.api.show(registry.scm, name)
            answer[name] = {
                "latest": state["version"],
                "stages": {stage: version for stage, version in state["stage"].items() if version},
                "versions": sorted({(version["version"], version["commit_hexsha"]) for version in versions}),
                "order": _without_repeats(version["version"] for version in versions),
            }
        return answer


def by_us(registry: Registry) -> Answer:
    """The same from our registry; GTO shows no deprecated artifact."""
    return {
        name: {
            "latest": state.latest,
            "stages": state.stages,
            "versions": sorted((version.version, version.commit) for version in state.versions),
            "order": _without_repeats(version.version for version in state.versions),
        }
        for name, state in registry.artifacts.items()
        if not state.deprecated
    }


def _without_repeats(versions: Any) -> list[str]:
    return list(dict.fromkeys(versions))
