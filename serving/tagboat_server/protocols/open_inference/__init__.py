"""The Open Inference Protocol, version 2, over HTTP: health, metadata, and ``infer`` with JSON and binary tensors.

`routes` makes its paths. The modules: `documents` is the JSON of a request, `json_tensors` and `binary` its data,
`models` what can be asked for, `outputs` what is answered, `inferring` a request from end to end.
"""

from __future__ import annotations

from typing import Any, Callable

import msgspec

from tagboat_server import __version__
from tagboat_server.errors import Rejection
from tagboat_server.protocols.base import JSON, Context, Request, Response, Route
from tagboat_server.protocols.open_inference.inferring import Infer
from tagboat_server.protocols.open_inference.models import SINGLE, Model, absent, models_of, release_parameters
from tagboat_server.protocols.open_inference.refusing import refusal

PREFIX = "/v2/"
"""How this protocol's paths begin."""

MODELS = "/v2/models/"

EXTENSIONS = ("binary_tensor_data",)

SERVER = "tagboat-server"

NO_STORE = ((b"cache-control", b"no-store"),)

refuse = refusal


class Get(Route):
    """An answer to GET. ``make`` gives its document, and whether all is well."""

    methods = ("GET", "HEAD")

    def __init__(self, label: str, make: Callable[[], tuple[dict[str, Any], bool]]) -> None:
        self.label = label
        self.make = make

    async def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the contract's
        """Make it."""
        document, good = self.make()
        return Response(200 if good else 503, JSON, msgspec.json.encode(document), NO_STORE)

    def refuse(self, rejection: Rejection) -> Response:
        """A refusal in this protocol's form."""
        return refusal(rejection)


def routes(context: Context) -> dict[str, Route]:
    """Every path of the protocol. Slashes in an artifact's name may be percent-encoded or not."""
    state = context.state
    release = release_parameters(context)
    server = {"name": SERVER, "version": __version__, "extensions": list(EXTENSIONS), "parameters": release}
    found: dict[str, Route] = {
        "/v2": Get("/v2", lambda: (server, True)),
        "/v2/health/live": Get("/v2/health/live", lambda: ({"live": state.alive, "parameters": release}, state.alive)),
        "/v2/health/ready": Get(
            "/v2/health/ready", lambda: ({"ready": state.ready, "parameters": release}, state.ready)
        ),
    }
    for name, model in models_of(context).items():
        for base in (name, *(f"{name}/versions/{version}" for version in model.versions)):
            found[MODELS + base] = Get("/v2/models", lambda model=model: (metadata(model), True))  # type: ignore[misc]
            found[f"{MODELS}{base}/ready"] = Get("/v2/models/ready", lambda model=model: readiness(model))  # type: ignore[misc]
            found[f"{MODELS}{base}/infer"] = Infer(model)
    return found


def operations(context: Context) -> dict[str, dict[str, Any]]:
    """What OpenAPI says of the server and of each model, without its versions."""
    # Imported when it is asked for: a server need not describe itself to start.
    from tagboat_server.openapi import open_inference as described
    from tagboat_server.openapi.examples import Sample

    found = described.server()
    for name, model in models_of(context).items():
        example = described.inputs_of(model.call.signature.input, Sample(context.sample), SINGLE)
        outputs = [tensor.name for tensor in model.outputs]
        limit = context.settings.max_body
        found.update(described.model(MODELS + name, name, model.call.name, example, outputs, limit))
    return found


def metadata(model: Model) -> dict[str, Any]:
    """The document that describes a model."""
    return {
        "name": model.name,
        "versions": [model.version] if model.version is not None else [],
        "platform": model.platform,
        "inputs": [tensor._asdict() for tensor in model.inputs],
        "outputs": [tensor._asdict() for tensor in model.outputs],
        "parameters": model.parameters,
    }


def readiness(model: Model) -> tuple[dict[str, Any], bool]:
    """Whether a model may be asked."""
    ready = model.state.ready
    return {"name": model.name, "ready": ready, "parameters": model.parameters}, ready


def absence(context: Context, path: str) -> Rejection:
    """Why there is nothing at a path that begins as ours do."""
    if not path.startswith(MODELS):
        return Rejection(
            404, "there is nothing here", hint="The protocol's paths are /v2, /v2/health/… and /v2/models/…."
        )
    models = models_of(context)
    asked = path[len(MODELS) :]
    for name in models:
        if asked.startswith(f"{name}/versions/"):
            return absent(models, name, asked[len(name) + len("/versions/") :].partition("/")[0])
        if asked.startswith(f"{name}/"):
            return Rejection(404, "a model has ready, infer and versions/<version>, and nothing else", path=name)
    name = asked.partition("/versions/")[0]
    for end in ("/infer", "/ready"):
        name = name.removesuffix(end)
    return absent(models, name, None)
