"""REST-JSON, as far as sagemaker-runtime uses it: members in the address, in headers, and a body that is one member."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel

Document = dict[str, Any]


def parsed(operation: OperationModel, path: str, headers: Mapping[str, str], body: bytes) -> Document:
    """The input of a call."""
    shape = operation.input_shape
    given: Document = {}
    template = operation.http["requestUri"].split("/")
    found = dict(zip(template, urllib.parse.urlsplit(path).path.split("/"), strict=True))
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        key = member.serialization.get("name", name)
        if place == "uri":
            given[name] = urllib.parse.unquote(found[f"{{{key}}}"])
        elif place == "header" and key.lower() in headers:
            text = headers[key.lower()]
            given[name] = int(text) if member.type_name == "integer" and text.isdigit() else text
    if body or "Body" in shape.required_members:
        given["Body"] = body
    return given


def rendered(operation: OperationModel, said: Document) -> tuple[int, dict[str, str], bytes]:
    """The answer to a call."""
    shape = operation.output_shape
    payload = shape.serialization.get("payload")
    headers, rest = {}, {}
    for name, value in said.items():
        if name == payload:
            continue
        member = shape.members[name]
        if member.serialization.get("location") == "header":
            headers[member.serialization["name"]] = str(value)
        else:
            rest[name] = value
    content = said[payload] if payload else json.dumps(rest).encode()
    return operation.http.get("responseCode", 200), headers, content
