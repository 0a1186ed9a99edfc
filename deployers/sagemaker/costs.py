"""What of a release AWS bills by time, in a line for each variant: a plan tells first where that changes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from deployers.base import Action, Change
from deployers.sagemaker import scaling
from deployers.sagemaker.documents import Made
from deployers.sagemaker.kinds import SCALABLE_TARGET

Request = Mapping[str, Any]
Paid = Mapping[str, str]
"""By variant, what is paid for."""


def change(old: Paid, new: Paid) -> Change | None:
    """The change of what is paid for, or None where it stays as it is."""
    if old == new:
        return None
    lines = [f"{name}: {old.get(name, 'nothing')} → {new.get(name, 'nothing')}" for name in sorted({*old, *new})
             if old.get(name) != new.get(name)]  # fmt: skip
    return Change(
        object=f"COST: {'; '.join(lines)}",
        action=Action.UPDATE if old else Action.CREATE,
        diff="\n".join(difflib.unified_diff(_listed(old), _listed(new), "live", "planned", lineterm="")),
    )


def paid(config: Request, scaled: Mapping[str, str] | None = None) -> Paid:
    """What is paid for of an endpoint config. ``scaled``: of variants that scale by load, from how many to how many."""
    found: dict[str, str] = {}
    for group, mark in (("ProductionVariants", ""), ("ShadowProductionVariants", " (shadow)")):
        for variant in config.get(group) or []:
            found[variant["VariantName"] + mark] = _price(variant, (scaled or {}).get(variant["VariantName"] + mark))
    return found


def scaled(made: Made | None) -> dict[str, str]:
    """Of a release's variants that scale by load, from how many to how many."""
    found = {}
    for document in made.of(SCALABLE_TARGET) if made is not None else ():
        request = document.request
        if request["ScalableDimension"] in {scaling.INSTANCES, scaling.PROVISIONED}:
            variant = str(request["ResourceId"]).rpartition("/")[2]
            found[variant] = f"{request.get('MinCapacity')} to {request.get('MaxCapacity')}"
    return found


def _price(variant: Request, scaled: str | None) -> str:
    """What of a variant AWS bills for."""
    serverless = variant.get("ServerlessConfig")
    if serverless:
        provisioned = scaled or serverless.get("ProvisionedConcurrency")
        kept = f", {provisioned} provisioned" if provisioned else ""
        return (
            f"serverless, {serverless.get('MemorySizeInMB')} MB, up to {serverless.get('MaxConcurrency')} at once{kept}"
        )
    disk = variant.get("VolumeSizeInGB")
    size = f", {disk} GB each" if disk else ""
    managed = variant.get("ManagedInstanceScaling") or {}
    count = scaled or variant.get("InitialInstanceCount")
    if managed.get("Status") == "ENABLED":
        count = f"{managed.get('MinInstanceCount')} to {managed.get('MaxInstanceCount')}"
    return f"{count} × {variant.get('InstanceType')}{size}"


def _listed(paid: Paid) -> Sequence[str]:
    return [f"{name}: {price}" for name, price in sorted(paid.items())]
