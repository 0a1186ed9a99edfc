"""Machines for the local deployer's tests; whatever a test starts is ended with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployers.local.subjects import Machine, RealMachine


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles and environments of the session, whichever worker: all in it is named by its content."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "local-shared"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """One that serves by stand-ins: for faults that the real server can't be brought to."""
    made = Machine(tmp_path)
    yield made
    made.shut_down()


@pytest.fixture
def real(tmp_path: Path, shared: Path) -> Iterator[RealMachine]:
    """One that serves real models by the real server."""
    made = RealMachine(tmp_path, shared)
    yield made
    made.shut_down()
