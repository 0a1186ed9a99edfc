"""Invocations: from the endpoint to a container, with what SageMaker passes on, refuses and makes of failures."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any, NamedTuple

from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.containers import Answer
from tests.fakes.sagemaker.endpoints import SERVING, Endpoint
from tests.fakes.sagemaker.errors import Refusal
from tests.fakes.sagemaker.store import ACCOUNT, REGION
from tests.fakes.sagemaker.traffic import Invocation
from tests.fakes.sagemaker.variants import Variant

Document = dict[str, Any]

MOST = 6_291_456
MOST_SERVERLESS = 4 * 1024 * 1024
"""Bytes of a request or an answer: the service model's own figure, and the documentation's of serverless inference."""

ENDPOINTS, COMPONENTS = "/aws/sagemaker/Endpoints/", "/aws/sagemaker/InferenceComponents/"

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


class Asked(NamedTuple):
    """Who answers: the containers of a variant of a configuration, or of a component on it."""

    config: str
    variant: Variant
    containers: list[Document]
    component: str | None = None

    def logs(self, endpoint: str) -> str:
        """The group of logs that they write to."""
        return f"{COMPONENTS}{self.component}" if self.component else f"{ENDPOINTS}{endpoint}"


class Order(NamedTuple):
    """An asynchronous invocation that has not been carried out. ``looks``: that miss its answer yet."""

    endpoint: Endpoint
    given: Document
    output: str
    failure: str | None
    looks: int


class Runtime:
    """Answers InvokeEndpoint and InvokeEndpointAsync."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.waiting: dict[str, Order] = {}
        self.looks = 0

    def find(self, name: str) -> Endpoint:
        """An endpoint that answers; its name must be given as it was, capitals and all."""
        stored = self.account.store.peek("endpoint", name)
        if stored is None or stored.name != name or stored.state.status not in SERVING:
            raise Refusal("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        endpoint: Endpoint = stored.state
        return endpoint

    def invoke(self, given: Document) -> Document:
        """InvokeEndpoint."""
        with self.account.store.lock:
            endpoint = self.find(given["EndpointName"])
            config = self.account.store.peek("endpoint-config", endpoint.live.config)
            if config is not None and "AsyncInferenceConfig" in config.given:
                raise Refusal("ValidationError", "Endpoint is an asynchronous one: use InvokeEndpointAsync.")
            asked = self.choose(endpoint, given)
        most = MOST_SERVERLESS if asked.variant.serverless is not None else MOST
        self.check_size(given["Body"], most)
        for shadow in endpoint.live.shadows:
            with contextlib.suppress(Refusal):  # nobody waits for what a shadow says
                self.ask(endpoint, Asked(endpoint.live.config, shadow, shadow.containers), given)
        answer = self.ask(endpoint, asked, given)
        if len(answer.body) > most:
            raise self.model_error(endpoint, 0, f"Response payload size of {len(answer.body)} exceeds {most} bytes")
        said = {"Body": answer.body, "InvokedProductionVariant": asked.variant.name,
                "ContentType": answer.headers.get("content-type", "")}  # fmt: skip
        return said | ({"CustomAttributes": answer.headers[ATTRIBUTES]} if ATTRIBUTES in answer.headers else {})

    def check_size(self, body: bytes, most: int) -> None:
        """Refused where a request is too large."""
        if len(body) > most:
            raise Refusal("ValidationError", f"1 validation error detected: Value at 'body' failed to satisfy constraint: "
                          f"Member must have length less than or equal to {most}", 413)  # fmt: skip

    def choose(self, endpoint: Endpoint, given: Document) -> Asked:
        """Who answers: the variant or component that is named, or one by the weights in turn."""
        name = given.get("InferenceComponentName")
        if name is not None:
            stored = self.account.store.peek("inference-component", name)
            if stored is None or stored.state.endpoint is not endpoint.stored or not stored.state.running:
                raise Refusal("ValidationError", f"Inference Component {name} of account {ACCOUNT} not found.")
            variant = next(each for each in endpoint.live.variants if each.name == stored.state.variant)
            return Asked(endpoint.live.config, variant, stored.state.containers, stored.name)
        endpoint.turn += 1
        fleet = endpoint.live
        if endpoint.pending and int(endpoint.turn * endpoint.share) > int((endpoint.turn - 1) * endpoint.share):
            fleet = endpoint.pending
        variants = fleet.variants
        if "TargetVariant" in given:
            variants = [each for each in variants if each.name == given["TargetVariant"]]
            if not variants:
                raise Refusal("ValidationError", f"Variant {given['TargetVariant']} not found on endpoint.")
        chosen = by_weight(variants, endpoint.turn)
        if "ModelName" not in chosen.given:
            raise Refusal("ValidationError", "Inference Component Name header is required for endpoints to which you "
                          "plan to deploy inference components. Please include Inference Component Name header or "
                          "consider using SageMaker models.")  # fmt: skip
        return Asked(fleet.config, chosen, chosen.containers)

    def ask(self, endpoint: Endpoint, asked: Asked, given: Document) -> Answer:
        """Each container in turn, with the answer of the one before."""
        passed = {"ContentType": "content-type", "Accept": "accept", "CustomAttributes": ATTRIBUTES}
        headers = {header: given[key] for key, header in passed.items() if key in given}
        answer = Answer(200, {}, given["Body"])
        for container in asked.containers:
            script = self.account.containers.script(container)
            if script.late:
                self.count(endpoint, asked, 500, 60.0)
                raise self.model_error(
                    endpoint, 0, "Your invocation timed out while waiting for a response from container primary. "
                    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
                )  # fmt: skip
            answer = self.account.containers.answer(container, headers, answer.body)
            if answer.status != 200:
                self.count(endpoint, asked, answer.status, script.seconds)
                if script.complaint:
                    group = asked.logs(endpoint.stored.name)
                    self.account.elsewhere.log(group, f"{asked.variant.name}/i-complains", [script.complaint])
                raise self.model_error(endpoint, answer.status, answer.body.decode(errors="replace"))
            if container is asked.containers[-1]:
                self.count(endpoint, asked, 200, script.seconds)
        return answer

    def count(self, endpoint: Endpoint, asked: Asked, status: int, seconds: float) -> None:
        """What CloudWatch will know of an answer."""
        name, variant, at = endpoint.stored.name, asked.variant.name, self.account.store.now()
        self.account.invocations.append(Invocation(name, variant, asked.config, status, seconds, at, asked.component))

    def model_error(self, endpoint: Endpoint, status: int, said: str) -> Refusal:
        """What is made of a container's failure."""
        name = endpoint.stored.name
        group = f"{ENDPOINTS}{name}"
        place = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#logEventViewer:group={group}"
        kind = "client" if 400 <= status < 500 else "server"
        message = (f'Received {kind} error ({status}) from primary with message "{said[:1000]}". '
                   f"See {place} in account {ACCOUNT} for more information.")  # fmt: skip
        return Refusal("ModelError", message[:2048], 424, OriginalStatusCode=status, OriginalMessage=said[:2048],
                       LogStreamArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}")  # fmt: skip

    # Asynchronous

    def invoke_async(self, given: Document) -> Document:
        """InvokeEndpointAsync: accepted; the answer comes into S3."""
        endpoint = self.find(given["EndpointName"])
        config = self.account.store.peek("endpoint-config", endpoint.live.config)
        settings = (config.given if config else {}).get("AsyncInferenceConfig")
        if settings is None:
            raise Refusal("ValidationError", f"Endpoint {given['EndpointName']} is not an asynchronous endpoint.")
        if ("InputLocation" in given) == ("Body" in given):
            raise Refusal("ValidationError", "Either InputLocation or a body is required.")
        if "InputLocation" in given and not self.account.elsewhere.holds(given["InputLocation"]):
            raise Refusal("ValidationError", f"Input location {given['InputLocation']} could not be found.")
        number = given.get("InferenceId") or secrets.token_hex(16)
        places = settings["OutputConfig"]
        output = f"{places['S3OutputPath'].rstrip('/')}/{secrets.token_hex(16)}.out"
        failure = f"{places['S3FailurePath'].rstrip('/')}/{number}-error.out" if "S3FailurePath" in places else None
        self.waiting[output] = Order(endpoint, given, output, failure, self.looks)
        self.looked(output, first=True)
        said = {"InferenceId": number, "OutputLocation": output}
        return said | ({"FailureLocation": failure} if failure else {})

    def looked(self, uri: str, *, first: bool = False) -> None:
        """Somebody looks for an object in S3: carry out what it waits for, if it has waited long enough."""
        order = next((each for each in self.waiting.values() if uri in {each.output, each.failure}), None)
        if order is None:
            return
        if order.looks > 0:
            self.waiting[order.output] = order._replace(looks=order.looks - (0 if first else 1))
            return
        del self.waiting[order.output]
        body = order.given.get("Body") or self.account.elsewhere.read(order.given.get("InputLocation", "")) or b""
        try:
            asked = self.choose(order.endpoint, order.given)
            answer = self.ask(order.endpoint, asked, {**order.given, "Body": body})
            self.account.elsewhere.write(order.output, answer.body)
        except Refusal as refusal:
            if order.failure:
                self.account.elsewhere.write(order.failure, refusal.message.encode())


def by_weight(variants: list[Variant], turn: int) -> Variant:
    """One of the variants: over many turns each as often as its weight says."""
    total = sum(each.weight for each in variants)
    if not total:
        return variants[turn % len(variants)]
    place, passed = (turn * 0.618033988749895) % 1.0 * total, 0.0
    for each in variants:
        passed += each.weight
        if place < passed:
            return each
    return variants[-1]
