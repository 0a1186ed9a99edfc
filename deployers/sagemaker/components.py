"""Several artifacts on one endpoint: each slot is an inference component, and the endpoint is the target's own.

To all that brings, watches and removes, a component is what an endpoint of its own is elsewhere (`Api.kind`): its model
is what the endpoint's config is there. Only the endpoint beneath is made before the first component, follows the
target's settings, and goes with the last one.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from deployers.base import JSON, Release
from deployers.errors import RefusedError
from deployers.rendering import Templates
from deployers.sagemaker import documents, features, names, safety, scaling
from deployers.sagemaker.api import Api, Endpoint
from deployers.sagemaker.documents import Document, Made, updating_component
from deployers.sagemaker.kinds import (
    BY_NAME,
    COMPONENT,
    MODEL,
    SCALABLE_TARGET,
    SCALING_POLICY,
    Kind,
)
from deployers.sagemaker.options import Components
from deployers.sagemaker.refusals import ExistsError, NotFoundError
from deployers.sagemaker.settings import SagemakerSettings
from deployers.sagemaker.wire import Amazon

SEEN = 60.0
"""Seconds for which what was just made may not be seen by the next call yet."""


class ComponentApi(Api):
    """One target's objects, where a slot is an inference component. ``scaled``: its number of copies is the load's."""

    kind: Kind = COMPONENT

    def __init__(self, amazon: Amazon, *, scaled: bool) -> None:
        super().__init__(amazon)
        self.scaled = scaled

    def endpoint(self, name: str) -> Endpoint | None:
        """A component, or None: its model stands for the config."""
        try:
            found = self.amazon.call(self.amazon.sagemaker.describe_inference_component, InferenceComponentName=name)
        except NotFoundError:
            return None
        changed, copies = found.get("LastModifiedTime"), found.get("RuntimeConfig") or {}
        return Endpoint(
            name=name,
            arn=found["InferenceComponentArn"],
            status=found["InferenceComponentStatus"],
            config=(found.get("Specification") or {}).get("ModelName", ""),
            reason=found.get("FailureReason"),
            changed=changed.timestamp() if isinstance(changed, datetime.datetime) else None,
            instances={"copies": (copies.get("CurrentCopyCount", 0), copies.get("DesiredCopyCount", 0))},
        )

    def create_endpoint(self, document: Document) -> None:
        """Make the component; where an answer was lost, it is there already."""
        request = {member: value for member, value in document.request.items() if member != "DeploymentConfig"}
        try:
            self.amazon.call(self.amazon.sagemaker.create_inference_component, patience=SEEN, **request)
        except ExistsError:
            return

    def update_endpoint(self, document: Document) -> None:
        """Begin to bring the component to its model. Raises `refusals.BusyError` while it changes already."""
        request = updating_component(document.request)
        if self.scaled:
            request.pop("RuntimeConfig")
        self.amazon.call(self.amazon.sagemaker.update_inference_component, patience=SEEN, **request)

    def in_use(self, endpoint: str) -> set[tuple[str, str]]:
        """The model that a component serves."""
        seen = self.endpoint(endpoint)
        return {(MODEL.name, seen.config)} if seen is not None and seen.config else set()


def made(release: Release, *, container: Mapping[str, JSON], settings: SagemakerSettings, templates: Templates) -> Made:
    """Render a release as a component; as `documents.made` does for an endpoint."""
    features.check(settings, release.slot.target)
    wanted = wanted_of(settings)
    component = names.slot_name(release.slot)
    resource = scaling.component_resource(component)
    values: dict[str, JSON] = {
        **shared_values(settings),
        "container": dict(container),
        "component_name": component,
        "resources": _resources(wanted),
        "copies": settings.scaling.min if settings.scaling is not None else wanted.copies,
        "deployment": _deployment(settings),
        "scalable_target": scaling.target(settings.scaling, settings.kind, resource) if settings.scaling else None,
        "scaling_policy": scaling.policy(settings.scaling, settings.kind, resource, wanted.endpoint)
        if settings.scaling
        else None,
        "tags": names.tag_list({**settings.tags, **names.release_tags(release)}),
        "slot_tags": names.tag_list({**settings.tags, **names.slot_tags(release.slot)}),
        "release": {"id": release.id, "version": release.version, "commit": release.commit,
                    "artifact": release.slot.artifact, "stage": release.slot.stage},
    }  # fmt: skip
    found: list[Document] = []
    for kind in (MODEL, COMPONENT, SCALABLE_TARGET, SCALING_POLICY):
        for template in (name for name in templates.names() if documents.kind_of(name, templates) is kind):
            found += [documents.named(kind, each, release, template) for each in templates.documents(template, values)]
        if kind is MODEL:
            values["model_name"] = next((each.name for each in found), None)
    for each in found:
        safety.check(BY_NAME[each.kind], each.request, endpoint=component, role=settings.role, scaled=resource)
        documents.check(each, release.slot.target)
    served = next((each for each in found if each.kind == COMPONENT.name), None)
    if served is None or served.request["EndpointName"] != wanted.endpoint:
        raise RefusedError(
            f"the templates make no component of the endpoint {wanted.endpoint}",
            where="templates/sagemaker/inference-component.json.j2",
        )
    return Made(endpoint=component, config=served.request["Specification"]["ModelName"], documents=found)


def wanted_of(settings: SagemakerSettings) -> Components:
    """The target's components, of which there are some."""
    assert settings.components is not None  # noqa: S101 - whoever calls has asked
    return settings.components


def shared_values(settings: SagemakerSettings) -> dict[str, JSON]:
    """What the templates of components and of their endpoint have in common."""
    return {
        "variant": names.VARIANT,
        "endpoint_name": wanted_of(settings).endpoint,
        "start_timeout": math.ceil(settings.start_timeout),
        "download_timeout": math.ceil(settings.download_timeout),
        "settings": documents.plain(settings),
    }


def _resources(wanted: Components) -> dict[str, JSON]:
    found: dict[str, JSON] = {"MinMemoryRequiredInMb": wanted.memory}
    if wanted.cpus is not None:
        found["NumberOfCpuCoresRequired"] = wanted.cpus
    if wanted.accelerators is not None:
        found["NumberOfAcceleratorDevicesRequired"] = wanted.accelerators
    return found


def _deployment(settings: SagemakerSettings) -> dict[str, JSON] | None:
    """DeploymentConfig of UpdateInferenceComponent: copies in batches, or AWS's own way."""
    deployment = settings.deployment
    if deployment.strategy != "rolling":
        return None
    found: dict[str, JSON] = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": deployment.size},
            "WaitIntervalInSeconds": round(deployment.wait),
            "MaximumExecutionTimeoutInSeconds": round(deployment.timeout),
        }
    }
    if deployment.alarms and deployment.auto_rollback:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in deployment.alarms]}
    return found
