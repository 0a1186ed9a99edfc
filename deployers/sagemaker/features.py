"""What goes together on an endpoint, and what each kind cannot do: refused at plan time, by the key that asks for it.

Sources, all of the SageMaker developer guide: "Deploy models with Serverless Inference" (feature exclusions), "Shadow
tests" and "Deployment guardrails" (exclusions); of the API reference ContainerDefinition (ModelDataSource) and
CreateEndpointConfig (ShadowProductionVariants).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployers.errors import CapabilityError
from deployers.sagemaker import alarms
from deployers.sagemaker.names import VARIANT
from deployers.sagemaker.payloads import EndpointKind
from deployers.sagemaker.settings import SagemakerSettings

Refusal = tuple[str, str, str]
"""The key, what is wrong with it, and what to do."""

SERVERLESS_LACKS = {
    "vpc": "a network of yours",
    "network_isolation": "isolation from the network",
    "data_capture": "data capture",
    "variants": "further variants",
    "shadow": "a shadow",
    "kms_key": "a key for volumes",
    "volume_size": "volumes",
}
"""By the field of the settings."""

MOST_ALARMS = 10
"""The most that may bring a deployment back."""


def check(settings: SagemakerSettings, target: str) -> None:
    """Raise `CapabilityError` for the first thing that this kind of endpoint cannot do."""
    for key, message, hint in refusals(settings):
        raise CapabilityError(message, where=f"targets.{target}.{key}", hint=hint)


def check_change(before: Mapping[str, Any], after: Mapping[str, Any], *, guarded: bool, target: str) -> None:
    """Raise `CapabilityError` where an endpoint that serves by one config cannot be updated to another.

    ``guarded``: the update has a DeploymentConfig.
    """
    if not before:
        return
    old, new = ({each["VariantName"]: each for each in config["ProductionVariants"]} for config in (before, after))
    instances = [each for each in old.values() if "ServerlessConfig" not in each]
    if instances and any("ServerlessConfig" in each for each in new.values()):
        raise CapabilityError(
            "SageMaker updates no endpoint of instances to a serverless one",
            where=f"targets.{target}.serverless",
            hint="Name another target for it, or `tagboat remove` the slot first: nothing serves in between.",
        )
    if guarded and set(old) != set(new):
        raise CapabilityError(
            f"the variants change from {', '.join(sorted(old))} to {', '.join(sorted(new))}, which guardrails exclude",
            where=f"targets.{target}.deployment",
            hint="Deploy once with `strategy: all-at-once`, without `keep-old`, `alarms` and `watch`.",
        )


def refusals(settings: SagemakerSettings) -> Iterator[Refusal]:
    """Everything that this kind of endpoint cannot do, in the order of the documentation."""
    if settings.serverless is not None and settings.asynchronous is not None:
        yield "asynchronous", "an endpoint is serverless or asynchronous, not both", "Leave one of them out."
        return
    if settings.components is not None:
        yield from _components(settings)
    if settings.kind is EndpointKind.SERVERLESS:
        yield from _serverless(settings)
    else:
        yield from _scaling(settings)
    if settings.kind is EndpointKind.ASYNCHRONOUS:
        for key in ("variants", "shadow"):
            if getattr(settings, key):
                yield key, "an asynchronous endpoint has one variant", f"Leave `{key}` out."
    yield from _variants(settings)
    yield from _deployment(settings)
    if settings.container is not None:
        yield from _container(settings)


def _serverless(settings: SagemakerSettings) -> Iterator[Refusal]:
    for field, what in SERVERLESS_LACKS.items():
        if getattr(settings, field):
            key = field.replace("_", "-")
            yield key, f"a serverless endpoint cannot have {what}", f"Leave `{key}` out, or use instances."
    if settings.model == "s3":
        yield "model", "a serverless endpoint takes no files from S3 one by one", "Use `model: image` or `archive`."
    if settings.deployment.strategy != "all-at-once":
        yield (
            "deployment.strategy",
            f"a serverless endpoint has no {settings.deployment.strategy} deployment: guardrails are for instances",
            "Use `all-at-once`.",
        )
    if settings.deployment.watch is not None or settings.deployment.alarms:
        yield (
            "deployment.watch" if settings.deployment.watch is not None else "deployment.alarms",
            "alarms bring no serverless endpoint back: guardrails are for instances",
            "Leave it out; the smoke requests decide.",
        )
    serverless = settings.serverless
    assert serverless is not None  # noqa: S101 - that is what makes it serverless
    if serverless.provisioned is not None and serverless.provisioned > serverless.concurrency:
        yield "serverless.provisioned", "more is provisioned than may run at once", "Raise `concurrency`."
    if settings.scaling is not None:
        if serverless.provisioned is None:
            yield "scaling", "a serverless endpoint scales by itself; only `provisioned` can be scaled", "Set it."
        elif settings.scaling.max > serverless.concurrency:
            yield "scaling.max", "it is more than may run at once", "Lower it to `serverless.concurrency`."
        if settings.scaling.min < 1:
            yield "scaling.min", "at least 1 is provisioned while it is scaled", "Set it to 1."


COMPONENTS_LACK = {
    "serverless": "instances of their own",
    "asynchronous": "a queue",
    "container": "a container that is not Tagboat's, since nothing then says which release answers",
    "variants": "variants",
    "shadow": "a shadow",
    "data_capture": "data capture",
    "endpoint_name": "another endpoint than `components.endpoint`",
}


def _components(settings: SagemakerSettings) -> Iterator[Refusal]:
    for field, what in COMPONENTS_LACK.items():
        if getattr(settings, field):
            key = field.replace("_", "-")
            yield key, f"inference components cannot have {what}", f"Leave `{key}` out, or use another target."
    if settings.deployment.strategy in {"canary", "linear"}:
        yield "deployment.strategy", "inference components are updated in batches", "Use `rolling` or `all-at-once`."
    if settings.deployment.watch is not None:
        yield "deployment.watch", "these alarms are of endpoints", "Name alarms of your own in `deployment.alarms`."
    if settings.deployment.alarms and settings.deployment.strategy != "rolling":
        yield "deployment.alarms", "alarms guard the rolling updates of components alone", "Use `strategy: rolling`."


def _scaling(settings: SagemakerSettings) -> Iterator[Refusal]:
    scaling = settings.scaling
    if scaling is None:
        return
    if scaling.min > scaling.max:
        yield "scaling.min", f"it is {scaling.min}, more than `max`", "Lower it."
    if scaling.min == 0 and settings.kind is not EndpointKind.ASYNCHRONOUS:
        yield (
            "scaling.min",
            "only an asynchronous endpoint scales to no instance at all",
            "Set it to 1, or make the endpoint asynchronous or serverless.",
        )


def _variants(settings: SagemakerSettings) -> Iterator[Refusal]:
    named = [VARIANT, *(variant.name for variant in settings.variants)]
    for place, name in enumerate(named):
        if name in named[:place]:
            yield "variants", f"two variants are called {name}", f"Rename one; `{VARIANT}` is the release's own."
    if settings.weight == 0 and not any(variant.weight for variant in settings.variants):
        yield "weight", "no variant gets a request", "Give one a weight."
    if settings.shadow is not None and settings.variants:
        yield "shadow", "a shadow goes with one production variant", "Leave `variants` or `shadow` out."


def _container(settings: SagemakerSettings) -> Iterator[Refusal]:
    if settings.image is not None:
        yield "container", "there are an `image` and a `container`, and one serves", "Leave one of them out."
    watch = settings.deployment.watch
    if watch is not None and watch.model_failures is not None:
        yield (
            "deployment.watch.model-failures",
            "exceptions are counted in the log of Tagboat's own server, which this container is not",
            "Leave it out; `errors` counts what the container answers with 5xx.",
        )


def _deployment(settings: SagemakerSettings) -> Iterator[Refusal]:
    deployment = settings.deployment
    watch = deployment.watch
    if deployment.strategy == "rolling" and settings.variants:
        yield (
            "deployment.strategy",
            "an endpoint with several variants has no rolling deployment",
            "Use `all-at-once`, `canary` or `linear`.",
        )
    if deployment.strategy == "linear" and deployment.size < 10:
        yield "deployment.size", f"a linear step is 10 to 50 %, not {deployment.size} %", "Raise it."
    ours = len(alarms.names("", watch))
    if len(deployment.alarms) + ours > MOST_ALARMS:
        yield (
            "deployment.alarms",
            f"{len(deployment.alarms)} alarms of yours and {ours} of `watch` are more than {MOST_ALARMS}",
            "Leave some out.",
        )
    waits = deployment.wait + (deployment.keep_old if deployment.strategy != "rolling" else 0)
    if deployment.timeout <= waits:
        yield (
            "deployment.timeout",
            f"it is {deployment.timeout:.0f} s, and the waits alone take {waits:.0f} s",
            "Raise it, or lower `wait` or `keep-old`.",
        )
