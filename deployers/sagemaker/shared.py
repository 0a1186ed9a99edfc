"""The endpoint beneath a target's inference components: made before the first, gone after the last.

It has tags of the target's, and of no slot: whoever deploys to the target may make it, and so may two runs at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from deployers.base import JSON, Step
from deployers.errors import RefusedError
from deployers.rendering import Templates
from deployers.sagemaker import documents, names, safety
from deployers.sagemaker.api import SEEN, Api
from deployers.sagemaker.components import shared_values, wanted_of
from deployers.sagemaker.documents import Document
from deployers.sagemaker.kinds import BY_NAME, ENDPOINT, ENDPOINT_CONFIG, Kind
from deployers.sagemaker.refusals import BusyError, ExistsError, NotFoundError
from deployers.sagemaker.rollout import FIRST_PAUSE, Poller
from deployers.sagemaker.settings import SagemakerSettings

SHARED = "tagboat:shared"
"""The tag of an endpoint that components share, and of its config; the value is the endpoint's name."""


class SharedEndpoint:
    """The endpoint beneath the components of a target."""

    def __init__(
        self, api: Api, settings: SagemakerSettings, target: str, templates: Templates, poller: Poller
    ) -> None:
        self.api = api
        self.settings = settings
        self.target = target
        self.templates = templates
        self.poller = poller
        self.name = wanted_of(settings).endpoint

    def documents(self) -> tuple[Document, Document]:
        """Its config, named by its content, and itself."""
        variant = {
            "VariantName": names.VARIANT,
            "InstanceType": self.settings.instance_type,
            "InitialInstanceCount": self.settings.instance_count,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        }
        most = wanted_of(self.settings).instances
        if most is not None:
            variant["ManagedInstanceScaling"] = {
                "Status": "ENABLED",
                "MinInstanceCount": self.settings.instance_count,
                "MaxInstanceCount": max(most, self.settings.instance_count),
            }
        tags = names.tag_list({**self.settings.tags, **self._tags()})
        vpc = self.settings.vpc
        values: dict[str, JSON] = {
            **shared_values(self.settings),
            "variants": [variant],
            **dict.fromkeys(("shadows", "asynchronous", "data_capture", "capacity", "deployment")),
            "tags": tags,
            "slot_tags": tags,
            "vpc": {"SecurityGroupIds": list(vpc.security_groups), "Subnets": list(vpc.subnets)} if vpc else None,
        }
        (config,) = self.templates.documents("endpoint-config.json.j2", values)
        content = msgspec.json.encode({key: config[key] for key in config if key != "Tags"}, order="deterministic")
        name = f"{self.name[:46]}-{hashlib.sha256(content).hexdigest()[: names.CONTENT_DIGITS]}"
        (endpoint,) = self.templates.documents("endpoint.json.j2", {**values, "config_name": name})
        made = (
            Document(
                kind=ENDPOINT_CONFIG.name, name=name, request={**config, "EndpointConfigName": name, "Tags": tags}
            ),
            Document(kind=ENDPOINT.name, name=self.name, request={**endpoint, "Tags": tags}),
        )
        for each in made:
            safety.check(
                BY_NAME[each.kind], each.request, endpoint=self.name, role=self.settings.role, scaled=self.name
            )
            documents.check(each, self.target)
        return made

    def changed(self) -> tuple[Document, ...]:
        """What of it is not as the target's settings have it, for a plan."""
        wanted, seen = self.documents(), self.api.endpoint(self.name)
        return () if seen is not None and seen.config == wanted[0].name else wanted

    def ensure(self) -> Iterator[Step]:
        """See that it serves as the target's settings have it, making or updating it where it does not."""
        config, endpoint = self.documents()
        while True:
            seen = self.api.endpoint(self.name)
            if seen is not None and not self._is_ours(ENDPOINT, self.name):
                raise RefusedError(
                    "an endpoint of that name is there, and it is not ours",
                    where=f"Endpoint {self.name}",
                    hint="Name another one by `components.endpoint`.",
                )
            if seen is not None and seen.status == "InService" and seen.config == config.name:
                yield Step(name="shared endpoint", detail=f"{self.name} is there")
                return
            if seen is not None and seen.moving:
                yield from self.poller.until_still(self.name)
                continue
            self._create(config)
            if seen is None:
                self.api.create_endpoint(endpoint)
                yield Step(name="shared endpoint", detail=f"{self.name} is being made")
            else:
                try:
                    self.api.update_endpoint(endpoint)
                except BusyError:
                    self.poller.sleep(FIRST_PAUSE)
                    continue
                yield Step(name="shared endpoint", detail=f"{self.name} is being updated from {seen.config}")
            yield from self.poller.until_serving(self.name, config.name)
            if seen is not None and seen.config != config.name and self._is_ours(ENDPOINT_CONFIG, seen.config):
                self._end(ENDPOINT_CONFIG, seen.config)

    def release(self) -> Iterator[Step]:
        """Remove it where no component is on it any more, and it is ours."""
        amazon = self.api.amazon
        on_it = amazon.pages(
            amazon.sagemaker.list_inference_components, "InferenceComponents", EndpointNameEquals=self.name
        )
        seen = self.api.endpoint(self.name)
        if on_it or seen is None or not self._is_ours(ENDPOINT, self.name):
            return
        yield from self.poller.until_still(self.name)
        self._end(ENDPOINT, self.name)
        yield from self.poller.until_gone(self.name)
        if self._is_ours(ENDPOINT_CONFIG, seen.config):
            self._end(ENDPOINT_CONFIG, seen.config)
        yield Step(name="shared endpoint", detail=f"{self.name} is gone with its last component")

    def _create(self, config: Document) -> None:
        try:
            self.api.amazon.call(self.api.amazon.sagemaker.create_endpoint_config, patience=SEEN, **config.request)
        except ExistsError:
            return

    def _end(self, kind: Kind, name: str) -> None:
        named: dict[str, Any] = {kind.name_member: name}
        try:
            self.api.amazon.call(getattr(self.api.amazon.sagemaker, kind.delete), **named)
        except NotFoundError:
            return

    def _tags(self) -> dict[str, str]:
        return {SHARED: self.name, names.TARGET: names.tag_value(self.target)}

    def _is_ours(self, kind: Kind, name: str) -> bool:
        tags = self.api.tags(kind, name) or {}
        return all(tags.get(key) == value for key, value in self._tags().items())
