"""How one table of numbers is asked of each protocol, and where its answers stand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy

JSON = {"Content-Type": "application/json"}


@dataclasses.dataclass(frozen=True)
class Question:
    """A request that is ready to be sent."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Protocol:
    """``ask`` makes a request of rows; ``answers`` finds one value a row in the answer's JSON."""

    ask: Callable[[numpy.ndarray], Question]
    answers: Callable[[Any], list[Any]]


def listed(path: str, key: str, answers: Callable[[Any], list[Any]]) -> Protocol:
    """An object whose ``key`` holds a list for each row."""
    return Protocol(lambda rows: Question(path, JSON, json.dumps({key: rows.tolist()}).encode()), answers)


def open_inference(rows: numpy.ndarray) -> Question:
    """Open Inference Protocol V2: one flat list, and its shape."""
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return Question("/v2/models/cancer/infer", JSON, json.dumps({"inputs": [tensor]}).encode())


def binary_tensor(rows: numpy.ndarray) -> Question:
    """The same with the extension for binary tensors: the numbers follow the JSON as they lie in memory."""
    raw = rows.astype("<f8").tobytes()
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP64",
              "parameters": {"binary_data_size": len(raw)}}  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Question("/v2/models/cancer/infer", headers, head + raw)


def predictions(document: Any) -> list[Any]:
    return document["predictions"]


def whole(document: Any) -> list[Any]:
    return document


def first_output(document: Any) -> list[Any]:
    return document["outputs"][0]["data"]


DATA = listed("/predict", "data", predictions)
BENTOML = listed("/predict", "data", whole)
MLEM = listed("/predict", "data", whole)
MLFLOW = listed("/invocations", "inputs", predictions)
KSERVE = listed("/v1/models/cancer:predict", "instances", predictions)
V2 = Protocol(open_inference, first_output)
V2_BINARY = Protocol(binary_tensor, first_output)
