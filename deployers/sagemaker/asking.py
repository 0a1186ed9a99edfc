"""The way to an endpoint whose answers name no release: somebody else's container, or an asynchronous one.

Our server names its release in its answers. Where none is named, what `deployers.sagemaker.tracing` has found is put in
its place, so that whoever verifies a release asks every target alike; how it was proved stands in `Proof`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from deployers.base import Request, Response
from deployers.errors import UnreachableError
from deployers.sagemaker import calling, waiting
from deployers.sagemaker.bucket import Bucket
from deployers.sagemaker.calling import Entrance
from deployers.sagemaker.looking import Proof
from deployers.sagemaker.payloads import EndpointKind
from deployers.sagemaker.settings import SagemakerSettings

RELEASE = "x-tagboat-release"


def is_silent(settings: SagemakerSettings) -> bool:
    """Whether no answer of the target's endpoints names a release."""
    return settings.container is not None or settings.kind is EndpointKind.ASYNCHRONOUS


@dataclass(frozen=True)
class Silent:
    """An endpoint whose answers name no release. ``prove``: what it serves by AWS's own account, at each call."""

    settings: SagemakerSettings
    bucket: Bucket
    entrance: Entrance
    prove: Callable[[], Proof]
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def call(self, request: Request) -> Response:
        """Ask it; whether it is ready, its configuration says. Raises `UnreachableError` when nothing answers."""
        proof = self.prove()
        if proof.release_id is None:
            raise UnreachableError(
                proof.problem or "nothing of ours is served", where=f"Endpoint {self.entrance.endpoint}"
            )
        named = {RELEASE: proof.release_id}
        if request.path == calling.READY_PATH:
            return Response(status=200, headers=named, body=b"", seconds=0.0)
        attributes = calling.attributes_for(request) if self.settings.container is None else ""
        if self.settings.kind is EndpointKind.ASYNCHRONOUS:
            answer = waiting.call(
                self.bucket, self.entrance.endpoint, request, attributes, clock=self.clock, sleep=self.sleep
            )
        else:
            answer = calling.invoke(self.bucket.amazon, self.entrance, request, attributes, self.clock)
        return replace(answer, headers={**answer.headers, **named})
