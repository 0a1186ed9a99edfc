"""A world for a test, and a cache that all worlds of a session share (everything in it is named by its content)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beside the workers' own folders, so that parallel workers share environments too."""
    folder = tmp_path_factory.getbasetemp().parent / "tagboat-e2e-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> Iterator[World]:
    """An empty registry with a remote, a DVC remote and one local target; whatever it started is stopped."""
    made = World(tmp_path, cache)
    yield made
    made.stop()
