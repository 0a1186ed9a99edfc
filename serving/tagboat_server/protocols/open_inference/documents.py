"""The JSON of an inference request, and what is read of it before any tensor is."""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec

from tagboat_server.codecs.cells import WORDS
from tagboat_server.codecs.decoding import FIELD, LONGEST, PLACE, TYPES, malformed, wanted
from tagboat_server.errors import Rejection

Parameters = dict[str, Any]

ABSENT = msgspec.Raw()
"""The data of a tensor that has none in JSON."""


class InputTensor(msgspec.Struct, forbid_unknown_fields=True):
    """One input. ``data`` is left as it came: its datatype says how to read it."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = ABSENT
    parameters: Optional[Parameters] = None


class RequestedOutput(msgspec.Struct, forbid_unknown_fields=True):
    """An output that shall be answered."""

    name: str
    parameters: Optional[Parameters] = None


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``infer``, or its first part where binary data follows."""

    inputs: list[InputTensor]
    id: Optional[str] = None
    parameters: Optional[Parameters] = None
    outputs: Optional[list[RequestedOutput]] = None


DECODER = msgspec.json.Decoder(InferRequest)


def read(body: Union[bytes, memoryview]) -> InferRequest:
    """The request's JSON. Raises `Rejection` 400 for what is no such request."""
    try:
        request = DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise unfit(str(error)) from None
    except RecursionError:
        raise Rejection(400, "the JSON is nested too deeply", reason="json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(bytes(body), str(error)) from None
    check(request)
    return request


def check(request: InferRequest) -> None:
    """Refuse what a single tensor does not show: no inputs, names given twice, what extensions of others ask for."""
    names = [tensor.name for tensor in request.inputs]
    if not names:
        raise Rejection(400, "there are no inputs", path="inputs", reason="missing-column")
    refuse_twice(names, "inputs")
    refuse_twice([output.name for output in request.outputs or ()], "outputs")
    for tensor in (*request.inputs, *(request.outputs or ())):
        for name in tensor.parameters or ():
            if name.startswith("shared_memory_") or name == "classification":
                raise Rejection(
                    400, f"the parameter {name[:50]!r} is of an extension that is not served", path=tensor.name[:100]
                )
    if request.parameters and "method" in request.parameters:
        raise Rejection(
            400,
            "no parameter names the method",
            path="parameters.method",
            hint="It is a part of the model's name: <artifact>:<method>.",
        )


def refuse_twice(names: list[str], where: str) -> None:
    """Refuse a name that is given twice."""
    if len(set(names)) == len(names):
        return
    twice = next(name for place, name in enumerate(names) if name in names[:place])
    raise Rejection(400, f"{twice[:100]!r} is given twice", path=where, reason="duplicate")


def flag(parameters: Optional[Parameters], name: str, path: str) -> Optional[bool]:
    """A parameter that is true or false; None where it is absent. Raises `Rejection` 400."""
    value = (parameters or {}).get(name)
    if value is not None and not isinstance(value, bool):
        raise Rejection(400, "expected true or false", path=f"{path}.parameters.{name}")
    return value


def unfit(text: str) -> Rejection:
    """What msgspec found wrong with the document, in the sender's words."""
    found = PLACE.fullmatch(text)
    what, where = (found["what"], (found["where"] or "").lstrip(".")) if found else (text, "")
    field = FIELD.fullmatch(what)
    if field:
        problem = "is missing" if field["problem"] == "missing required" else "is unknown"
        what = f"the key {field['name'][:100]!r} {problem}"
    types = TYPES.fullmatch(what)
    if types:
        what = f"expected {wanted(types['wanted'])}, got {WORDS.get(types['got'], types['got'])}"
    return Rejection(400, what[:LONGEST], path=where[:LONGEST] or None, reason="document")
