"""What a test orders to go wrong, and the form in which each protocol says an error."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from tests.fakes.sagemaker.errors import Refusal
from tests.fakes.sagemaker.rights import needed

Document = dict[str, Any]


class Call(NamedTuple):
    """One call, of any service. ``given``: its input, where it is SageMaker's."""

    service: str
    operation: str
    given: Document

    @property
    def actions(self) -> tuple[str, ...]:
        """What IAM's policies must allow for it."""
        return needed(self.service, self.operation, self.given)


@dataclasses.dataclass
class Fault:
    """One thing that goes wrong, ``times`` times: a refusal before anything happens or after it did, or a cut."""

    operation: str
    refusal: Refusal | None
    when: Callable[[Document], bool]
    times: int = 1
    after: bool = False
    cut: bool = False


class Faults:
    """The orders that have not been carried out."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []
        self.lock = threading.Lock()

    def next(self, call: Call) -> Fault | None:
        """The fault that a call meets."""
        with self.lock:
            for fault in self.orders:
                names = {"*", call.operation, f"{call.service}:{call.operation}", *call.actions}
                if fault.operation in names and fault.when(call.given):
                    fault.times -= 1
                    if fault.times == 0:
                        self.orders.remove(fault)
                    return fault
        return None


def body(refusal: Refusal, style: str) -> tuple[int, str, bytes]:
    """The status, content type and body of an error: ``json``, ``xml`` as S3's, or ``query`` as STS' and IAM's."""
    if style != "json" and refusal.code == "AccessDeniedException":
        refusal = Refusal("AccessDenied", refusal.message, 403)
    if style == "json":
        document = {"__type": refusal.code, "message": refusal.message, "Message": refusal.message, **refusal.more}
        return refusal.status, "application/x-amz-json-1.1", json.dumps(document).encode()
    inner = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
    if style == "xml":
        return refusal.status, "application/xml", f"<Error>{inner}<RequestId>fake</RequestId></Error>".encode()
    whole = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>fake</RequestId></ErrorResponse>"
    return refusal.status, "text/xml", whole.encode()
