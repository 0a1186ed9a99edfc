"""What an apply would change, for people: against what the endpoint serves by now, and what it costs first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from deployers.base import JSON, Action, Change
from deployers.sagemaker import costs, features
from deployers.sagemaker.api import Api, Endpoint, covers
from deployers.sagemaker.documents import Document, Made
from deployers.sagemaker.kinds import BY_NAME, COMPONENT, ENDPOINT, ENDPOINT_CONFIG, MODEL
from deployers.sagemaker.looking import Look

Request = Mapping[str, Any]


def changes(api: Api, seen: Look, made: Made, stored: Made | None) -> list[Change]:
    """The changes that bring what was seen to what was made. Reads only.

    ``stored``: what the live release was made of; of what is live only what it, or the new release, speaks of is shown,
    so that no default that AWS has filled in counts as a change.
    """
    live = _Live(api, seen.endpoint, stored)
    found = [_change(live, document) for document in made.documents]
    named = {(document.kind, document.name) for document in made.documents}
    found += [
        Change(object=f"{BY_NAME[each.kind].title} {each.name}", action=Action.DELETE)
        for each in (seen.record.inventory if seen.record is not None else ())
        if BY_NAME[each.kind].beside and (each.kind, each.name) not in named
    ]
    if all(change.action is Action.KEEP for change in found):
        # All of it is there, and yet it is not served: bringing it there again is what there is to do.
        found.append(Change(object=f"rollout of {seen.slot}", action=Action.UPDATE))
    if api.kind is COMPONENT:
        return found
    (config,), (endpoint,) = made.of(ENDPOINT_CONFIG), made.of(ENDPOINT)
    features.check_change(
        live.config, config.request, guarded="DeploymentConfig" in endpoint.request, target=seen.slot.target
    )
    before, after = (costs.scaled(each) for each in (stored, made))
    cost = costs.change(costs.paid(live.config, before), costs.paid(config.request, after))
    return [cost, *found] if cost is not None else found


def beneath(api: Api, changed: Sequence[Document]) -> list[Change]:
    """The changes of an endpoint that components share. ``changed``: its config and itself, where it is not so yet."""
    if not changed:
        return []
    config, endpoint = changed
    live = _Live(api, api.endpoint(endpoint.name), None)
    cost = costs.change(costs.paid(live.config), costs.paid(config.request))
    return [*([cost] if cost is not None else []), _change(live, config), _change(live, endpoint)]


class _Live:
    """What serves: its config, and the models of it, in the shape of the requests that make them."""

    def __init__(self, api: Api, endpoint: Endpoint | None, stored: Made | None) -> None:
        self.api = api
        self.stored = stored
        self.endpoint = endpoint
        own = endpoint is not None and api.kind is ENDPOINT
        self.config = (api.find(ENDPOINT_CONFIG, endpoint.config) if endpoint is not None and own else None) or {}

    def before(self, document: Document) -> tuple[Request, Request]:
        """What a document stands in for, and what our own request for that was."""
        kind = BY_NAME[document.kind]
        spoken = next((each.request for each in self.stored.of(kind)), {}) if self.stored is not None else {}
        if kind is ENDPOINT:
            if self.endpoint is None or self.endpoint.name != document.name:
                return {}, {}
            way = {"DeploymentConfig": spoken["DeploymentConfig"]} if "DeploymentConfig" in spoken else {}
            return {"EndpointName": document.name, "EndpointConfigName": self.endpoint.config, **way}, {}
        if kind is ENDPOINT_CONFIG:
            return self.config, spoken
        if kind is MODEL:
            variants = self.config.get("ProductionVariants") or [{}]
            name = variants[0].get("ModelName")
            if self.api.kind is COMPONENT and self.endpoint is not None:
                name = self.endpoint.config
            return (self.api.find(MODEL, name) if name else None) or {}, spoken
        return self.api.find(kind, document.name) or {}, spoken


def _change(live: _Live, document: Document) -> Change:
    kind = BY_NAME[document.kind]
    before, spoken = live.before(document)
    asked = _shown(document.request)
    old = _shown(_told(before, asked, spoken))
    if kind is ENDPOINT and before.get("EndpointConfigName") == document.request["EndpointConfigName"]:
        return Change(object=str(document), action=Action.KEEP)
    diff = _diff(old, asked)
    if kind is ENDPOINT:
        return Change(object=str(document), action=Action.UPDATE if before else Action.CREATE, diff=diff)
    if (kind.beside or kind is COMPONENT) and before:
        # Of a component its number of copies is described otherwise than it is asked for; a release has its own model.
        kept = covers(before, {"Specification": asked["Specification"]} if kind is COMPONENT else asked)
        return Change(object=str(document), action=Action.KEEP if kept else Action.UPDATE, diff="" if kept else diff)
    if live.api.find(kind, document.name) is not None:
        return Change(object=str(document), action=Action.KEEP)
    return Change(object=str(document), action=Action.CREATE, diff=diff)


def _told(node: JSON, asked: JSON, spoken: JSON) -> JSON:
    """The parts of what is live of which we speak, or spoke."""
    if isinstance(node, Mapping):
        known = {*(asked if isinstance(asked, Mapping) else ()), *(spoken if isinstance(spoken, Mapping) else ())}
        within = [each if isinstance(each, Mapping) else {} for each in (asked, spoken)]
        return {
            name: _told(value, within[0].get(name), within[1].get(name))
            for name, value in node.items()
            if name in known
        }
    if isinstance(node, list):
        pairs = [each if isinstance(each, list | tuple) else [] for each in (asked, spoken)]
        return [
            _told(one, *(each[place] if place < len(each) else (each[-1] if each else None) for each in pairs))
            for place, one in enumerate(node)
        ]
    return node


def _shown(request: Request) -> dict[str, Any]:
    """Without tags, which descriptions lack."""
    return {name: value for name, value in request.items() if name != "Tags"}


def _diff(before: Request, after: Request) -> str:
    return "\n".join(difflib.unified_diff(_lines(before), _lines(after), "live", "planned", lineterm=""))


def _lines(request: Request) -> list[str]:
    if not request:
        return []
    return yaml.safe_dump(dict(request), sort_keys=True, width=1000, allow_unicode=True).splitlines()
