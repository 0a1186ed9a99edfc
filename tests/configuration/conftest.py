from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from entrypoint.configuration import Configuration, InvalidConfigurationError, parse
from entrypoint.configuration.mistakes import Mistake
from tests.configuration.kinds_of_target import KINDS


@pytest.fixture
def read() -> Callable[[str], Configuration]:
    """Reads a configuration from its text."""
    return lambda text: parse(textwrap.dedent(text).encode(), kinds=KINDS)


@pytest.fixture
def mistakes() -> Callable[[str], list[Mistake]]:
    """The mistakes of a configuration that has some."""

    def find(text: str) -> list[Mistake]:
        with pytest.raises(InvalidConfigurationError) as caught:
            parse(textwrap.dedent(text).encode(), kinds=KINDS)
        return list(caught.value.mistakes)

    return find
