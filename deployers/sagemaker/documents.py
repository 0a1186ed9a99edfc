"""What a release is made of in AWS: the requests that templates/sagemaker/ renders, named and checked before any call.

A template's name says what its documents are: ``model.json.j2`` makes requests of CreateModel. A repository's own one
replaces ours of the same name, or stands beside it with a word more (``alarm.latency.json.j2``). What a later template
refers to (a config to its models, an endpoint to its config) has its name by then: names of models and configs follow
from their content, so that other content can never hide behind a known name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deployers.base import JSON, Release, Slot
from deployers.errors import RefusedError
from deployers.rendering import Templates
from deployers.sagemaker import alarms, features, limits, names, safety, scaling
from deployers.sagemaker.configs import settled
from deployers.sagemaker.kinds import (
    BY_NAME,
    COMPONENT,
    ENDPOINT,
    ENDPOINT_CONFIG,
    KINDS,
    MODEL,
    SCALABLE_TARGET,
    Kind,
)
from deployers.sagemaker.settings import Deployment, SagemakerSettings

Request = Mapping[str, Any]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One object: of which kind, by which name, and the request that makes it."""

    kind: str
    name: str
    request: Mapping[str, JSON]

    def __str__(self) -> str:
        return f"{BY_NAME[self.kind].title} {self.name}"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A release's objects in the order in which they are made. ``config``: the endpoint config that serves it."""

    endpoint: str
    config: str
    documents: Sequence[Document]

    def of(self, kind: Kind) -> list[Document]:
        """Those of a kind."""
        return [each for each in self.documents if each.kind == kind.name]


def endpoint_name(slot: Slot, settings: SagemakerSettings) -> str:
    """The slot's endpoint: the same for all of its releases."""
    return settings.endpoint_name or names.slot_name(slot)


def made(release: Release, *, container: Mapping[str, JSON], settings: SagemakerSettings, templates: Templates) -> Made:
    """Render a release. ``container``: what the model's container is, as `containers` says.

    Raises `CapabilityError` for what such an endpoint cannot do, `ConfigurationError` and `RefusedError` for templates
    that make what they must not.
    """
    features.check(settings, release.slot.target)
    slot_name, endpoint = names.slot_name(release.slot), endpoint_name(release.slot, settings)
    watch = settings.deployment.watch
    guards = [*settings.deployment.alarms, *alarms.names(slot_name, watch)]
    resource = scaling.resource(endpoint, names.VARIANT)
    values: dict[str, JSON] = {
        "container": dict(container),
        "variant": names.VARIANT,
        "endpoint_name": endpoint,
        "start_timeout": math.ceil(settings.start_timeout),
        "download_timeout": math.ceil(settings.download_timeout),
        "deployment": deployment_config(settings.deployment, guards) if _is_guarded(settings, guards) else None,
        "metric_filter": alarms.metric_filter(watch, endpoint=endpoint),
        "scalable_target": scaling.target(settings.scaling, settings.kind, resource) if settings.scaling else None,
        "scaling_policy": scaling.policy(settings.scaling, settings.kind, resource, endpoint)
        if settings.scaling
        else None,
        "capacity": None if settings.scaling is None or settings.serverless else True,
        "tags": names.tag_list({**settings.tags, **names.release_tags(release)}),
        "slot_tags": names.tag_list({**settings.tags, **names.slot_tags(release.slot)}),
        "release": {"id": release.id, "version": release.version, "commit": release.commit,
                    "artifact": release.slot.artifact, "stage": release.slot.stage},
        "settings": plain(settings),
    }  # fmt: skip
    found: list[Document] = []
    for kind in (kind for kind in KINDS if kind is not COMPONENT):
        for template in (name for name in templates.names() if kind_of(name, templates) is kind):
            found += [named(kind, each, release, template) for each in templates.documents(template, values)]
        if kind is MODEL:
            models = [each.name for each in found if each.kind == kind.name]
            values |= {"model_names": models, "model_name": models[0] if models else None}
            values |= settled(settings, endpoint, model=models[0] if models else "")
        if kind is ENDPOINT_CONFIG:
            config = values["config_name"] = _only(found, kind)
            values["alarms"] = alarms.requests(
                slot_name, watch, endpoint=endpoint, config=config, variant=names.VARIANT
            )
    _only(found, ENDPOINT)
    for each in found:
        safety.check(BY_NAME[each.kind], each.request, endpoint=endpoint, role=settings.role, scaled=resource)
        check(each, release.slot.target)
    return Made(endpoint=endpoint, config=values["config_name"], documents=found)


def check(document: Document, target: str) -> None:
    """Raise `ConfigurationError` for a request that AWS would refuse, before anything is done."""
    kind = BY_NAME[document.kind]
    source = f"templates/sagemaker/{kind.name}.json.j2"
    if kind is COMPONENT:
        limits.check("UpdateInferenceComponent", updating_component(document.request), target=target, source=source)
        created = {name: value for name, value in document.request.items() if name != "DeploymentConfig"}
        limits.check("CreateInferenceComponent", created, target=target, source=source)
        return
    if kind is not ENDPOINT:
        limits.check(kind.operation, document.request, target=target, source=source, service=kind.service)
        return
    limits.check("CreateEndpoint", creating(document.request), target=target, source=source)
    limits.check("UpdateEndpoint", updating(document.request), target=target, source=source)


