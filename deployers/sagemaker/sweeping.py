"""Letting go of releases that nothing can go back to any more: their objects in AWS, then their stored requests."""

from __future__ import annotations

from msgspec.structs import replace

from deployers.sagemaker.api import Api
from deployers.sagemaker.kinds import BY_NAME, KINDS
from deployers.sagemaker.records import Records, Reference, SlotRecord


def sweep(api: Api, records: Records, record: SlotRecord) -> None:
    """Remove what no release needs that serves, is under way, or is one of the last verified ones.

    Never what the endpoint uses, whatever the record says, and only what carries the slot's own tag.
    """
    needed = record.needed()
    stored = records.releases()
    kept = {Reference.of(made) for each in stored if each.release.id in needed for made in each.made.documents}
    surplus = {each for each in record.inventory if each not in kept and each.kind != api.kind.name}
    gone = surplus - in_use(api, record.endpoint) if surplus else set()
    for reference in outermost_first(gone):
        api.delete(BY_NAME[reference.kind], reference.name, records.slot)
    if gone:
        records.update(
            lambda before: replace(before, inventory=tuple(each for each in before.inventory if each not in gone))
        )
    for each in stored:
        if each.release.id not in needed:
            records.drop_release(each.release.id)


def in_use(api: Api, endpoint: str) -> set[Reference]:
    """What the endpoint serves by, and is on its way to, whatever our records say."""
    return {Reference(kind, name) for kind, name in api.in_use(endpoint)} if endpoint else set()


def outermost_first(references: set[Reference]) -> list[Reference]:
    """In the order in which they can go: a config before the models that it names."""
    return sorted(references, key=lambda each: (KINDS.index(BY_NAME[each.kind]), each), reverse=True)
