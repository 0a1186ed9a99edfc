"""Whatever events come late, twice, out of order or never, and whichever runs are killed: it ends where GTO says."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.report.verdict import Status
from tests.shelves import shelves
from tests.simulation.world import World

__all__ = ["shelves"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])  # between them: kills, a hold, a rollback, overtaken and lost events
def test_lost_late_and_repeated_events_end_where_the_registry_says(
    tmp_path: Path, cache: Path, shelves: Path, seed: int
) -> None:
    world = World(tmp_path, cache, seed)
    done = list(world.live_through(11))
    verdict = world.settle()
    assert verdict.status.good, (done, verdict)
    assert world.differences() == [], done
    again = world.settle()
    assert {slot.status for slot in again.slots} <= {Status.UNCHANGED}, "a world in order needs nothing more"
    assert [promotion for promotion in again.promotions if promotion.created] == [], "and promotes nothing twice"
