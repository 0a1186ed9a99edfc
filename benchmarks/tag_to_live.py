"""How long it takes from a pushed tag to a proved release on this machine, step by step.

    python -P -m benchmarks.tag_to_live

cold: nothing of ours is cached (uv's own cache of wheels is left as it is, since it is the machine's, not ours; empty
it first to measure the downloads too). next version: another model in an environment that is there. again: what is
live already is deployed once more.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e.world import World


def main() -> None:
    """Play the three cases in a temporary world, and print what each step took."""
    with tempfile.TemporaryDirectory(prefix="tagboat-benchmark-") as folder:
        world = World(Path(folder) / "world", Path(folder) / "cache")
        try:
            world.register("v0.1.0", seed=1, stage="dev")
            cases = {"cold": deployed(world)}
            world.register("v0.2.0", seed=2, stage="dev")
            cases["next version"] = deployed(world)
            cases["again"] = deployed(world)
        finally:
            world.stop()
    steps = list(dict.fromkeys(name for case in cases.values() for name in case))
    table = Table(title="seconds from the tag to the verdict", box=None)
    table.add_column("step")
    for name in cases:
        table.add_column(name, justify="right")
    for step in steps:
        table.add_row(step, *(f"{case[step]:.2f}" if step in case else "–" for case in cases.values()))
    Console().print(table)


def deployed(world: World) -> dict[str, float]:
    """Deploy what is assigned, and time it from outside and step by step."""
    started = time.perf_counter()
    done = world.tagboat("deploy", "iris#dev")
    whole = time.perf_counter() - started
    assert done.code == 0, done.errors
    slot: dict[str, Any] = done.out["slots"][0]
    steps = {step["name"]: float(step["seconds"]) for step in slot["steps"]}
    return {**steps, "start, registry, report": whole - sum(steps.values()), "whole": whole}


if __name__ == "__main__":
    main()
