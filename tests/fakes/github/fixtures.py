"""Fixtures with a fake GitHub; a conftest imports what its tests use (``description`` always)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from entrypoint.github.client import GitHub as Client
from entrypoint.github.client import Pace, connect
from tests.fakes.github import ROUTES, Description, GitHub, needed

HURRIED = Pace(between_writes=0.0, pauses=(0.0, 0.0), backoff=0.0, tries=3, secondary=0.0, longest=5.0)
"""A pace at which nobody waits, but for what GitHub itself says."""


@pytest.fixture(scope="session")
def description() -> Description:
    """GitHub's own OpenAPI description of what the fake serves."""
    whole = json.loads(needed("@octokit/openapi", "generated/api.github.com.json"))
    return Description(whole, ROUTES.operations)


@pytest.fixture
def github(description: Description, tmp_path: Path) -> Iterator[GitHub]:
    """An empty repository on GitHub. At the end every request and answer must have been as GitHub describes them."""
    with GitHub(tmp_path, description) as fake:
        yield fake
    assert not fake.violations, "\n".join(fake.violations)


@pytest.fixture
def connected(github: GitHub) -> Iterator[Callable[..., Client]]:
    """A way to ask the repository with any token, at any pace."""
    with ExitStack() as stack:

        def make(token: str, pace: Pace = HURRIED, **more: str) -> Client:
            made = connect(github.environment | more, token, pace)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def client(github: GitHub, connected: Callable[..., Client]) -> Client:
    """The repository, asked with a workflow's own token."""
    return connected(github.token)
