"""Clients that never rest: new connections and kept ones, each failure counted."""

import http.client
import threading
from collections import Counter
from types import TracebackType
from typing import Self

BODY = b'{"data": [[1.0, 2.5]]}'
HEADERS = {"content-type": "application/json"}


class Clients:
    """``with Clients(port) as clients``: they call ``/predict`` until the block is left.

    A kept connection that the server announces to close (``Connection: close``) is opened again, as any HTTP client
    does; everything else that is not an answer with status 200 is a failure.
    """

    def __init__(self, port: int, fresh: int = 2, kept: int = 2) -> None:
        self.port = port
        self.over = threading.Event()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(False,)) for _ in range(fresh)]
        self.threads += [threading.Thread(target=self.work, args=(True,)) for _ in range(kept)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def work(self, keep: bool) -> None:
        connection = self.connect()
        while not self.over.is_set():
            try:
                connection.request("POST", "/predict", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
                with self.lock:
                    if answer.status == 200:
                        self.answers[answer.headers["x-tagboat-release"]] += 1
                    else:
                        self.failures.append(f"status {answer.status}")
                closed = answer.will_close
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.failures.append(f"{'kept' if keep else 'new'} connection: {error!r}")
                closed = True
            if closed or not keep:
                connection.close()
                connection = self.connect()
        connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def total(self) -> int:
        return sum(self.answers.values())
