"""Which release an endpoint serves: asked of the server itself."""

from __future__ import annotations

from deployers.errors import TagboatError, UnreachableError
from deployers.sagemaker import calling
from deployers.sagemaker.calling import Entrance
from deployers.sagemaker.looking import Proof
from deployers.sagemaker.wire import Amazon


def ask_server(amazon: Amazon, entrance: Entrance) -> Proof:
    """What the server that answers says of itself."""
    try:
        answer = calling.call(amazon, entrance, calling.READY)
    except UnreachableError as error:
        return Proof(problem=f"nothing answers: {error.message}")
    except TagboatError as error:
        return Proof(problem=error.message)
    release_id = answer.headers.get("x-tagboat-release")
    if answer.status != 200:
        return Proof(release_id, problem=f"the server says that it is not ready (status {answer.status})")
    if release_id is None:
        return Proof(problem="what answers names no release: it is no server of ours")
    return Proof(release_id, proved_by="server")
