"""One POST: to the address that was checked, retried while it may help, and nowhere else.

No redirect is followed and no proxy is used, since either could lead to an address that nobody looked at.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from entrypoint.errors import RefusedError, UnreachableError
from entrypoint.notifications.addresses import Destination

DELAYS = (1.0, 3.0, 9.0)
"""Seconds before the second, third and fourth try."""

LONGEST_DELAY = 30.0
"""Seconds that a receiver's Retry-After may ask for."""

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which another try may help."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Posts. ``timeout``: seconds for one try, from connecting to the answer's head; ``sleep`` and ``tls`` are handed
    in."""

    timeout: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context)

    def post(self, to: Destination, body: bytes, headers: Mapping[str, str], *, where: str) -> None:
        """Post until it is taken. Raises `RefusedError` where it is turned down, `UnreachableError` after the last
        try; neither names the address."""
        for delay in (*DELAYS, None):
            try:
                status, asked = self._once(to, body, headers)
            except (OSError, http.client.HTTPException) as error:
                problem, asked = f"no answer: {_told(error)}", None
            else:
                if 200 <= status < 300:
                    return
                problem = f"it was answered with status {status}"
                if status not in AGAIN:
                    hint = "A redirect is not followed: give the address that it leads to."
                    raise RefusedError(problem, where=where, hint=hint if 300 <= status < 400 else None)
            if delay is None:
                break
            self.sleep(delay if asked is None else min(max(asked, delay), LONGEST_DELAY))
        raise UnreachableError(problem, where=where, hint=f"Tried {len(DELAYS) + 1} times.")

    def _once(self, to: Destination, body: bytes, headers: Mapping[str, str]) -> tuple[int, float | None]:
        """The answer's status, and the seconds that it asks to wait."""
        connection = http.client.HTTPConnection(to.host, to.port, timeout=self.timeout)
        connection.sock = socket.create_connection((to.address, to.port), timeout=self.timeout)
        # The socket's own timeout begins anew with every byte; this one ends it all.
        raw = connection.sock
        guard = threading.Timer(self.timeout, _cut, [raw])
        guard.daemon = True
        guard.start()
        try:
            if to.tls:
                connection.sock = self.tls().wrap_socket(raw, server_hostname=to.host)
            host = f"[{to.host}]" if ":" in to.host else to.host
            named = host if to.port == (443 if to.tls else 80) else f"{host}:{to.port}"
            connection.request("POST", to.path, body, {"Host": named, "Connection": "close", **headers})
            answer = connection.getresponse()
            return answer.status, _seconds(answer.headers.get("retry-after"))
        finally:
            guard.cancel()
            connection.close()


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


def _seconds(text: str | None) -> float | None:
    """Retry-After in its form of seconds; a date is as good as none."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None


def _told(error: Exception) -> str:
    """What went wrong, in words that hold nothing of the address (Python's own may)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not valid here"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return type(error).__name__
