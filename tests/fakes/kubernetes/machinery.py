"""The verbs of the API server on objects: create, replace, patch, apply, delete; checks, conflicts, field managers."""

from __future__ import annotations

import copy
import re
import secrets
from typing import Any, NamedTuple

from tests.fakes.kubernetes.fields import ABSENT, Fields, Manager, shown
from tests.fakes.kubernetes.resources import Resource, with_defaults
from tests.fakes.kubernetes.schemas import Schemas
from tests.fakes.kubernetes.store import Document, Key, Store, now

LABEL_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
LARGEST_ANNOTATIONS = 262_144


class ApiError(Exception):
    """An answer other than success, as a Status."""

    def __init__(self, code: int, reason: str, message: str, causes: tuple[Document, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes

    def document(self) -> Document:
        """The Status object."""
        details = {"details": {"causes": list(self.causes)}} if self.causes else {}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
                "reason": self.reason, "code": self.code, **details}  # fmt: skip


class Options(NamedTuple):
    """What a write asks for beside its body."""

    manager: str
    dry_run: bool = False
    force: bool = False
    strict: bool = False


class Machinery:
    """Objects in a store, by the published schemas."""

    def __init__(self, store: Store, schemas: Schemas) -> None:
        self.store = store
        self.schemas = schemas
        self.fields = Fields(schemas)

    def get(self, resource: Resource, key: Key) -> Document:
        """An object, or 404."""
        found = self.store.get(key)
        if found is None:
            raise not_found(resource, key.name)
        return found

    def create(self, resource: Resource, key: Key, body: Document, options: Options) -> Document:
        """A new object."""
        body = copy.deepcopy(body)
        metadata = body.setdefault("metadata", {})
        if "generateName" in metadata and not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
        key = key._replace(name=metadata.get("name", ""))
        with self.store.changed:
            self.check(resource, key, body, strict=options.strict)
            if self.store.get(key) is not None:
                raise ApiError(409, "AlreadyExists", f'{named(resource)} "{key.name}" already exists')
            body = with_defaults(body)
            owned = self.fields.of(body)
            managers = [Manager(options.manager, "Update", owned, now(), resource.api_version)]
            return self.write(key, body, managers, options)

    def replace(self, resource: Resource, key: Key, body: Document, options: Options, sub: str = "") -> Document:
        """The whole object anew; with ``sub`` only that part."""
        with self.store.changed:
            live = self.get(resource, key)
            expected = body.get("metadata", {}).get("resourceVersion")
            if expected and expected != live["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", f'Operation cannot be fulfilled on {named(resource)} "{key.name}": the '
                               "object has been modified; please apply your changes to the latest version and try again")  # fmt: skip
            fresh = {**live, sub: body.get(sub)} if sub else {**copy.deepcopy(body), "status": live.get("status")}
            if fresh.get("status") is None:
                fresh.pop("status", None)
            for name in ("uid", "creationTimestamp", "generation", "managedFields", "namespace", "name"):
                if name in live["metadata"]:
                    fresh["metadata"][name] = live["metadata"][name]
            return self.update(resource, key, live, fresh, options, sub)

    def patch(self, resource: Resource, key: Key, body: Document, options: Options, kind: str, sub: str) -> Document:
        """A merge patch (RFC 7386), or a strategic one."""
        with self.store.changed:
            live = self.get(resource, key)
            expected = body.get("metadata", {}).get("resourceVersion")
            if expected and expected != live["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", f'Operation cannot be fulfilled on {named(resource)} "{key.name}": the '
                               "object has been modified; please apply your changes to the latest version and try again")  # fmt: skip
            if sub == "scale":
                fresh = merge_patched(live, {"spec": {"replicas": body["spec"]["replicas"]}})
            elif "strategic" in kind:
                fresh = self.fields.merged(live, body, self.schemas.root(live))
            elif "merge-patch" in kind:
                fresh = merge_patched(live, body)
            else:
                raise ApiError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            return self.update(resource, key, live, fresh, options, sub)

    def update(
        self, resource: Resource, key: Key, live: Document, fresh: Document, options: Options, sub: str
    ) -> Document:
        """Let a manager have what it changed."""
        fresh = with_defaults(fresh)
        self.check(resource, key, fresh, strict=options.strict)
        self.check_immutable(resource, live, fresh)
        root = self.schemas.root(live)
        before, after = self.fields.of(live), self.fields.of(fresh)
        changed = {
            path
            for path in after
            if path not in before or self.fields.get(live, root, path) != self.fields.get(fresh, root, path)
        }
        managers = [Manager.read(entry) for entry in live["metadata"].get("managedFields", [])]
        for each in managers:
            if not (each.name == options.manager and each.operation == "Update"):
                each.fields -= changed
            each.fields &= after
        own = [
            each for each in managers if each.name == options.manager and each.operation == "Update" and each.sub == sub
        ]
        if changed and own:
            own[0].fields |= changed
            own[0].time = now()
        elif changed:
            managers.append(Manager(options.manager, "Update", changed, now(), resource.api_version, sub))
        return self.write(key, fresh, managers, options)

    def apply(self, resource: Resource, key: Key, applied: Document, options: Options) -> Document:
        """Server-side apply. Raises 409 with every conflict, named by field and manager."""
        with self.store.changed:
            if applied.get("metadata", {}).get("managedFields"):
                raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")
            applied = copy.deepcopy(applied)
            applied.setdefault("metadata", {})["name"] = key.name
            if resource.namespaced:
                applied["metadata"]["namespace"] = key.namespace
            live = self.store.get(key)
            # Of an object that is there a part is enough; the whole is checked once it is merged.
            self.check(resource, key, applied, strict=True, whole=live is None)
            root = self.schemas.root(applied)
            wanted = self.fields.of(applied)
            if live is None:
                if applied["metadata"].get("resourceVersion"):
                    raise not_found(resource, key.name)
                managers = [Manager(options.manager, "Apply", wanted, now(), resource.api_version)]
                return self.write(key, with_defaults(applied), managers, options)
            expected = applied["metadata"].pop("resourceVersion", None)
            if expected and expected != live["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", f'Operation cannot be fulfilled on {named(resource)} "{key.name}": the '
                               "object has been modified; please apply your changes to the latest version and try again")  # fmt: skip
            managers = [Manager.read(entry) for entry in live["metadata"].get("managedFields", [])]
            ours = next((each for each in managers if (each.name, each.operation) == (options.manager, "Apply")), None)
            others = [each for each in managers if each is not ours]
            self.settle_conflicts(others, wanted, live, applied, root, force=options.force)
            merged = self.fields.merged(live, applied, root)
            gone = (ours.fields if ours else set()) - wanted - set().union(*(each.fields for each in others))
            for path in sorted(gone, key=lambda path: (path[-1] != ".", -len(path))):
                if self.fields.get(merged, root, path) is not ABSENT:
                    self.fields.remove(merged, root, path)
            merged = with_defaults(merged)
            self.check(resource, key, merged, strict=False)
            self.check_immutable(resource, live, merged)
            if ours is None or ours.fields != wanted:
                ours = Manager(options.manager, "Apply", wanted, now(), resource.api_version)
            return self.write(key, merged, [*others, ours], options)

    def settle_conflicts(
        self, others: list[Manager], wanted: set[Any], live: Document, applied: Document, root: Any, *, force: bool
    ) -> None:
        """Refuse, or with force take, what other managers own and would be changed."""
        causes: list[Document] = []
        for other in others:
            contested = {
                path
                for path in wanted & other.fields
                if path[-1] != "." and self.fields.get(live, root, path) != self.fields.get(applied, root, path)
            }
            if force:
                other.fields -= contested
            for path in [] if force else sorted(contested):
                causes.append({"reason": "FieldManagerConflict", "field": shown(path),
                               "message": f"conflict with {other.shown()}"})  # fmt: skip
        if len(causes) == 1:
            message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
            raise ApiError(409, "Conflict", message, tuple(causes))
        if causes:
            by_manager: dict[str, list[str]] = {}
            for cause in causes:
                by_manager.setdefault(cause["message"].removeprefix("conflict "), []).append(f"- {cause['field']}")
            listed = "\n".join(
                "\n".join([f"conflicts {manager}:", *paths]) for manager, paths in sorted(by_manager.items())
            )
            raise ApiError(409, "Conflict", f"Apply failed with {len(causes)} conflicts: {listed}", tuple(causes))

    def write(self, key: Key, document: Document, managers: list[Manager], options: Options) -> Document:
        """Put it into the store, or in a dry run only say what would be there."""
        document["metadata"]["managedFields"] = [each.document() for each in managers if each.fields]
        if not options.dry_run:
            return self.store.put(key, document)
        document.setdefault("metadata", {}).setdefault("resourceVersion", "0")
        document["metadata"].setdefault("uid", "00000000-0000-0000-0000-000000000000")
        document["metadata"].setdefault("creationTimestamp", now())
        return document

    def delete(self, resource: Resource, key: Key, body: Document, *, dry_run: bool) -> Document:
        """Remove an object."""
        with self.store.changed:
            live = self.get(resource, key)
            for name, value in (body.get("preconditions") or {}).items():
                if live["metadata"][name] != value:
                    message = (
                        f"Precondition failed: {name} in precondition: {value}, in object: {live['metadata'][name]}"
                    )
                    raise ApiError(409, "Conflict", message)
            if not dry_run:
                self.store.delete(key)
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    # Checks

    def check(self, resource: Resource, key: Key, body: Document, *, strict: bool, whole: bool = True) -> None:
        """What the API server refuses."""
        if body.get("kind") != resource.kind or body.get("apiVersion") != resource.api_version:
            given = f"{body.get('apiVersion')}, Kind={body.get('kind')}"
            raise ApiError(400, "BadRequest", f"the object provided is unrecognized: {given} is not {resource.kind}")
        if resource.namespaced and self.store.get(Key("", "namespaces", "", key.namespace)) is None:
            raise ApiError(404, "NotFound", f'namespaces "{key.namespace}" not found')
        problems = list(self.schemas.problems(body, self.schemas.root(body)))
        if not whole:
            problems = [problem for problem in problems if not problem.startswith("missing field")]
        unknown = [problem for problem in problems if problem.startswith("unknown field")]
        others = [problem for problem in problems if not problem.startswith("unknown field")]
        if strict and unknown:
            raise self.invalid(resource, key, f"strict decoding error: {', '.join(unknown)}")
        if others:
            raise self.invalid(resource, key, ", ".join(others))
        pattern = LABEL_NAME if resource.kind in {"Service", "Namespace"} else SUBDOMAIN
        if not pattern.match(key.name) or len(key.name) > (63 if pattern is LABEL_NAME else 253):
            raise self.invalid(resource, key, f'metadata.name: Invalid value: "{key.name}"')
        for name, value in (body["metadata"].get("labels") or {}).items():
            if len(value) > 63 or not LABEL_VALUE.match(value):
                raise self.invalid(resource, key, f'metadata.labels: Invalid value: "{value}" of {name}')
        annotations = body["metadata"].get("annotations") or {}
        if sum(len(name) + len(value) for name, value in annotations.items()) > LARGEST_ANNOTATIONS:
            raise self.invalid(
                resource, key, f"metadata.annotations: Too long: may not be more than {LARGEST_ANNOTATIONS} bytes"
            )
        if resource.kind == "Deployment" and whole:
            selector = body["spec"]["selector"].get("matchLabels", {})
            labels = body["spec"]["template"].get("metadata", {}).get("labels", {})
            if not selector or any(labels.get(name) != value for name, value in selector.items()):
                raise self.invalid(
                    resource, key, "spec.template.metadata.labels: `selector` does not match template `labels`"
                )

    def check_immutable(self, resource: Resource, live: Document, fresh: Document) -> None:
        """What may never change."""
        if resource.kind == "Deployment" and live["spec"]["selector"] != fresh["spec"]["selector"]:
            raise ApiError(422, "Invalid", f'Deployment.apps "{live["metadata"]["name"]}" is invalid: spec.selector: '
                           "Invalid value: field is immutable")  # fmt: skip
        if resource.kind == "ConfigMap" and live.get("immutable") and live.get("data") != fresh.get("data"):
            raise ApiError(422, "Invalid", f'ConfigMap "{live["metadata"]["name"]}" is invalid: data: Forbidden: '
                           "field is immutable when `immutable` is set")  # fmt: skip

    def invalid(self, resource: Resource, key: Key, text: str) -> ApiError:
        """A 422."""
        return ApiError(422, "Invalid", f'{resource.kind} "{key.name}" is invalid: {text}')


def not_found(resource: Resource, name: str) -> ApiError:
    """A 404."""
    return ApiError(404, "NotFound", f'{named(resource)} "{name}" not found')


def named(resource: Resource) -> str:
    """A resource as messages name it, ``deployments.apps``."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def merge_patched(live: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result
