"""SageMaker's and MLflow's way in: ``POST /invocations`` for one method, and the pages that stand beside it.

The method is the model's default, unless the query (``?method=predict_proba``) or, since InvokeEndpoint passes on no
query, the header ``X-Amzn-SageMaker-Custom-Attributes: method=predict_proba`` names another. The content type says how
the body is read, Accept how the answer is written. A JSON answer is ``{"predictions": …}``, with the release behind it
where the body was our own protocol's. Refusals are in our own form, which SageMaker hands to its caller as it is.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Optional
from urllib.parse import parse_qsl

import msgspec

from tagboat_server import __version__, processors
from tagboat_server.calling import Call
from tagboat_server.codecs import Input
from tagboat_server.errors import Rejection
from tagboat_server.invocations import Taken, answers, arrow, npy
from tagboat_server.invocations.csv_rows import CsvReader
from tagboat_server.invocations.documents import DocumentReader
from tagboat_server.invocations.lines import LinesReader
from tagboat_server.invocations.splits import SplitReader
from tagboat_server.model import installed
from tagboat_server.protocols import media
from tagboat_server.protocols.base import Context, Request, Response, Route
from tagboat_server.protocols.media import MediaType
from tagboat_server.protocols.native import check_encoding, encoded
from tagboat_server.protocols.pages import Page, health
from tagboat_server.spec import Settings

ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
ASKS_READY = re.compile(r"(?:\A|[,;\s])tagboat-ask=ready(?:\Z|[,;\s])", re.ASCII)
"""A question for the server, not for the model: whether it is ready, and with which release. InvokeEndpoint, which
sends nothing but POST /invocations, has no other way to ask."""

METHOD = re.compile(r"(?:\A|[,;\s])method=([^,;\s]*)", re.ASCII)

MEGABYTE = 1024 * 1024
MOST_TRANSFORMED = 100
"""Megabytes that a transform job may have under way on one instance (AWS, `CreateTransformJob`)."""

UNPACKING = 8
"""How much more work a byte of Arrow is than one of JSON, at worst, about. A file of Parquet takes milliseconds."""
MUCH = 1 << 62


def routes(context: Context) -> dict[str, Route]:
    """The pages, and ``/invocations`` where the model has a method."""
    found: dict[str, Route] = {
        "/ping": Page("/ping", lambda: health(context, good=context.state.ready)),
        "/health": Page("/health", lambda: health(context, good=context.state.ready)),
        "/version": Page("/version", lambda: Response(200, b"text/plain", version().encode())),
        "/execution-parameters": Page(
            "/execution-parameters", lambda: Response(200, b"application/json", transforms(context.settings))
        ),
    }
    if context.default is not None:
        found["/invocations"] = Invocations(context)
    return found


def operations(context: Context) -> dict[str, dict[str, Any]]:
    """What OpenAPI says of all these."""
    # Imported when it is asked for: a server need not describe itself to start.
    from tagboat_server.openapi import invocations as described

    found = described.pages()
    if context.default is not None:
        found["/invocations"] = described.invocations(context, arrow=arrow.usable())
    return found


def version() -> str:
    """What MLflow's clients take for the version of MLflow's server: the one beside the model, else our own."""
    return installed("mlflow") or installed("mlflow-skinny") or __version__


def transforms(settings: Settings) -> bytes:
    """How SageMaker's batch transform shall ask: requests side by side, and how large each may be."""
    workers = processors.allowed() if settings.workers == "auto" else settings.workers
    beside = min(settings.concurrency, MOST_TRANSFORMED, max(1, workers * settings.threads))
    size = max(1, min(settings.max_body // MEGABYTE, MOST_TRANSFORMED // beside))
    return msgspec.json.encode(
        {"MaxConcurrentTransforms": beside, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": size}
    )


class Reading:
    """Reads bodies of every content type for one method."""

    def __init__(self, call: Call, limit: int) -> None:
        signature = call.signature.input
        self.call = call
        self.limit = limit
        self.documents = DocumentReader(call.decode, signature, SplitReader(call.decode, call.fitting, signature))
        self.lines = LinesReader(call.decode)
        self.csv = CsvReader(call.decode, call.fitting, signature)

    def __call__(self, body: bytes, kind: MediaType) -> Taken:
        """The checked input. Raises `Rejection`."""
        if kind.kind == media.JSON:
            return self.documents(body)
        if kind.kind == media.JSON_LINES:
            return self.lines(body)
        if kind.kind == media.CSV:
            return self.csv(body, header=media.has_header(kind))
        if kind.kind == media.NPY:
            return Taken(self.call.fitting.matrix(npy.read(body), "npy"), "npy")
        read, root = (arrow.read_stream, "arrow") if kind.kind == media.ARROW else (arrow.read_parquet, "parquet")
        return Taken(self.call.fitting.columns(read(body, self.call.fields, self.limit), root), root)


class Invocations(Route):
    """The model's methods at one path."""

    label = "/invocations"

    def __init__(self, context: Context) -> None:
        self.readings = {name: Reading(call, context.settings.max_body) for name, call in context.calls.items()}
        self.default = self.readings[context.default or ""]
        self.call = self.default.call
        self.arrow = arrow.usable()
        self.accept = context.settings.default_accept
        self.context = context
        self.tail = b',"release":' + msgspec.json.encode(context.identity.release) + b"}"

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        headers = request.headers
        attributes = headers.get(ATTRIBUTES)
        if attributes is not None and ASKS_READY.search(attributes.decode("latin-1")):
            return health(self.context, good=self.context.state.ready)
        check_encoding(headers)
        kind = body_type(headers.get(b"content-type", b""))
        wanted = answer_type(headers.get(b"accept", b""), default_for(kind, self.accept))
        self.check_arrow(kind, wanted)
        reading = self.reading(request)
        try:
            return await self.answer(reading, request.body, kind, wanted)
        except Rejection as rejection:
            rejection.label = reading.call.name
            raise

    async def answer(self, reading: Reading, body: bytes, kind: MediaType, wanted: MediaType) -> Response:
        """Ask the model. Raises `Rejection`."""
        call = reading.call
        taken = await call.apart(work_of(kind, len(body)), reading, body, kind)
        result = await self.result(call, taken.input, taken.root)
        size = work_of(wanted, getattr(result, "nbytes", 0))
        made = await call.apart(size, written, call, result, wanted)
        if wanted.kind == media.JSON:
            made = b'{"predictions":' + made + (self.tail if taken.own else b"}")
        return Response(200, wanted_header(wanted), made, (), taken.input.rows, call.name)

    async def result(self, call: Call, taken: Input, root: Optional[str]) -> Any:
        """The model's answer; where it refuses the input, in the sender's word for that."""
        try:
            return await call.run(taken)
        except Rejection as rejection:
            rejection.path = root if rejection.path == "data" else rejection.path
            raise

    def check_arrow(self, kind: MediaType, wanted: MediaType) -> None:
        """Refuse what needs pyarrow where there is none."""
        if not self.arrow and kind.kind in media.BY_ARROW:
            raise arrow.missing(415)
        if not self.arrow and wanted.kind in media.BY_ARROW:
            raise arrow.missing(406)

    def reading(self, request: Request) -> Reading:
        """What reads for the method that a request names. Raises `Rejection`."""
        attributes = request.headers.get(ATTRIBUTES)
        if not request.query and attributes is None:
            return self.default
        query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
        for key, _ in query:
            if key != "method":
                raise Rejection(400, f"unknown key {key[:100]!r} in the query", hint="?method=NAME", reason="query")
        named = {name for _, name in query}
        named.update(METHOD.findall((attributes or b"").decode("latin-1")))
        if len(named) > 1:
            raise Rejection(400, "the request names several methods", reason="query")
        name = named.pop() if named else None
        if name is None:
            return self.default
        if name not in self.readings:
            hint = f"Methods of the model: {', '.join(self.readings)}."
            raise Rejection(404, f"the model has no method {name[:100]!r}", hint=hint)
        return self.readings[name]


@functools.lru_cache(maxsize=256)
def body_type(header: bytes) -> MediaType:
    """As `media.content_type`; the few headers that clients send are looked at once."""
    return media.content_type(header)


@functools.lru_cache(maxsize=256)
def answer_type(header: bytes, default: str) -> MediaType:
    """As `media.choose`."""
    return media.choose(header.decode("latin-1"), default)


@functools.lru_cache(maxsize=256)
def wanted_header(kind: MediaType) -> bytes:
    """The content type of an answer, by the name under which it was asked for."""
    header = "; header=present" if kind.kind == media.CSV and media.has_header(kind) else ""
    return (kind.name + ("; charset=utf-8" if kind.kind == media.CSV else "") + header).encode()


def default_for(kind: MediaType, accept: str) -> str:
    """What is answered where nothing is asked for: lines to lines, so that batches can be cut and joined."""
    if accept != "auto":
        return accept
    return kind.name if kind.kind == media.JSON_LINES else media.JSON


def work_of(kind: MediaType, size: int) -> int:
    """Bytes of JSON that are about as much work as this; too many for the event loop until pyarrow is imported."""
    if kind.kind == media.ARROW and arrow.imported():
        return UNPACKING * size
    return MUCH if kind.kind in media.BY_ARROW else size


def written(call: Call, result: Any, wanted: MediaType) -> bytes:
    """A result in the form that is wanted. Raises `Rejection` 406 where it has none."""
    if wanted.kind == media.JSON:
        return encoded(call, result)
    writers: dict[str, Any] = {
        media.JSON_LINES: answers.as_lines,
        media.CSV: functools.partial(answers.as_csv, header=media.has_header(wanted)),
        media.NPY: answers.as_npy,
        media.ARROW: answers.as_arrow,
        media.PARQUET: answers.as_parquet,
    }
    made: Optional[bytes] = call.guarded(writers[wanted.kind], result, of_input=False)
    if made is None:
        message = f"the answer of {call.name} has no form in {wanted.name}"
        raise Rejection(406, message, hint="Accept application/json.")
    return made
