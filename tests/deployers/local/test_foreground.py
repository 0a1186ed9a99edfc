"""The log of a watched server is told line by line, also while it is turned over."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.errors import ConfigurationError
from deployers.local.foreground import Tail, reserved


def test_every_line_is_told_once_and_in_order(tmp_path: Path) -> None:
    told: list[str] = []
    tail = Tail(tmp_path)
    tail.tell(told.append)
    with (tmp_path / "log").open("w") as log:
        log.write("one\ntw")
        log.flush()
        tail.tell(told.append)
        assert told == ["one"]
        log.write("o\n")
        log.flush()
        tail.tell(told.append)
        log.write("three\n")
    (tmp_path / "log").rename(tmp_path / "log.1")
    (tmp_path / "log").write_text("four\n")
    tail.tell(told.append)
    tail.close()
    assert told == ["one", "two", "three", "four"]


def test_an_address_is_ours_alone_as_long_as_it_is_reserved() -> None:
    with reserved("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        listener.listen()
        with pytest.raises(ConfigurationError, match="the port is taken"), reserved("127.0.0.1", port):
            pass
    with reserved("127.0.0.1", port):
        pass


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ConfigurationError, match="address"), reserved("no such host", 0):
        pass
