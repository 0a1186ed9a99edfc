"""The parts of which operations are made. An operation is what a path answers to one method, in OpenAPI's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

Schema = dict[str, Any]

JSON = "application/json"

RELEASE = {"X-Tagboat-Release": {"description": "The release that answers.", "schema": {"type": "string"}}}


class Media(NamedTuple):
    """One form of a body: its schema, and examples by name."""

    schema: Schema
    examples: Mapping[str, Any] = MappingProxyType({})

    def document(self) -> dict[str, Any]:
        """In OpenAPI's words."""
        if not self.examples:
            return {"schema": self.schema}
        if len(self.examples) == 1:
            return {"schema": self.schema, "example": next(iter(self.examples.values()))}
        return {"schema": self.schema, "examples": {name: {"value": value} for name, value in self.examples.items()}}


Body = Mapping[str, Media]
"""Forms by their content types."""


class Answer(NamedTuple):
    """What comes with one status."""

    description: str
    body: Body = MappingProxyType({})

    def document(self) -> dict[str, Any]:
        """In OpenAPI's words."""
        told: dict[str, Any] = {"description": self.description, "headers": RELEASE}
        if self.body:
            told["content"] = {kind: media.document() for kind, media in self.body.items()}
        return told


Answers = Mapping[str, Answer]
"""By status."""


def operation(
    identity: str,
    tag: str,
    summary: str,
    *,
    answers: Answers,
    body: Optional[Body] = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    description: Optional[str] = None,
) -> dict[str, Any]:
    """An operation. ``identity``: its unique name in the document; ``tag``: its protocol."""
    told: dict[str, Any] = {"operationId": identity, "tags": [tag], "summary": summary}
    if description is not None:
        told["description"] = description
    if parameters:
        told["parameters"] = list(parameters)
    if body is not None:
        content = {kind: media.document() for kind, media in body.items()}
        told["requestBody"] = {"required": True, "content": content}
    told["responses"] = {status: answer.document() for status, answer in answers.items()}
    return told


def of_json(schema: Schema, example: Any = None) -> Body:
    """A body of JSON."""
    return {JSON: Media(schema, {"example": example} if example is not None else {})}


def refusals(form: Schema, texts: Mapping[str, str]) -> dict[str, Answer]:
    """Answers of one form by their statuses."""
    return {status: Answer(text, of_json(form)) for status, text in texts.items()}


def closed(properties: Mapping[str, Schema], required: Optional[Sequence[str]] = None) -> Schema:
    """An object of these keys and no others; all of them are needed unless it is said which."""
    needed = list(properties) if required is None else list(required)
    return {
        "type": "object",
        "properties": dict(properties),
        "required": needed,
        "additionalProperties": False,
    }


ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string", "description": "What was wrong."},
                "path": {"type": "string", "description": "Where in the body, such as data[3].age."},
                "hint": {"type": "string", "description": "What to do about it."},
                "type": {"type": "string", "description": "The type of the model's exception."},
                "id": {"type": "string", "description": "The log has the traceback under this id."},
            },
        }
    },
}
"""A refusal of ours, where the protocol has no other form."""

ERROR_REFERENCE: Schema = {"$ref": "#/components/schemas/Error"}


def usual(max_body: int) -> dict[str, str]:
    """What can be refused wherever a model is asked, by status."""
    return {
        "400": "The body is not what its content type says, or contradicts itself.",
        "413": f"The body is larger than {max_body} bytes.",
        "415": "The body is of another type, or compressed.",
        "422": "The body does not fit the model's signature, or the model refuses its values.",
        "500": "The model failed; the log has the traceback under the id.",
        "503": "Too many requests wait; try again after `Retry-After` seconds.",
        "504": "The model took too long.",
    }
