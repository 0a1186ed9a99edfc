"""Which deployments AWS accepts: traffic shifting and its sizes, alarms, quotas."""

from __future__ import annotations

from typing import Any

from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.endpoints import Endpoint
from tests.fakes.sagemaker.errors import Refusal, invalid
from tests.fakes.sagemaker.store import Stored
from tests.fakes.sagemaker.traffic import guards

Document = dict[str, Any]


def check(account: Account, endpoint: Endpoint, config: Stored, given: Document) -> None:
    """Raises `Refusal` for a DeploymentConfig that cannot be carried out."""
    variants = config.given["ProductionVariants"]
    _check_kind(endpoint, variants)
    _check_scaling(account, endpoint, variants)
    asked = given.get("DeploymentConfig")
    if asked is None:
        return
    if any("ServerlessConfig" in each for each in variants):
        raise invalid("DeploymentConfig is not supported for serverless endpoints.")
    routing = asked.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    rolling = asked.get("RollingUpdatePolicy")
    if routing and rolling:
        raise invalid("BlueGreenUpdatePolicy and RollingUpdatePolicy cannot both be specified.")
    if {each["VariantName"] for each in variants} != {each.name for each in endpoint.live.variants}:
        raise invalid("The new endpoint configuration must have the same variant names as the old one.")
    if rolling and len(variants) > 1:
        raise invalid("Rolling deployments are not supported for multi-variant endpoints.")
    _check_sizes(routing, rolling)
    check_guards(account, asked)


def check_guards(account: Account, deployment: Document | None) -> None:
    """Raises `Refusal` for alarms that there are none of."""
    names = guards(deployment)
    there = {each["AlarmName"] for each in account.elsewhere.alarms(names)} if names else set()
    missing = [name for name in names if name not in there]
    if missing:
        raise invalid(f"The following CloudWatch alarms do not exist: [{', '.join(missing)}].")


def _check_kind(endpoint: Endpoint, variants: list[Document]) -> None:
    """AWS, "Update a serverless endpoint": there is no way there from instances."""
    serverless = any("ServerlessConfig" in each for each in variants)
    if serverless and any(each.serverless is None for each in endpoint.live.variants):
        raise invalid("Updating a real-time inference endpoint to a serverless endpoint is not supported.")


def _check_scaling(account: Account, endpoint: Endpoint, variants: list[Document]) -> None:
    """AWS, "Update endpoints that use auto scaling": a model may change, the type of instances may not."""
    scaled = account.elsewhere.scaled(endpoint.stored.name)
    types = {each["VariantName"]: each.get("InstanceType") for each in variants}
    changed = [
        each.name
        for each in endpoint.live.variants
        if each.name in scaled and types.get(each.name) != each.given.get("InstanceType")
    ]
    if changed:
        raise invalid(
            f"The variant(s) {changed} must be deregistered as scalable targets with AutoScaling before they can be "
            "removed or have their instance type updated."
        )


def _check_sizes(routing: Document, rolling: Document | None) -> None:
    kind = routing.get("Type")
    for name, wanted, least, most in (("CanarySize", "CANARY", 1, 50), ("LinearStepSize", "LINEAR", 10, 50)):
        if (name in routing) != (kind == wanted):
            raise invalid(f"{name} is required for, and only for, traffic routing of the type {wanted}.")
        _check_size(name, routing.get(name), least, most)
    for name in ("MaximumBatchSize", "RollbackMaximumBatchSize"):
        _check_size(name, (rolling or {}).get(name), 5, 100 if name.startswith("Rollback") else 50)


def _check_size(name: str, size: Document | None, least: int, most: int) -> None:
    if size is not None and size["Type"] == "CAPACITY_PERCENT" and not least <= size["Value"] <= most:
        raise invalid(f"{name} must be between {least} and {most} percent of the capacity.")


def check_quota(account: Account, config: Stored, endpoint: Stored | None) -> None:
    """Raises `Refusal` where the account may not have so many instances, the new ones beside the old ones."""
    for kind, limit in account.quotas.items():
        wanted = _instances(config.given["ProductionVariants"], kind)
        used = sum(
            variant.count
            for each in account.store.all("endpoint")
            if each is not endpoint or each.state.live.config != config.name
            for variant in each.state.live.variants
            if variant.given.get("InstanceType") == kind
        )
        if wanted and used + wanted > limit:
            raise Refusal(
                "ResourceLimitExceeded",
                f"The account-level service limit '{kind} for endpoint usage' is {limit} Instances, with current "
                f"utilization of {used} Instances and a request delta of {wanted} Instances. Please use AWS Service "
                "Quotas to request an increase for this quota.",
            )


def _instances(variants: list[Document], kind: str) -> int:
    return sum(each["InitialInstanceCount"] for each in variants if each.get("InstanceType") == kind)
