"""MLEM's own REST, as ``mlem serve fastapi`` answers it: ``GET /interface.json`` and ``POST /<method>``.

Only for models that MLEM saved with sample data; those that it saved without are not served by MLEM either. What MLEM
refuses is answered with its words; what it would convert and we do not (text for a number) in the same form.
"""

from __future__ import annotations

import http
import sys
from typing import Any, Callable, Optional

import msgspec

from tagboat_server.calling import SMALL, Call
from tagboat_server.codecs import Input
from tagboat_server.errors import MissingLibraryError, Rejection
from tagboat_server.mlem.arguments import Given, check_names, rows_of, rows_of_all
from tagboat_server.mlem.interface import Argument, Exposed, Interface
from tagboat_server.mlem.multipart import file_in
from tagboat_server.mlem.reading import moved, reader_for, values_of
from tagboat_server.mlem.replies import Reply, converted, reply
from tagboat_server.mlem.writing import writer_for
from tagboat_server.protocols.base import JSON, RESERVED, Context, Request, Response, Route, headers_of
from tagboat_server.protocols.native import check_content
from tagboat_server.signature import Anything, Frame

INTERFACE = "/interface.json"
BYTES = b"application/octet-stream"

READ = msgspec.json.Decoder(dict[str, msgspec.Raw])


def shown(context: Context) -> Optional[Interface]:
    """The interface that clients are shown, or None where the model is not MLEM's to describe."""
    interface = context.model.interface
    if interface is None:
        return None
    return interface.standard() if context.settings.mlem_standardize else interface


def methods(context: Context) -> dict[str, Exposed]:
    """What stands at ``/<name>``: the methods that are shown, and the model's others under their own names."""
    interface = shown(context)
    if interface is None or context.model.interface is None:
        return {}
    found = {**context.model.interface.methods, **interface.methods}
    return {name: method for name, method in found.items() if name not in RESERVED and speakable(method)}


def speakable(method: Exposed) -> bool:
    """Whether a request can carry the arguments: bytes travel alone, and what MLEM alone knows needs MLEM."""
    if len(method.arguments) > 1 and any(is_bytes(argument) for argument in method.arguments):
        return False
    try:
        for argument in method.arguments:
            reader_for(argument.described)
        writer_for(method.returns)
    except MissingLibraryError:
        return False
    return True


def routes(context: Context) -> dict[str, Route]:
    """The interface's document, and each method; with a slash behind it a redirection, as FastAPI has it."""
    interface = shown(context)
    if interface is None:
        return {}
    found: dict[str, Route] = {INTERFACE: Described(interface)}
    for name, method in methods(context).items():
        call = context.calls[method.own]
        if any(is_bytes(argument) for argument in method.arguments):
            found[f"/{name}"] = FileMethod(call, method)
        else:
            found[f"/{name}"] = MlemMethod(call, method)
    return {**found, **{f"{path}/": Redirect(path, route.methods) for path, route in found.items()}}


def operations(context: Context) -> dict[str, dict[str, Any]]:
    """What OpenAPI says of the interface and of each method."""
    # Imported when it is asked for: a server need not describe itself to start.
    from tagboat_server.openapi.mlem import described_interface, described_method

    if shown(context) is None:
        return {}
    found = {f"/{name}": described_method(context, method) for name, method in methods(context).items()}
    return {INTERFACE: described_interface(), **found}


def is_bytes(argument: Argument) -> bool:
    """Whether the argument travels as a file."""
    return bool(argument.described.get("type") == "binary")


class MlemRoute(Route):
    """What refuses as MLEM's server does."""

    def refuse(self, rejection: Rejection) -> Response:
        """A refusal: MLEM's where it has one, otherwise in FastAPI's form."""
        status, answer = rejection.status, {"detail": rejection.message}
        if isinstance(rejection, Reply):
            answer = rejection.answer
        elif rejection.cause is not None:
            status, answer = 400, {"error": f"{type(rejection.cause).__name__}: {rejection.cause}"}
        elif rejection.kind is not None:
            # MLEM repeats the text of any error here. It may be nobody's business; the log has it.
            answer = {"error": f"{rejection.kind}: {rejection.message}, see the log for {rejection.identity}"}
            status = 400
        elif status == http.HTTPStatus.METHOD_NOT_ALLOWED:
            answer = {"detail": "Method Not Allowed"}
        return Response(status, JSON, msgspec.json.encode(answer), headers_of(rejection))


class Described(MlemRoute):
    """``/interface.json``."""

    methods = ("GET",)
    label = INTERFACE

    def __init__(self, interface: Interface) -> None:
        self.body = msgspec.json.encode(interface.document())

    async def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the contract's
        """Answer it."""
        return Response(200, JSON, self.body)


class Redirect(MlemRoute):
    """A path with a slash too many."""

    label = "redirect"

    def __init__(self, path: str, methods: tuple[str, ...]) -> None:
        self.path = path.encode()
        self.methods = methods

    async def __call__(self, request: Request) -> Response:
        """Say where it stands."""
        query = b"?" + request.query if request.query else b""
        return Response(307, b"text/plain", b"", ((b"location", self.path + query),))


