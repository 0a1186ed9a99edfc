"""Scaling by load: what Application Auto Scaling takes for an endpoint's variant, by the endpoint's kind.

Sources: the developer guide's "Autoscale an asynchronous endpoint", "Automatically scale Provisioned Concurrency" and
"Automatic scaling"; predefined metrics by the API reference of PutScalingPolicy.
"""

from __future__ import annotations

from typing import Any

from deployers.sagemaker.options import Scaling
from deployers.sagemaker.payloads import EndpointKind

SERVICE = "sagemaker"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"

TARGETS = {EndpointKind.REAL_TIME: 100.0, EndpointKind.ASYNCHRONOUS: 5.0, EndpointKind.SERVERLESS: 0.7}
"""What is aimed at where nothing else is said; see `Scaling.target`."""

PREDEFINED = {
    INSTANCES: "SageMakerVariantInvocationsPerInstance",
    PROVISIONED: "SageMakerVariantProvisionedConcurrencyUtilization",
    COPIES: "SageMakerInferenceComponentInvocationsPerCopy",
}

Request = dict[str, Any]


def resource(endpoint: str, variant: str) -> str:
    """What Application Auto Scaling calls a variant; it names both the target and its policy."""
    return f"endpoint/{endpoint}/variant/{variant}"


def component_resource(component: str) -> str:
    """The same for an inference component."""
    return f"inference-component/{component}"


def dimension(kind: EndpointKind, resource_id: str) -> str:
    """What is scaled: instances, what is provisioned of a serverless endpoint, or copies of a component."""
    if resource_id.startswith("inference-component/"):
        return COPIES
    return PROVISIONED if kind is EndpointKind.SERVERLESS else INSTANCES


def target(scaling: Scaling, kind: EndpointKind, resource_id: str) -> Request:
    """What RegisterScalableTarget takes, but the tags."""
    return {
        "ServiceNamespace": SERVICE,
        "ResourceId": resource_id,
        "ScalableDimension": dimension(kind, resource_id),
        "MinCapacity": scaling.min,
        "MaxCapacity": scaling.max,
    }


def policy(scaling: Scaling, kind: EndpointKind, resource_id: str, endpoint: str) -> Request:
    """What PutScalingPolicy takes; it bears the name of what it scales."""
    scaled = dimension(kind, resource_id)
    aimed = scaling.target if scaling.target is not None else TARGETS[kind]
    tracking: Request = {
        "TargetValue": aimed,
        "ScaleInCooldown": round(scaling.in_wait),
        "ScaleOutCooldown": round(scaling.out_wait),
    }
    if kind is EndpointKind.ASYNCHRONOUS and scaled == INSTANCES:
        tracking["CustomizedMetricSpecification"] = {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
            "Statistic": "Average",
        }
    else:
        tracking["PredefinedMetricSpecification"] = {"PredefinedMetricType": PREDEFINED[scaled]}
    return {
        "PolicyName": resource_id,
        "ServiceNamespace": SERVICE,
        "ResourceId": resource_id,
        "ScalableDimension": scaled,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
