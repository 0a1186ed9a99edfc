"""The log: one JSON object a line on stderr, for access and for events alike."""

from __future__ import annotations

import datetime
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Optional, TextIO

import msgspec


class Log:
    """Writes lines. ``access`` says whether requests are written too."""

    def __init__(self, stream: Optional[TextIO] = None, *, access: bool = True) -> None:
        self.stream = stream or sys.stderr
        self.access = access
        self.encoder = msgspec.json.Encoder(enc_hook=str)

    def event(self, name: str, **fields: Any) -> None:
        """Write an event; absent fields are left out."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "event": name, **{key: value for key, value in fields.items() if value is not None}}
        try:
            self.stream.write(self.encoder.encode(line).decode() + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            # A log that nobody reads any more must not take the server down.
            pass

    def request(
        self, scope: Mapping[str, Any], status: int, seconds: float, rows: Optional[int], release: Optional[str]
    ) -> None:
        """Write that a request was answered."""
        self.event(
            "request",
            method=scope["method"][:20],
            path=scope["path"][:200],
            status=status,
            seconds=round(seconds, 6),
            rows=rows,
            release=release,
            client=scope["client"][0] if scope.get("client") else None,
        )

    def failure(self, name: str, error: BaseException, **fields: Any) -> None:
        """Write an event with the traceback of what caused it."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.event(name, **fields, type=type(error).__name__, traceback=text[-20_000:])


class UvicornLines(logging.Handler):
    """Uvicorn's own messages as lines of our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        if record.exc_info and record.exc_info[1] is not None:
            self.log.failure("uvicorn", record.exc_info[1], message=record.getMessage())
        else:
            self.log.event("uvicorn", message=record.getMessage())


def take_over(log: Log) -> None:
    """Let uvicorn's loggers write to ours and nowhere else."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [] if name.startswith("uvicorn.") else [UvicornLines(log)]
        logger.propagate = name.startswith("uvicorn.")
    logging.getLogger("uvicorn.access").disabled = True
