"""The least that IAM must allow whoever deploys to a target."""

from __future__ import annotations

from typing import Any

from deployers.sagemaker.places import place_of
from deployers.sagemaker.rights import RIGHTS
from deployers.sagemaker.settings import SagemakerSettings

Policy = dict[str, Any]
"""A policy document of IAM's."""

VERSION = "2012-10-17"


def deploying(target: str, settings: SagemakerSettings, region: str) -> Policy:
    """What whoever deploys to a target must be allowed, and no more. ``region``: the target's, written out."""
    place = place_of(target, settings, region)
    return {"Version": VERSION, "Statement": [each.statement(place) for each in RIGHTS if each.needed(settings)]}


def actions_of(policy: Policy) -> set[str]:
    """Every action that a policy allows."""
    return {action for statement in policy["Statement"] for action in statement["Action"]}
