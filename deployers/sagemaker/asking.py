"""The way to an endpoint whose answers name no release: somebody else's container.

Our server names its release in its answers. Where none is named, what `deployers.sagemaker.tracing` has found is put in
its place, so that whoever verifies a release asks every target alike; how it was proved stands in `Proof`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from deployers.base import Request, Response
from deployers.errors import UnreachableError
from deployers.sagemaker import calling
from deployers.sagemaker.looking import Proof
from deployers.sagemaker.wire import Amazon

RELEASE = "x-tagboat-release"


@dataclass(frozen=True)
class Silent:
    """An endpoint whose answers name no release. ``prove``: what it serves by AWS's own account, at each call."""

    amazon: Amazon
    endpoint: str
    prove: Callable[[], Proof]

    def call(self, request: Request) -> Response:
        """Ask it; whether it is ready, its configuration says. Raises `UnreachableError` when nothing answers."""
        proof = self.prove()
        if proof.release_id is None:
            raise UnreachableError(proof.problem or "nothing of ours is served", where=f"Endpoint {self.endpoint}")
        named = {RELEASE: proof.release_id}
        if request.path == calling.READY_PATH:
            return Response(status=200, headers=named, body=b"", seconds=0.0)
        answer = calling.invoke(self.amazon, self.endpoint, request)
        return replace(answer, headers={**answer.headers, **named})