def creating(request: Request) -> dict[str, Any]:
    """What CreateEndpoint takes of an endpoint's request: a first release has nothing to take over from."""
    return {name: value for name, value in request.items() if name in {"EndpointName", "EndpointConfigName", "Tags"}}


def updating(request: Request) -> dict[str, Any]:
    """What UpdateEndpoint takes of it: all but the tags, which the endpoint has."""
    return {name: value for name, value in request.items() if name != "Tags"}


def updating_component(request: Request) -> dict[str, Any]:
    """What UpdateInferenceComponent takes of a component's request."""
    members = {"InferenceComponentName", "Specification", "RuntimeConfig", "DeploymentConfig"}
    return {name: value for name, value in request.items() if name in members}


def kind_of(template: str, templates: Templates) -> Kind:
    """What a template makes. Raises `RefusedError` for a name of which we know no kind."""
    kind = BY_NAME.get(template.partition(".")[0])
    if kind is None:
        whose = "the repository's own" if template in templates.theirs else "our"
        raise RefusedError(
            f"{whose} template makes nothing that is known here",
            where=f"templates/sagemaker/{template}",
            hint=f"Its name begins with what it makes: {', '.join(BY_NAME)}; such as `model.json.j2`.",
        )
    return kind


def named(kind: Kind, request: Request, release: Release, template: str) -> Document:
    """A rendered request with its name, and with the slot's tags whatever the template says."""
    if kind.by_content:
        content = {key: value for key, value in request.items() if key not in {kind.name_member, "Tags"}}
        request = {**request, kind.name_member: names.content_name(release, content)}
    name = request.get(kind.name_member)
    if not isinstance(name, str):
        raise RefusedError(f"it makes something without {kind.name_member}", where=f"templates/sagemaker/{template}")
    if kind.tagged:
        ours = names.release_tags(release) if kind.by_content else names.slot_tags(release.slot)
        tags = request.get("Tags") or []
        rendered = dict(tags) if isinstance(tags, Mapping) else {each["Key"]: each["Value"] for each in tags}
        all_tags = {**rendered, **ours}
        request = {**request, "Tags": all_tags if kind is SCALABLE_TARGET else names.tag_list(all_tags)}
    return Document(kind=kind.name, name=name, request=request)


def _only(found: Sequence[Document], kind: Kind) -> str:
    """The name of the one object of a kind that there must be."""
    named = [each.name for each in found if each.kind == kind.name]
    if len(named) != 1:
        raise RefusedError(
            f"the templates make {len(named)} objects of the kind {kind.name}, and one is needed",
            where=f"templates/sagemaker/{kind.name}.json.j2",
        )
    return named[0]


def _is_guarded(settings: SagemakerSettings, guards: Sequence[str]) -> bool:
    """Whether anything is asked for that AWS does not do anyway, and only where guardrails are: with instances."""
    deployment = settings.deployment
    asked = deployment.strategy != "all-at-once" or deployment.keep_old > 0 or (guards and deployment.auto_rollback)
    return settings.serverless is None and bool(asked)


def deployment_config(wanted: Deployment, guards: Sequence[str]) -> dict[str, Any]:
    """DeploymentConfig of UpdateEndpoint (AWS, "Deployment guardrails"). ``guards``: alarms, by name."""
    wait, timeout = round(wanted.wait), round(wanted.timeout)
    share = {"Type": "CAPACITY_PERCENT", "Value": wanted.size}
    made: dict[str, Any]
    if wanted.strategy == "rolling":
        made = {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": share,
                "WaitIntervalInSeconds": wait,
                "MaximumExecutionTimeoutInSeconds": timeout,
            }
        }
    else:
        routing: dict[str, Any] = {"Type": wanted.strategy.replace("-", "_").upper(), "WaitIntervalInSeconds": wait}
        if wanted.strategy != "all-at-once":
            routing["CanarySize" if wanted.strategy == "canary" else "LinearStepSize"] = share
        made = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": round(wanted.keep_old),
                "MaximumExecutionTimeoutInSeconds": timeout,
            }
        }
    if guards and wanted.auto_rollback:
        made["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in guards]}
    return made


def plain(settings: SagemakerSettings) -> dict[str, Any]:
    """The settings as templates see them: every key, by its name with underscores; nothing of the connection."""

    def shown(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return {field: shown(getattr(value, field)) for field in value.__struct_fields__}
        if isinstance(value, Mapping):
            return {key: shown(inner) for key, inner in value.items()}
        return [shown(inner) for inner in value] if isinstance(value, list | tuple) else value

    found: dict[str, Any] = {**shown(settings), "image": shown(settings.pushed)}
    for connection in ("region", "profile", "endpoint_url", "login"):
        found.pop(connection, None)
    return found
