"""The protocol over gRPC: ``inference.GRPCInferenceService``, for the same models and in the same event loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any, Callable, NamedTuple, Optional

from tagboat_server import __version__, tracing
from tagboat_server.errors import Rejection
from tagboat_server.execution import NeverBegunError
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.protocols.base import COUNTED, Context
from tagboat_server.protocols.open_inference import SERVER, remote_tensors
from tagboat_server.protocols.open_inference.documents import refuse_twice
from tagboat_server.protocols.open_inference.messages import SERVICE, Classes
from tagboat_server.protocols.open_inference.models import Model, absent, models_of
from tagboat_server.protocols.open_inference.refusing import message_of
from tagboat_server.tracing import CURRENT

CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    422: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""A refusal's status in gRPC's words; INTERNAL for any other."""

LABEL = "grpc"
"""The label in metrics of what is no call of the model."""


class Answered(NamedTuple):
    """An answer, and what is counted and logged of it."""

    message: Any
    label: str = LABEL
    rows: Optional[int] = None


class Service:
    """The service's methods. The metrics and the access log count them as requests, by HTTP's statuses."""

    def __init__(self, context: Context, metrics: Metrics, log: Log) -> None:
        self.context = context
        self.state = context.state
        self.metrics = metrics
        self.log = log
        self.models = models_of(context)
        self.classes = Classes()
        self.methods: dict[str, Callable[[Any], Awaitable[Answered]]] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.infer,
        }
        release = context.identity.release
        self.headers = (("x-tagboat-release", release),) if release else ()

    def handler(self) -> Any:
        """What a server of grpcio's is given."""
        import grpc

        return grpc.method_handlers_generic_handler(
            SERVICE,
            {name: grpc.unary_unary_rpc_method_handler(self.answering(name)) for name in self.methods},
        )

    def answering(self, name: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
        """What answers calls of one method: a coroutine function, which a partial is not to older grpcios."""

        async def answer(body: bytes, call: Any) -> bytes:
            return await self.answer(name, body, call)

        return answer

    async def answer(self, name: str, body: bytes, call: Any) -> bytes:
        """Answer one call: bytes to bytes."""
        started = time.perf_counter()
        status, label, rows = 499, LABEL, None
        call.set_trailing_metadata(self.headers)
        trace = tracing.read(octets(call.invocation_metadata()))
        CURRENT.set(trace)
        try:
            answered = await self.methods[name](self.parsed(f"{name}Request", body))
            status, label, rows = 200, answered.label, answered.rows
            made: bytes = answered.message.SerializeToString()
        except Rejection as rejection:
            status, label = rejection.status, self.counted(rejection)
            await self.abort(call, rejection)
            raise
        except NeverBegunError:
            self.metrics.dropped.labels(label).inc()
            raise
        except Exception as error:
            status = 500
            self.log.failure("grpc-failed", error)
            await self.abort(call, Rejection(500, "the server failed"))
            raise
        finally:
            seconds = time.perf_counter() - started
            self.metrics.answered(label, status, seconds)
            if self.log.access:
                self.log.request(line_of(name), status, seconds, rows, self.context.identity.release, trace)
        return made

    async def abort(self, call: Any, rejection: Rejection) -> None:
        """End a call with a refusal. Raises what grpcio wants raised."""
        import grpc

        code = getattr(grpc.StatusCode, CODES.get(rejection.status, "INTERNAL"))
        await call.abort(code, message_of(rejection), self.headers)

    def counted(self, rejection: Rejection) -> str:
        """Count a refusal that is the sender's; gives the label of what refused it."""
        refused = getattr(rejection, "call", None)
        label = refused.name if refused is not None else LABEL
        if rejection.status in COUNTED:
            field = refused.field_of(rejection.path) if refused is not None else None
            self.metrics.refuse(label, rejection.reason, field)
        return label

    def parsed(self, name: str, body: bytes) -> Any:
        """A request's message. Raises `Rejection` 400 for what is none."""
        message = self.classes[name]()
        try:
            message.ParseFromString(body)
        except Exception as error:  # noqa: BLE001 - each version and implementation of protobuf raises its own
            raise Rejection(400, f"this is no {name}: {error}", reason="document") from None
        return message

    def model(self, name: str, version: str) -> Model:
        """The model of a name and a version, which may be empty. Raises `Rejection` 404."""
        model = self.models.get(name)
        if model is None or (version and version not in model.versions):
            raise absent(self.models, name, version)
        return model

    async def server_live(self, _: Any) -> Answered:
        """Whether the process is worth keeping."""
        return Answered(self.classes["ServerLiveResponse"](live=self.state.alive))

    async def server_ready(self, _: Any) -> Answered:
        """Whether new requests are welcome."""
        return Answered(self.classes["ServerReadyResponse"](ready=self.state.ready))

    async def model_ready(self, request: Any) -> Answered:
        """Whether a model is here and may be asked."""
        try:
            ready = self.model(request.name, request.version).state.ready
        except Rejection:
            ready = False
        return Answered(self.classes["ModelReadyResponse"](ready=ready))

    async def server_metadata(self, _: Any) -> Answered:
        """The server's name and version."""
        return Answered(self.classes["ServerMetadataResponse"](name=SERVER, version=__version__))

    async def model_metadata(self, request: Any) -> Answered:
        """A model's inputs and outputs."""
        model = self.model(request.name, request.version)
        message = self.classes["ModelMetadataResponse"](
            name=model.name,
            versions=model.versions[:1],
            platform=model.platform,
            inputs=[tensor._asdict() for tensor in model.inputs],
            outputs=[tensor._asdict() for tensor in model.outputs],
        )
        return Answered(message)

    async def infer(self, request: Any) -> Answered:
        """The model's answer."""
        model = self.model(request.model_name, request.model_version)
        call = model.call
        try:
            size = request.ByteSize()
            arrays = await call.apart(size, self.taken, request)
            given = await call.apart(size, model.fit, arrays)
            result = await call.run(given)
            message = await call.apart(getattr(result, "nbytes", 0), self.answered, model, request, result)
        except Rejection as rejection:
            rejection.call = call  # type: ignore[attr-defined]
            raise
        return Answered(message, call.name, given.rows)

    def taken(self, request: Any) -> dict[str, Any]:
        """The request's inputs by name."""
        names = [tensor.name for tensor in request.inputs]
        if not names:
            raise Rejection(400, "there are no inputs", path="inputs", reason="missing-column")
        refuse_twice(names, "inputs")
        refuse_twice([output.name for output in request.outputs], "outputs")
        for tensor in (*request.inputs, *request.outputs):
            for name in tensor.parameters:
                if name.startswith("shared_memory_") or name == "classification":
                    message = f"the parameter {name[:50]!r} is of an extension that is not served"
                    raise Rejection(400, message, path=tensor.name[:100])
        return dict(remote_tensors.read(request))

    def answered(self, model: Model, request: Any, result: Any) -> Any:
        """The message of a result, in the form in which the request came."""
        tensors = model.tensors(result)
        if request.outputs:
            for output in request.outputs:
                if output.name not in tensors:
                    known = ", ".join(tensors)
                    message = f"there is no output {output.name[:100]!r}, there is {known[:500]}"
                    raise Rejection(400, message, path="outputs")
            tensors = {output.name: tensors[output.name] for output in request.outputs}
        response = self.classes["ModelInferResponse"](
            model_name=model.name, model_version=model.version or "", id=request.id
        )
        for name, value in model.parameters.items():
            response.parameters[name].string_param = value
        remote_tensors.write(response, tensors, raw=bool(request.raw_input_contents))
        return response


def octets(metadata: Any) -> list[tuple[bytes, bytes]]:
    """The metadata of a call as HTTP has its headers."""
    return [
        (key.encode(), value if isinstance(value, bytes) else value.encode("latin-1", "replace"))
        for key, value in metadata or ()
    ]


def line_of(name: str) -> dict[str, Any]:
    """A call in the words of the access log; behind the relay grpcio does not know the client's address."""
    return {"method": "GRPC", "path": f"/{SERVICE}/{name}", "client": None}
