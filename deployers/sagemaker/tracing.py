"""Which release an endpoint serves, where no answer says so: traced from its config by its models to digests.

A container that is not our server names no release, and an asynchronous answer carries no headers. Then what AWS has is
followed: the endpoint serves by a config, the config names models, a model is an image by its digest and data by a key
that its content has given it. Each of them must be what was stored when the release was made; then it is proved
``by configuration``. The container is not asked, so this is weaker than what a server says of itself, and reported so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployers.sagemaker.api import Api, Endpoint, covers
from deployers.sagemaker.documents import Document
from deployers.sagemaker.kinds import BY_NAME, ENDPOINT_CONFIG, MODEL
from deployers.sagemaker.looking import Proof
from deployers.sagemaker.records import Records, ReleaseRecord

PROVED_BY = "configuration"


def trace(api: Api, records: Records, endpoint: Endpoint) -> Proof:
    """What an endpoint serves by what AWS and the slot's records say together."""
    made = [stored for stored in records.releases() if stored.made.config == endpoint.config]
    if not made:
        return Proof(problem=f"it serves by the config {endpoint.config}, which is none of this slot's releases'")
    problems: list[str] = []
    for stored in made:
        found = list(_differences(api, stored))
        if not found:
            return Proof(stored.release.id, proved_by=PROVED_BY)
        problems += found
    return Proof(problem="; ".join(problems))


def _differences(api: Api, stored: ReleaseRecord) -> Iterator[str]:
    """What of a release is not in AWS as it was made."""
    for kind in (ENDPOINT_CONFIG, MODEL):
        for document in stored.made.of(kind):
            live = api.find(kind, document.name)
            if live is None:
                yield f"{document} is gone"
            elif not (covers(live, _content(document)) and _variables(live) == _variables(document.request)):
                yield f"{document} is not as it was made"
    for document in stored.made.of(MODEL):
        for container in _containers(document.request):
            yield from _unpinned(document, container)


def _content(document: Document) -> dict[str, Any]:
    """A request without what descriptions lack."""
    kind = BY_NAME[document.kind]
    return {name: value for name, value in document.request.items() if name not in {"Tags", kind.name_member}}


def _containers(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    primary = request.get("PrimaryContainer")
    return [*([primary] if primary else []), *(request.get("Containers") or [])]


def _variables(request: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Of each container; one more of them can make another model of it, and no default of AWS's is among them."""
    return [container.get("Environment") or {} for container in _containers(request)]


def _unpinned(document: Document, container: Mapping[str, Any]) -> Iterator[str]:
    """An image that is named by a tag could be another one by now, and would prove nothing."""
    image = container.get("Image", "")
    if image and "@sha256:" not in image:
        yield f"{document} names its image by a tag, {image}, which proves nothing"
