"""The log: one JSON object a line on stderr, for access and for events alike."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, Optional, TextIO

import msgspec

from tagboat_server.tracing import Trace


class Answered(msgspec.Struct, omit_defaults=True):
    """The line of a request; absent fields are left out."""

    time: str
    event: str
    method: str
    path: str
    status: int
    seconds: float
    rows: Optional[int] = None
    release: Optional[str] = None
    client: Optional[str] = None
    worker: Optional[int] = None
    trace_id: Optional[str] = None
    span_id: Optional[str] = None


class Log:
    """Writes lines. ``access`` says whether requests are written too; ``worker``: which one's lines these are.

    The lines of all requests that are answered in one turn of the event loop are written together, after it.
    """

    def __init__(self, stream: Optional[TextIO] = None, *, access: bool = True, worker: Optional[int] = None) -> None:
        self.stream = stream or sys.stderr
        self.access = access
        self.worker = worker
        self.encoder = msgspec.json.Encoder(enc_hook=str)
        self.waiting: collections.deque[bytes] = collections.deque()
        self.second = 0
        self.date = ""

    def event(self, name: str, **fields: Any) -> None:
        """Write an event; absent fields are left out."""
        line = {"time": self.now(), "event": name, **fields}
        if self.worker is not None:
            line["worker"] = self.worker
        self.waiting.append(self.encoder.encode({key: value for key, value in line.items() if value is not None}))
        self.flush()

    def request(
        self,
        scope: Mapping[str, Any],
        status: int,
        seconds: float,
        rows: Optional[int],
        release: Optional[str],
        trace: Optional[Trace] = None,
    ) -> None:
        """Write, soon, that a request was answered."""
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        client = scope["client"]
        line = Answered(
            self.now(),
            "request",
            scope["method"][:20],
            scope["path"][:200],
            status,
            round(seconds, 6),
            rows,
            release,
            client[0] if client else None,
            self.worker,
            trace.trace if trace is not None else None,
            trace.span if trace is not None else None,
        )
        self.waiting.append(self.encoder.encode(line))

    def flush(self) -> None:
        """Write what waits; may be called in any thread."""
        lines: list[bytes] = []
        with contextlib.suppress(IndexError):
            while self.waiting:
                lines.append(self.waiting.popleft())
        if lines:
            lines.append(b"")
            try:
                self.stream.write(b"\n".join(lines).decode())
                self.stream.flush()
            except (OSError, ValueError):
                # A log that nobody reads any more must not take the server down.
                pass

    def now(self) -> str:
        """The time in ISO 8601, to the millisecond; its date is made once a second."""
        moment = time.time()
        second = int(moment)
        if second != self.second:
            date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self.second, self.date = second, date.strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self.date}.{int((moment - second) * 1000):03d}+00:00"

    def failure(self, name: str, error: BaseException, **fields: Any) -> None:
        """Write an event with the traceback of what caused it."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.event(name, **fields, type=type(error).__name__, traceback=text[-20_000:])


class UvicornLines(logging.Handler):
    """Messages of uvicorn, or of another library, as lines of our log."""

    def __init__(self, log: Log, event: str = "uvicorn") -> None:
        super().__init__(logging.WARNING)
        self.log = log
        self.event = event

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        if record.exc_info and record.exc_info[1] is not None:
            self.log.failure(self.event, record.exc_info[1], message=record.getMessage())
        else:
            self.log.event(self.event, message=record.getMessage())


def take_over(log: Log) -> None:
    """Let uvicorn's loggers write to ours and nowhere else."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [] if name.startswith("uvicorn.") else [UvicornLines(log)]
        logger.propagate = name.startswith("uvicorn.")
    logging.getLogger("uvicorn.access").disabled = True
    exporting = logging.getLogger("opentelemetry")
    exporting.handlers[:] = [UvicornLines(log, "opentelemetry")]
    exporting.propagate = False
