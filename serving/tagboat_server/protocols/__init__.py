"""The ways in which a model can be asked; each module is one protocol, and `table` joins them.

Where two protocols claim one path, the one that stands later in `PROTOCOLS` has it. Methods of the model never claim
what `RESERVED` names, and our own protocol leaves ``/<method>`` to MLEM's for a model that MLEM describes.
docs/serving.md has the table.
"""

from __future__ import annotations

from typing import Optional

from tagboat_server.errors import Rejection
from tagboat_server.protocols import invocations, mlem, native, open_inference
from tagboat_server.protocols.base import RESERVED as RESERVED
from tagboat_server.protocols.base import Context, Response, Route, refusal

PROTOCOLS = (native, mlem, invocations, open_inference)
"""From the weakest claim on a path to the strongest."""


def table(context: Context) -> dict[str, Route]:
    """The dispatch table: what answers at which path."""
    joined: dict[str, Route] = {}
    for protocol in PROTOCOLS:
        joined.update(protocol.routes(context))
    return joined


def method_paths(context: Context) -> list[str]:
    """Where each method of the model stands by our own protocol."""
    return [native.paths(context, name)[0] for name in context.calls]


def absence(context: Context, path: str) -> Optional[Rejection]:
    """Why nothing stands at a path, where the protocol whose paths begin like this one can tell."""
    for protocol in PROTOCOLS:
        prefix = getattr(protocol, "PREFIX", None)
        if prefix is not None and path.startswith(prefix) and hasattr(protocol, "absence"):
            found: Rejection = protocol.absence(context, path)
            return found
    return None


def refusal_at(path: str, rejection: Rejection) -> Response:
    """A refusal where nothing stands, in the form of the protocol whose paths begin like this one."""
    for protocol in PROTOCOLS:
        prefix = getattr(protocol, "PREFIX", None)
        if prefix is not None and path.startswith(prefix):
            refused: Response = protocol.refuse(rejection)
            return refused
    return refusal(rejection)
