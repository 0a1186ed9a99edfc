"""Endpoint configurations, and which of their parts go together."""

from __future__ import annotations

from typing import Any

from tests.fakes.sagemaker import models
from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.errors import invalid
from tests.fakes.sagemaker.store import Stored

Document = dict[str, Any]


def create(account: Account, given: Document) -> Document:
    """CreateEndpointConfig."""
    shadows = given.get("ShadowProductionVariants", [])
    variants = [*given["ProductionVariants"], *shadows]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise invalid("Variant names must be unique in an endpoint configuration.")
    if shadows and len(variants) != 2:
        raise invalid("With ShadowProductionVariants there must be exactly one production and one shadow variant.")
    for variant in variants:
        _check_variant(account, variant, given)
        if shadows:
            _check_shadowed(account, variant, given)
    _check_serverless(given, variants)
    if "DataCaptureConfig" in given and not given["DataCaptureConfig"].get("CaptureOptions"):
        raise invalid("CaptureOptions are required.")
    return {"EndpointConfigArn": account.store.create("endpoint-config", given["EndpointConfigName"], given).arn}


def _check_variant(account: Account, variant: Document, given: Document) -> None:
    name = variant["VariantName"]
    if "ModelName" in variant:
        account.store.get("model", variant["ModelName"])
    else:
        models.check_role(account, given.get("ExecutionRoleArn"))  # inference components bring the models
    serverless = "ServerlessConfig" in variant
    instances = "InstanceType" in variant or "InitialInstanceCount" in variant
    if serverless == instances:
        raise invalid(f"Variant {name} must have either a ServerlessConfig, or InstanceType and InitialInstanceCount.")
    if instances and not {"InstanceType", "InitialInstanceCount"} <= set(variant):
        raise invalid(f"InstanceType and InitialInstanceCount are both required for variant {name}.")
    if serverless:
        config = variant["ServerlessConfig"]
        if config["MemorySizeInMB"] % 1024:
            raise invalid("MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144.")
        if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
            raise invalid("ProvisionedConcurrency must not exceed MaxConcurrency.")
        unfit = {"AcceleratorType", "VolumeSizeInGB", "ManagedInstanceScaling", "RoutingConfig"} & set(variant)
        if unfit:
            raise invalid(f"{', '.join(sorted(unfit))} cannot be used with a serverless variant.")
        model = account.store.get("model", variant["ModelName"])
        if "VpcConfig" in model.given:
            raise invalid("VPC configuration is not supported for a serverless endpoint.")


def _check_shadowed(account: Account, variant: Document, given: Document) -> None:
    """AWS, "Shadow tests": what they exclude."""
    model = account.store.peek("model", variant.get("ModelName", ""))
    several = model is not None and len(models.containers(model.given)) > 1
    if several or "AsyncInferenceConfig" in given or variant.get("InstanceType", "").startswith("ml.inf1."):
        raise invalid(
            "Shadow variants are not supported with asynchronous inference, several containers or Inf1 instances."
        )


def _check_serverless(given: Document, variants: list[Document]) -> None:
    serverless = ["ServerlessConfig" in variant for variant in variants]
    if not any(serverless):
        return
    if len(variants) > 1:
        raise invalid("A serverless endpoint has one production variant.")
    for other in ("AsyncInferenceConfig", "DataCaptureConfig", "KmsKeyId"):
        if other in given:
            raise invalid(f"{other} is not supported for a serverless endpoint.")


def described(stored: Stored) -> Document:
    """DescribeEndpointConfig: with what AWS fills in."""
    filled = {
        kind: [{"InitialVariantWeight": 1.0, **variant} for variant in stored.given[kind]]
        for kind in ("ProductionVariants", "ShadowProductionVariants")
        if kind in stored.given
    }
    isolated = stored.given.get("EnableNetworkIsolation", False)
    return {**stored.given, **filled, "EndpointConfigArn": stored.arn, "CreationTime": stored.created,
            "EnableNetworkIsolation": isolated}  # fmt: skip


def delete(account: Account, name: str) -> Document:
    """DeleteEndpointConfig. AWS lets one delete what an endpoint uses, and then that endpoint can't be updated."""
    stored = account.store.get("endpoint-config", name)
    for endpoint in account.store.all("endpoint"):
        if name.lower() in {each.lower() for each in endpoint.state.configs()}:
            account.misdeeds.append(f"deleted configuration {name}, which endpoint {endpoint.name} uses")
    account.store.delete(stored)
    return {}
