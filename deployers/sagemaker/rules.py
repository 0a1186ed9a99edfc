"""Rules of SageMaker's that stand in its documentation alone: how the members of a request go together.

Sources: the API reference of the operations and their types; in the developer guide "Deployment guardrails", "Shadow
tests" and "Serverless Inference", each with its exclusions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]
Broken = Iterator[tuple[Path, str]]
Request = Mapping[str, Any]

SHARES = {
    "CanarySize": (1, 50),
    "LinearStepSize": (10, 50),
    "MaximumBatchSize": (5, 50),
    "RollbackMaximumBatchSize": (5, 100),
}
"""How many percent of the capacity a step may be."""

NEEDED = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}


def broken(operation: str, request: Request) -> Broken:
    """Each rule that a request breaks: where, and what the rule is."""
    for rule in RULES.get(operation, ()):
        yield from rule(request)


def _tags(request: Request) -> Broken:
    names = [each["Key"] for each in request.get("Tags") or ()]
    for place, name in enumerate(names):
        if name.lower().startswith("aws:"):
            yield ("Tags", place, "Key"), "names that begin with aws: are AWS's own"
        if name in names[:place]:
            yield ("Tags", place, "Key"), f"the tag {name} is there twice"


def _model_data(request: Request) -> Broken:
    container = request.get("PrimaryContainer") or {}
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        yield ("PrimaryContainer", "ModelDataSource"), "ModelDataUrl says where the model's files are already"
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source and source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        yield ("PrimaryContainer", "ModelDataSource", "S3DataSource", "S3Uri"), "a prefix ends with a slash"


def _variants(request: Request) -> Broken:
    seen: set[str] = set()
    for group in ("ProductionVariants", "ShadowProductionVariants"):
        for place, variant in enumerate(request.get(group) or ()):
            name = variant["VariantName"]
            if name in seen:
                yield (group, place, "VariantName"), f"two variants are called {name}"
            seen.add(name)
            yield from (((group, place, *path), said) for path, said in _variant(variant))
    production = request["ProductionVariants"]
    if not any(variant.get("InitialVariantWeight", 1) for variant in production):
        yield ("ProductionVariants",), "no variant has a weight, so that none gets a request"
    if request.get("ShadowProductionVariants") and (
        len(production) != 1 or len(request["ShadowProductionVariants"]) != 1
    ):
        yield ("ShadowProductionVariants",), "a shadow is one variant beside one other"


def _variant(variant: Request) -> Broken:
    serverless = variant.get("ServerlessConfig")
    if serverless is None:
        if "InstanceType" not in variant and "InstancePools" not in variant:
            yield (), "it has neither an InstanceType nor a ServerlessConfig"
        scaling = variant.get("ManagedInstanceScaling") or {}
        if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", scaling.get("MinInstanceCount", 0)):
            yield ("ManagedInstanceScaling", "MinInstanceCount"), "the fewest instances are more than the most"
        return
    for member in ("InstanceType", "InitialInstanceCount", "VolumeSizeInGB", "ManagedInstanceScaling"):
        if member in variant:
            yield (member,), "a serverless variant has no instances"
    if serverless["MemorySizeInMB"] % 1024:
        yield ("ServerlessConfig", "MemorySizeInMB"), "memory is in steps of 1024 MB"
    if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
        yield ("ServerlessConfig", "ProvisionedConcurrency"), "it is more than MaxConcurrency"


def _endpoint_kind(request: Request) -> Broken:
    variants = request["ProductionVariants"]
    serverless = [place for place, variant in enumerate(variants) if "ServerlessConfig" in variant]
    asynchronous = "AsyncInferenceConfig" in request
    if serverless:
        for member in ("AsyncInferenceConfig", "ShadowProductionVariants", "DataCaptureConfig", "KmsKeyId"):
            if member in request:
                yield (member,), "a serverless endpoint has none"
        if len(variants) > 1:
            yield ("ProductionVariants", serverless[0], "ServerlessConfig"), "a serverless endpoint has one variant"
    if asynchronous and len(variants) > 1:
        yield ("ProductionVariants",), "an asynchronous endpoint has one variant"
    if asynchronous and "ShadowProductionVariants" in request:
        yield ("ShadowProductionVariants",), "an asynchronous endpoint has none"
    modelless = [place for place, variant in enumerate(variants) if "ModelName" not in variant]
    if modelless and "ExecutionRoleArn" not in request:
        yield ("ProductionVariants", modelless[0], "ModelName"), "it is missing (only inference components do without)"


def _deployment(request: Request) -> Broken:
    config = request.get("DeploymentConfig")
    if not config:
        return
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        yield ("DeploymentConfig", "RollingUpdatePolicy"), "it is either rolling or blue/green"
    if blue_green:
        path: Path = ("DeploymentConfig", "BlueGreenUpdatePolicy")
        routing = blue_green["TrafficRoutingConfiguration"]
        for kind, member in NEEDED.items():
            if (routing["Type"] == kind) != (member in routing):
                yield (*path, "TrafficRoutingConfiguration", member), f"it goes with Type {kind}, and only with that"
        yield from _shares(routing, (*path, "TrafficRoutingConfiguration"))
        waits = routing["WaitIntervalInSeconds"] + blue_green.get("TerminationWaitInSeconds", 0)
        yield from _time(blue_green, waits, path)
    if rolling:
        path = ("DeploymentConfig", "RollingUpdatePolicy")
        yield from _shares(rolling, path)
        yield from _time(rolling, rolling["WaitIntervalInSeconds"], path)
    alarms = [each.get("AlarmName") for each in (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or ()]
    if len(alarms) != len(set(alarms)):
        yield ("DeploymentConfig", "AutoRollbackConfiguration", "Alarms"), "an alarm is there twice"


def _shares(policy: Request, path: Path) -> Broken:
    for member, (least, most) in SHARES.items():
        size = policy.get(member)
        if size and size["Type"] == "CAPACITY_PERCENT" and not least <= size["Value"] <= most:
            yield (*path, member, "Value"), f"it is {size['Value']} %, and {least} to {most} % are allowed"


def _time(policy: Request, waits: int, path: Path) -> Broken:
    limit = policy.get("MaximumExecutionTimeoutInSeconds")
    if limit is not None and limit <= waits:
        yield (*path, "MaximumExecutionTimeoutInSeconds"), f"it is {limit} s, and the waits alone take {waits} s"


def _capacity(request: Request) -> Broken:
    if request.get("MinCapacity", 0) > request.get("MaxCapacity", request.get("MinCapacity", 0)):
        yield ("MinCapacity",), "the least is more than the most"


RULES: Mapping[str, Sequence[Callable[[Request], Broken]]] = {
    "CreateModel": (_tags, _model_data),
    "CreateEndpointConfig": (_tags, _variants, _endpoint_kind),
    "CreateEndpoint": (_tags, _deployment),
    "UpdateEndpoint": (_deployment,),
    "CreateInferenceComponent": (_tags,),
    "RegisterScalableTarget": (_capacity,),
}
