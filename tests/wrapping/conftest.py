from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.wrapping import indexes


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session, whichever worker: few environments, made once."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    return base / "wrapping-cache"


@pytest.fixture
def index() -> Iterator[indexes.Index]:
    with indexes.serving() as index:
        yield index


@pytest.fixture
def alone(index: indexes.Index, tmp_path: Path) -> Mapping[str, str]:
    """The runner's environment, with the index in PyPI's place and a uv cache of its own."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**keep, "UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0"}  # fmt: skip
