"""The kinds of objects that a release is made of, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind. ``name``: what its templates' names begin with, ``title``: what people call it.

    ``create`` is the operation that makes it, ``describe`` the one that tells of it, ``delete`` the one that ends it;
    ``name_member`` is the member of all three that names it. ``by_content``: its name follows from what it is, and it
    is never changed. ``tagged``: its request takes tags. ``service``: whose it is, as botocore names it.
    """

    name: str
    title: str
    create: str
    describe: str
    delete: str
    name_member: str
    by_content: bool = False
    tagged: bool = True
    service: str = "sagemaker"

    @property
    def beside(self) -> bool:
        """Whether it stands beside the endpoint, in a service of its own, and is written over in place."""
        return self.service != "sagemaker"

    @property
    def operation(self) -> str:
        """What AWS calls making one."""
        return "".join(word.capitalize() for word in self.create.split("_"))


MODEL = Kind("model", "Model", "create_model", "describe_model", "delete_model", "ModelName", by_content=True)
ENDPOINT_CONFIG = Kind(
    "endpoint-config", "EndpointConfig", "create_endpoint_config", "describe_endpoint_config", "delete_endpoint_config",
    "EndpointConfigName", by_content=True,
)  # fmt: skip
ENDPOINT = Kind("endpoint", "Endpoint", "create_endpoint", "describe_endpoint", "delete_endpoint", "EndpointName")

COMPONENT = Kind(
    "inference-component", "InferenceComponent", "create_inference_component", "describe_inference_component",
    "delete_inference_component", "InferenceComponentName",
)  # fmt: skip
METRIC_FILTER = Kind(
    "metric-filter", "MetricFilter", "put_metric_filter", "describe_metric_filters", "delete_metric_filter",
    "filterName", tagged=False, service="logs",
)  # fmt: skip
ALARM = Kind(
    "alarm", "Alarm", "put_metric_alarm", "describe_alarms", "delete_alarms", "AlarmName", service="cloudwatch"
)
SCALABLE_TARGET = Kind(
    "scalable-target", "ScalableTarget", "register_scalable_target", "describe_scalable_targets",
    "deregister_scalable_target", "ResourceId", service="application-autoscaling",
)  # fmt: skip
SCALING_POLICY = Kind(
    "scaling-policy", "ScalingPolicy", "put_scaling_policy", "describe_scaling_policies", "delete_scaling_policy",
    "PolicyName", tagged=False, service="application-autoscaling",
)  # fmt: skip

KINDS = (MODEL, ENDPOINT_CONFIG, METRIC_FILTER, ALARM, ENDPOINT, COMPONENT, SCALABLE_TARGET, SCALING_POLICY)
BY_NAME = {kind.name: kind for kind in KINDS}
