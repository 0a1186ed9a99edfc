"""What schemathesis is told of this server; loaded by schemathesis itself."""

import json

import schemathesis

BINARY = (
    "application/x-npy",
    "application/jsonlines",
    "application/vnd.apache.arrow.stream",
    "application/x-parquet",
)
BEYOND_SCHEMAS = (
    "the shape asks for",
    "is given twice",
    "a shape has at most",
    "binary",
    "is of an extension that is not served",
    "no parameter names the method",
    "expected true or false",
    "expected a whole number, got a number",
    "there are no rows",
)
"""What the Open Inference Protocol's schema cannot say; to JSON Schema, 3.0 is a whole number."""


def uneven(value):
    """Whether there is an object of lists of several lengths: columns, of which no schema can say that."""
    if isinstance(value, dict):
        lengths = {len(part) for part in value.values() if isinstance(part, list)}
        return len(lengths) > 1 or any(uneven(part) for part in value.values())
    return False


@schemathesis.serializer(*BINARY)
def as_it_is(ctx, value):
    """Sends bytes and text as they are, and anything else as JSON."""
    if isinstance(value, (bytes, str)):
        return value
    return getattr(value, "value", None) or json.dumps(value, default=str).encode()


@schemathesis.check
def only_the_model_refuses_what_fits(ctx, response, case):
    """What fits its schema is refused by the model alone, for values that no schema knows to be wrong."""
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    if not fits or response.status_code not in {400, 422} or case.media_type not in {None, "application/json"}:
        return
    if uneven(case.body):
        return
    document = response.json()
    error = document.get("error", "")
    if case.path.startswith("/v2/"):
        # Types and numbers of tensors are the datatypes' matter, which is beyond JSON Schema too.
        assert response.status_code == 422 or any(words in error for words in BEYOND_SCHEMAS), error
    elif isinstance(error, dict):
        assert error["message"].startswith(("the model refuses", "the model cannot", "the index has")), error
    else:
        assert error.startswith("ValueError: "), document
