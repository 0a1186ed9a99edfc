"""The operations of SageMaker's container contract and of MLflow's inputs."""

from __future__ import annotations

import csv
import io
from typing import Any, Optional

import msgspec

from tagboat_server.openapi.examples import Sample
from tagboat_server.openapi.native import data_of
from tagboat_server.openapi.operations import (
    ERROR_REFERENCE,
    Answer,
    Body,
    Media,
    Schema,
    closed,
    of_json,
    operation,
    refusals,
    usual,
)
from tagboat_server.openapi.pages import HEALTH
from tagboat_server.openapi.schemas import columns_of, records_schema, row_schema
from tagboat_server.protocols import media
from tagboat_server.protocols.base import Context
from tagboat_server.signature import Signature, Tensor

TAG = "SageMaker and MLflow"

BINARY: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}

PARAMS: Schema = {"type": ["object", "null"], "maxProperties": 0}
"""MLflow's parameters, which no method here takes."""

ATTRIBUTES = {
    "name": "X-Amzn-SageMaker-Custom-Attributes",
    "in": "header",
    "description": "`method=<method>` names the method where no query can, as in SageMaker's InvokeEndpoint.",
    "schema": {"type": "string"},
}


def pages() -> dict[str, dict[str, Any]]:
    """What is fetched."""
    good = {"200": Answer("They are.", of_json(HEALTH)), "503": Answer("Not now.", of_json(HEALTH))}
    limits = closed(
        {
            "MaxConcurrentTransforms": {"type": "integer"},
            "BatchStrategy": TEXT,
            "MaxPayloadInMB": {"type": "integer"},
        }
    )
    transforms = {"200": Answer("How batch transform shall ask.", of_json(limits))}
    version = {"200": Answer("MLflow's version, or ours.", {"text/plain": Media(TEXT)})}
    welcome = "Whether new requests are welcome."
    return {
        "/ping": {"get": operation("ping", TAG, f"{welcome} (SageMaker)", answers=good)},
        "/health": {"get": operation("health", TAG, f"{welcome} (MLflow)", answers=good)},
        "/version": {"get": operation("version", TAG, "The version for MLflow's clients.", answers=version)},
        "/execution-parameters": {
            "get": operation("execution_parameters", TAG, "What SageMaker's batch transform asks.", answers=transforms)
        },
    }


def invocations(context: Context, *, arrow: bool) -> dict[str, Any]:
    """``/invocations``. ``arrow``: whether Arrow and Parquet are read and written."""
    default = context.default or ""
    call = context.calls[default]
    schema, example = data_of(context, call)
    signature = call.signature.input
    body: dict[str, Media] = {media.JSON: document(signature, schema, example)}
    table = csv_of(signature, Sample(context.sample), example)
    if table is not None:
        body[media.CSV] = Media(TEXT, {"example": table})
    lines = {} if table is None else {"example": lines_of(example)}
    body[media.JSON_LINES] = Media(TEXT, lines)
    body[media.NPY] = Media(BINARY)
    if arrow:
        body[media.ARROW] = body[media.PARQUET] = Media(BINARY)
    predictions = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {}, "release": {"type": ["string", "null"]}},
    }
    written: Body = {
        media.JSON: Media(predictions),
        media.JSON_LINES: Media(TEXT),
        media.CSV: Media(TEXT),
        media.NPY: Media(BINARY),
        **({media.ARROW: Media(BINARY), media.PARQUET: Media(BINARY)} if arrow else {}),
    }
    texts = {
        **usual(context.settings.max_body),
        "404": "The model has no method of that name.",
        "406": "The answer has no form that Accept asks for.",
    }
    method = {
        "name": "method",
        "in": "query",
        "description": f"The method; {default} where none is named.",
        "schema": {"enum": list(context.calls)},
    }
    return {
        "post": operation(
            "invocations",
            TAG,
            "Call the model, as SageMaker and MLflow do.",
            body=body,
            parameters=[method, ATTRIBUTES],
            answers={
                "200": Answer("The model's answer, in the form that Accept asks for.", written),
                **refusals(ERROR_REFERENCE, texts),
            },
        )
    }


def document(signature: Signature, schema: Schema, example: Any) -> Media:
    """Every form of JSON."""
    columns = columns_of(signature)
    forms: list[Schema] = [closed({"data": schema})]
    examples: dict[str, Any] = {"data": {"data": example}}
    mlflow: dict[str, tuple[Schema, Any]] = {"instances": (schema, example), "inputs": (schema, example)}
    if columns:
        names = [str(column.name) for column in columns]
        rows = {"type": "array", "minItems": 1, "items": row_schema(columns)}
        ordered = {
            "type": ["array", "null"],
            "prefixItems": [{"const": name} for name in names],
            "minItems": len(names),
        }
        split: dict[str, Schema] = {
            "data": rows,
            "columns": {**ordered, "maxItems": len(names)},
            "index": {"type": ["array", "null"], "description": "As long as data; it says nothing here."},
        }
        mlflow["dataframe_records"] = (records_schema(columns), example)
        if example is not None and set(example[0]) == set(names):
            values = {"columns": names, "data": [[example[0][name] for name in names]]}
            mlflow["dataframe_split"] = (closed(split, ["data"]), values)
        forms += [records_schema(columns), rows]
    elif isinstance(signature, Tensor) and signature.shape:
        forms.append(schema)
    elif not isinstance(signature, Tensor):
        forms.append({"type": "array"})
    for name, (form, value) in mlflow.items():
        forms.append(closed({name: form, "params": PARAMS}, [name]))
        examples[name] = {name: value}
    return Media({"anyOf": forms}, examples if example is not None else {})


def csv_of(signature: Signature, sample: Sample, example: Any) -> Optional[str]:
    """The example as CSV without a header, or None where it is no table."""
    columns = columns_of(signature)
    if columns:
        record = sample.record(columns) or example[0]
        if any(str(column.name) not in record for column in columns):
            return None
        row = [record[str(column.name)] for column in columns]
    elif isinstance(signature, Tensor) and len(signature.shape) == 2 and example:
        row = example[0]
    else:
        return None
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(["" if value is None else spelled(value) for value in row])
    return written.getvalue()


def spelled(value: Any) -> Any:
    """A value as CSV spells it."""
    return str(value).lower() if isinstance(value, bool) else value


def lines_of(example: Any) -> str:
    """The example as JSON lines."""
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in example)
