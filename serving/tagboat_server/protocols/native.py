"""Our own protocol: ``POST /<method>`` with ``{"data": …}``, answered by ``{"predictions": …, "release": …}``.

``data`` is a list of records, an object of columns, or a list of rows.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional

import msgspec

from tagboat_server.codecs import Decoder, decoder_for, encode
from tagboat_server.errors import Rejection
from tagboat_server.execution import Execution
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.model import LoadedMethod
from tagboat_server.signature import Anything

JSON_TYPES = (b"application/json", b"text/json")


class Answer(NamedTuple):
    """A finished answer's body and how many rows it is about."""

    body: bytes
    rows: int


class NativeMethod:
    """One method of the model, by our protocol."""

    def __init__(
        self,
        name: str,
        method: LoadedMethod,
        *,
        release: Optional[str],
        execution: Execution,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.name = name
        self.method = method
        self.decode: Decoder = decoder_for(method.signature.input)
        self.checked = not isinstance(method.signature.input, Anything)
        self.execution = execution
        self.metrics = metrics
        self.log = log
        self.rows = metrics.rows.labels(name)
        self.model_seconds = metrics.model.labels(name)
        self.tail = b',"release":' + msgspec.json.encode(release) + b"}"

    async def __call__(self, headers: Mapping[bytes, bytes], body: bytes) -> Answer:
        """Answer one request. Raises `Rejection`."""
        check_content(headers)
        answer: Answer = await self.execution.run(self.work, body)
        self.rows.inc(answer.rows)
        return answer

    def work(self, body: bytes) -> Answer:
        """Decode, predict, encode; in a thread of the model's."""
        taken = self.decode(body)
        started = time.perf_counter()
        result = self.guarded(self.method.call, taken.value)
        self.model_seconds.observe(time.perf_counter() - started)
        return Answer(b'{"predictions":' + self.guarded(encode, result) + self.tail, taken.rows)

    def guarded(self, call: Callable[[Any], Any], value: Any) -> Any:
        """Call, and turn what the model raises into an answer.

        A ValueError says that the model does not take these values (an unknown category, say), and so does a
        TypeError where no signature has checked the input: 422 with the model's own words. Anything else is the
        model's failure: 500 with an id that the log has beside the traceback.
        """
        try:
            return call(value)
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            kind = type(error).__name__
            self.metrics.failures.labels(self.name, kind).inc()
            if isinstance(error, ValueError) and kind != "NotFittedError" and call is not encode:
                raise Rejection(
                    422, f"the model refuses the input: {first_line(error)}", path="data", reason="model"
                ) from None
            if isinstance(error, (TypeError, KeyError)) and not self.checked and call is not encode:
                raise Rejection(
                    422, f"the model cannot take this input: {kind}: {first_line(error)}", path="data", reason="model"
                ) from None
            identity = secrets.token_hex(8)
            self.log.failure("model-failed", error, method=self.name, id=identity)
            raise Rejection(
                500,
                f"the model failed with {kind}",
                kind=kind,
                identity=identity,
                reason="model-failed",
                hint="The server's log has the traceback under this id.",
            ) from None


def first_line(error: BaseException) -> str:
    """An error's own words, shortened."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def check_content(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that says it is not JSON, or that is compressed. Without a content type it is taken for JSON."""
    content, _, parameters = headers.get(b"content-type", b"").partition(b";")
    content = content.strip().lower()
    if content and content not in JSON_TYPES and not content.endswith(b"+json"):
        shown = content.decode("latin-1")[:100]
        raise Rejection(415, f"the body is {shown}, not application/json", hint="Send content-type: application/json.")
    charset = parameters.lower().replace(b" ", b"").replace(b'"', b"")
    if b"charset=" in charset and not any(
        name in charset for name in (b"charset=utf-8", b"charset=utf8", b"charset=us-ascii")
    ):
        raise Rejection(415, "the body must be UTF-8", hint="Leave charset away, or set it to utf-8.")
    if headers.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        raise Rejection(415, "compressed bodies are not taken", headers={"accept-encoding": "identity"})
