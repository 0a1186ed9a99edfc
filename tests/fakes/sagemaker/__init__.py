"""A SageMaker of a few pages, built from botocore's own model of it, for what no real one can be had for in a test.

    with SageMaker(moto) as sagemaker:                        # moto: a server process for all the other services
        boto3.client("s3", endpoint_url=sagemaker.address)    # every client talks to the one address
        sagemaker.containers.scripts["broken"] = Script(kind="crash", log="ValueError: no such column\\n")
        sagemaker.delay(3)                                    # three Describe calls see what is under way
        sagemaker.throttle("CreateModel")
        sagemaker.fail("UpdateEndpoint", status=500, after_write=True)
        sagemaker.end("churn", "UpdateRollbackFailed", "out of capacity")

Nothing in it waits: what takes time takes Describe calls, or with `hold` the steps that the test lets pass. Requests and
answers are checked against the service model, patterns and limits included (`shapes`). What is not here: pipelines,
multi-model endpoints, training, everything else of SageMaker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.containers import Containers, Script
from tests.fakes.sagemaker.control import Control
from tests.fakes.sagemaker.errors import Refusal, denied, throttled
from tests.fakes.sagemaker.faults import Call, Fault
from tests.fakes.sagemaker.front import Front
from tests.fakes.sagemaker.moto import Moto
from tests.fakes.sagemaker.runtime import Runtime
from tests.fakes.sagemaker.store import ACCOUNT, REGION, Store

__all__ = ["ACCOUNT", "REGION", "Call", "Moto", "SageMaker", "Script"]

Document = dict[str, Any]


class SageMaker:
    """The running fake, and what a test orders of it."""

    def __init__(self, moto: Moto) -> None:
        self.account = Account(moto)
        self.control = Control(self.account)
        self.runtime = Runtime(self.account)
        self.front = Front(self.control, self.runtime, moto.address)

    def __enter__(self) -> Self:
        self.front.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.front.__exit__()

    @property
    def address(self) -> str:
        """Where clients send everything."""
        return self.front.address

    @property
    def state(self) -> Store:
        """All that there is, also what is not to be seen yet."""
        return self.account.store

    @property
    def containers(self) -> Containers:
        """The scripts of images."""
        return self.account.containers

    @property
    def calls(self) -> list[Call]:
        """Every call that has come in, of all services."""
        return self.front.calls

    @property
    def actions(self) -> set[str]:
        """What IAM must allow for all the calls so far."""
        return {action for call in self.calls for action in call.actions}

    @property
    def misdeeds(self) -> list[str]:
        """What AWS allows and nobody should do, such as deleting a configuration in use."""
        return self.account.misdeeds

    # Time

    def delay(self, steps: int) -> None:
        """So many Describe calls see something in transition before it is through; with 0 everything is at once."""
        self.account.steps = steps

    def hold(self) -> None:
        """Time stands still until `advance`."""
        self.account.manual = True

    def advance(self, steps: int = 1) -> None:
        """Let time pass for everything that changes."""
        self.control.advance(steps)

    def unseen(self, kind: str, looks: int) -> None:
        """The next object of a kind (``model``, ``endpoint-config``, ``endpoint``) is not found at first."""
        self.account.store.hidden[kind] = looks

    def answer_late(self, looks: int) -> None:
        """Asynchronous answers appear after so many looks for them."""
        self.runtime.looks = looks

    # Trouble

    def fail(
        self,
        operation: str,
        *,
        code: str = "InternalFailure",
        message: str = "The request processing has failed because of an unknown error.",
        status: int = 500,
        times: int = 1,
        after_write: bool = False,
        when: Callable[[Document], bool] = lambda _: True,
    ) -> None:
        """The next calls of an operation (``CreateModel``, ``s3:PutObject``) are refused, or done and then refused."""
        self._order(Fault(operation, Refusal(code, message, status), when, times, after_write))

    def throttle(self, operation: str = "*", times: int = 1) -> None:
        """The next calls of an operation are one too many."""
        self._order(Fault(operation, throttled(), lambda _: True, times))

    def deny(self, action: str) -> None:
        """No policy allows an action (``sagemaker:CreateModel``, ``iam:PassRole``), ever."""
        self.account.denied.add(action)
        user = f"arn:aws:iam::{ACCOUNT}:user/test"
        self._order(Fault(action, denied(action, user), lambda _: True, -1))

    def cut(self, operation: str, *, times: int = 1, after_write: bool = False) -> None:
        """The connection is lost, before the call is carried out or after."""
        self._order(Fault(operation, None, lambda _: True, times, after_write, cut=True))

    def end(self, endpoint: str, status: str, reason: str = "") -> None:
        """How the next transition of an endpoint ends: any status, ``RollingBack`` for a way back."""
        self.account.endings[endpoint.lower()] = (status, reason)

    def force(self, endpoint: str, status: str, reason: str | None = None) -> None:
        """An endpoint is at a status, by itself, as by SageMaker's own maintenance."""
        stored = self.state.peek("endpoint", endpoint)
        assert stored is not None, f"there is no endpoint {endpoint}"
        stored.state.agenda.clear()
        self.control.transitions.moved(stored.state, status, reason)

    def quota(self, instance_type: str, limit: int) -> None:
        """How many instances of a type the account may have."""
        self.account.quotas[instance_type] = limit

    def take_images_from(self, registry: str) -> None:
        """A registry (``127.0.0.1:5000``) counts as ECR, and its images must really be there."""
        self.account.registries.add(registry)

    def not_ready(self, times: int = 1) -> None:
        """The next invocations come while a serverless variant or a model is still being made ready."""
        text = (
            "Either a serverless variant's resources are still being provisioned, or a multi-model endpoint is still "
            "downloading or loading the target model. Wait and try your request again."
        )
        self.fail("InvokeEndpoint", code="ModelNotReadyException", message=text, status=429, times=times)

    def _order(self, fault: Fault) -> None:
        self.front.faults.orders.append(fault)