class MlemMethod(MlemRoute):
    """One method: ``{"<argument>": value}``, answered by the bare result."""

    def __init__(self, call: Call, method: Exposed) -> None:
        self.call = call
        self.label = call.name
        self.method = method
        self.arguments = {argument.name: argument for argument in method.arguments}
        self.required = {argument.name for argument in method.arguments if argument.required}
        self.main = next((a.name for a in method.arguments if a.required), None)
        self.readers = {name: reader_for(argument.described) for name, argument in self.arguments.items()}
        self.whole = None if method.several or self.main is None else whole_reader(call, self.arguments[self.main])
        self.write = writer_for(method.returns)
        self.type = BYTES if method.returns.get("type") == "binary" else JSON
        self.tables = any("columns" in argument.described for argument in method.arguments)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        body = request.body
        content = request.headers.get(b"content-type", JSON)
        if content != JSON and not says_json(content):
            raise converted(body, list(self.arguments.values()), not_json()) if body else reply(b"", (), not_json())
        check_content(request.headers)
        try:
            taken = await self.call.apart(len(body), self.read, body)
        except Rejection as rejection:
            # The first refusal of a table imports pandas, which is not for the event loop.
            size = SMALL + 1 if self.tables and "pandas" not in sys.modules else len(body)
            raise await self.call.apart(size, reply, body, list(self.arguments.values()), rejection) from None
        result = await self.call.run(taken)
        answer = await self.call.apart(getattr(result, "nbytes", 0), written, self.call, self.write, result)
        return Response(200, self.type, answer, (), taken.rows)

    def read(self, body: bytes) -> Input:
        """The checked arguments. Raises `Rejection`."""
        try:
            given = READ.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise not_json() from None
        check_names(given, self.arguments, self.required, "")
        if self.whole is not None and given.keys() == {self.main}:
            return self.whole(given[self.main])
        taken = Given({self.arguments[name].own: self.readers[name](parsed(raw), name) for name, raw in given.items()})
        return Input(taken, rows_of_all(taken))


def whole_reader(call: Call, argument: Argument) -> Callable[[msgspec.Raw], Input]:
    """Reads a method's only argument from its JSON, by the decoder that the model's quickest way needs."""
    taken = call.signature.input
    kind = argument.described.get("type")
    read, name = reader_for(argument.described), argument.name
    if isinstance(taken, Frame) and kind == "dataframe":
        return TableReader(call, name)
    if isinstance(taken, Anything) or kind not in {"ndarray", "primitive", "array"}:

        def by_description(raw: msgspec.Raw) -> Input:
            value = read(parsed(raw), name)
            return Input(value, rows_of(value))

        return by_description

    def by_signature(raw: msgspec.Raw) -> Input:
        if kind == "array":
            # The description knows of sizes that the signature has no word for.
            read(parsed(raw), name)
        try:
            return call.decode(b'{"data":' + bytes(raw) + b"}")
        except Rejection as rejection:
            raise moved(rejection, name) from None

    return by_signature


class TableReader:
    """Reads ``{"values": [records]}`` without looking at each cell twice."""

    def __init__(self, call: Call, name: str) -> None:
        self.decode = call.decode
        self.name = name
        self.split = msgspec.json.Decoder(
            msgspec.defstruct("Values", [("values", msgspec.Raw)], forbid_unknown_fields=True)
        )

    def __call__(self, raw: msgspec.Raw) -> Input:
        """The checked table."""
        try:
            values = bytes(self.split.decode(raw).values)
        except (msgspec.DecodeError, UnicodeDecodeError):
            values_of(parsed(raw), self.name)
            raise not_json() from None
        if values[:1] == b"[" and values[1:].lstrip()[:1] == b"[":
            # Rows without names are ours, not MLEM's.
            values_of({"values": parsed(msgspec.Raw(values))}, self.name)
        try:
            return self.decode(b'{"data":' + values + b"}")
        except Rejection as rejection:
            raise moved(rejection, f"{self.name}.values") from None


class FileMethod(MlemMethod):
    """A method of bytes, which come as a file in a form, as MLEM's client sends them."""

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        kind = request.headers.get(b"content-type", b"")
        contents = await self.call.apart(len(request.body), file_in, request.body, kind, b"file")
        if contents is None:
            refused = Rejection(422, "there is no file", path="file", reason="body")
            detail = {"loc": ["body", "file"], "msg": "field required", "type": "value_error.missing"}
            raise Reply(422, {"detail": [detail]}, refused)
        result = await self.call.run(Input(contents, 1))
        answer = await self.call.apart(getattr(result, "nbytes", 0), written, self.call, self.write, result)
        return Response(200, self.type, answer, (), 1)


def says_json(content_type: bytes) -> bool:
    """Whether FastAPI takes a body of this type for JSON."""
    kind = content_type.partition(b";")[0].strip().lower()
    return kind.startswith(b"application/") and (kind == b"application/json" or kind.endswith(b"+json"))


def not_json() -> Rejection:
    """What the reader of a body says that is no object of JSON; the sender is told by `reply`."""
    return Rejection(422, "the body is no JSON object", reason="json")


def parsed(raw: msgspec.Raw) -> Any:
    """The JSON value of a part of a body."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_json() from None


def written(call: Call, write: Callable[[Any], bytes], result: Any) -> bytes:
    """A result as the answer's body. Raises `Rejection` 500 for what has no form there."""
    made: bytes = call.guarded(write, result, of_input=False)
    return made
