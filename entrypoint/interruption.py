"""Being cancelled: the signals of a runner, and of a terminal, as one interrupt."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """SIGINT and SIGTERM interrupt the run once; what unwinds after that, or after `deafen`, is not interrupted.

    GitHub sends SIGINT, 7.5 s later SIGTERM, and 2.5 s later kills. Handlers rather than SIG_IGN: a child that is
    started while we tidy up must not inherit that it is deaf.
    """
    deaf = False

    def deafen() -> None:
        nonlocal deaf
        deaf = True

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not deaf:
            deafen()
            raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield deafen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
