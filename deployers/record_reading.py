"""Records as they are read back, by this version or a later one: JSON with the number of its form."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from deployers.errors import ConfigurationError

Record = TypeVar("Record", bound=msgspec.Struct)


class _Form(msgspec.Struct):
    schema: int


def decoded(content: bytes | str, kind: type[Record], *, schema: int, where: str, hint: str) -> Record:
    """The record that was written down. ``schema``: the form that is known; ``hint``: what to do with a damaged one.

    The form is looked at first: what a newer Tagboat wrote may be anything but damaged. Raises `ConfigurationError`.
    """
    try:
        found = msgspec.json.decode(content, type=_Form).schema
        if found == schema:
            return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"the record is damaged: {error}", where=where, hint=hint) from error
    raise ConfigurationError(
        f"the record was written in form {found}, and this Tagboat knows form {schema}",
        where=where,
        hint="Use the newer Tagboat that wrote it.",
    )
