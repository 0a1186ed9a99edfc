"""What a template of the repository must not do: reach beyond the slot's own endpoint, or take another role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployers.errors import RefusedError
from deployers.sagemaker.alarms import LOG_GROUP
from deployers.sagemaker.kinds import COMPONENT, ENDPOINT, METRIC_FILTER, SCALABLE_TARGET, SCALING_POLICY, Kind


def check(kind: Kind, request: Mapping[str, Any], *, endpoint: str, role: str, scaled: str) -> None:
    """Raise `RefusedError` for a request that is not about the slot's endpoint, or hands on a role that is not ours.

    ``endpoint``: the slot's, or its inference component; ``scaled``: what of it scales, as auto scaling calls it.
    """
    where = f"templates/sagemaker/{kind.name}.json.j2"
    named = request.get("ExecutionRoleArn", role)
    if named != role:
        raise RefusedError(
            f"a template hands on the role {named}, and the target's is {role}",
            where=where,
            hint="Set `role` on the target: a template does not choose what an endpoint may do.",
        )
    if kind is ENDPOINT and request.get("EndpointName") != endpoint:
        raise RefusedError(
            f"a template makes the endpoint {request.get('EndpointName')}, and the slot's is {endpoint}", where=where
        )
    if kind is COMPONENT and request.get("InferenceComponentName") != endpoint:
        raise RefusedError(
            f"a template makes the component {request.get('InferenceComponentName')}, and the slot's is {endpoint}",
            where=where,
        )
    if kind in {SCALABLE_TARGET, SCALING_POLICY}:
        resource = str(request.get("ResourceId"))
        own = resource == scaled or resource.startswith(f"endpoint/{endpoint}/variant/")
        if request.get("ServiceNamespace") != "sagemaker" or not own:
            raise RefusedError(f"a template scales {resource}, which is not the slot's", where=where)
    if kind is METRIC_FILTER and request.get("logGroupName") != f"{LOG_GROUP}{endpoint}":
        raise RefusedError(
            f"a template filters the log {request.get('logGroupName')}, which is not the slot's endpoint's", where=where
        )
