"""Keeps a server's log within bounds; started by launch.py as ``python -I -S log_keeper.py LIMIT``.

Reads the server's output from its stdin, and ends with it: when the server and all that it started are gone. Holds
the other end of the leash too (see launch.py): while the server is on trial, the end of the leash ends it.
"""

import os
import select
import signal
import sys

OUTPUT = 0
LEASH = 3


def main() -> None:
    """Write what the server says to ``log``; that and ``log.1``, the file before it, have at most LIMIT bytes each."""
    limit = int(sys.argv[1])
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    watched = [OUTPUT, LEASH]
    log = Log(limit)
    while True:
        ready, _, _ = select.select(watched, [], [])
        if LEASH in ready:
            if os.read(LEASH, 1) == b"":
                os.killpg(os.getpgrp(), signal.SIGKILL)
            watched.remove(LEASH)
            os.close(LEASH)
        if OUTPUT in ready:
            text = os.read(OUTPUT, 65536)
            if not text:
                return
            log.write(text)


class Log:
    """Two files in the working directory, turned over. A full disk costs the log, not the server."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.file = -1
        self.written = limit

    def write(self, text: bytes) -> None:
        """Append, or begin the next file."""
        try:
            if self.written + len(text) > self.limit:
                self.turn_over()
            self.written += os.write(self.file, text)
        except OSError:
            self.written = self.limit

    def turn_over(self) -> None:
        """Make the log the file before it."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
            os.replace("log", "log.1")  # noqa: PTH105 - no pathlib: this is started for every server
        self.file = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.written = 0


if __name__ == "__main__":
    main()
