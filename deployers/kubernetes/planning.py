"""What an apply would change, object by object: asked of the server by dry runs, with nothing written."""

from __future__ import annotations

from deployers.base import Action, Change
from deployers.kubernetes import diffing, scaling
from deployers.kubernetes.api import Api, Kind
from deployers.kubernetes.bringing import check_ours, is_ours
from deployers.kubernetes.looking import Look
from deployers.kubernetes.manifests import Manifests
from deployers.kubernetes.records import Reference, SlotRecord


def changes(api: Api, seen: Look, made: Manifests, *, force: bool) -> list[Change]:
    """The changes that bring what was seen to what was made.

    Raises `ConflictError` for fields of others (unless ``force``), `ReleaseFailedError` for objects of others,
    `RefusedError` for what the server does not admit.
    """
    record = seen.record or SlotRecord(slot=seen.slot)
    yields = scaling.yielding(record.inventory)
    found = []
    for document in made.lasting():
        live = api.get(Kind(document["apiVersion"], document["kind"]), document["metadata"]["name"])
        check_ours(live, seen.slot)
        asked = scaling.as_it_will_be(live, document)
        planned = api.apply(asked, dry_run=True, force=force, yielding=yields)
        found.append(diffing.change(live, planned, document))
    found += _removals(api, seen, record, made)
    if all(change.action is Action.KEEP for change in found):
        # The objects are as they should be, and yet it is not served: applying them again is what there is to do.
        found.append(Change(object=f"rollout of {seen.slot}", action=Action.UPDATE))
    return found


def _removals(api: Api, seen: Look, record: SlotRecord, made: Manifests) -> list[Change]:
    """The objects that an earlier release has, and this one has not."""
    lasting = {Reference.of(each) for each in made.lasting()}
    known = {*record.inventory, *(each for gone in record.retired for each in gone.objects)}
    found = (api.get(Kind(each.api_version, each.kind), each.name) for each in sorted(known - lasting))
    return [diffing.removal(each) for each in found if each is not None and is_ours(each, seen.slot)]
