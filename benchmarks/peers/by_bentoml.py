"""BentoML, one row after the other or in adaptive batches; started by `bentoml serve`.

``MODEL`` in the environment is the model's file; `by_bentoml:Single` and `by_bentoml:Batches` are the services.
"""

import os
from typing import Annotated

import bentoml
import joblib
import numpy
from bentoml.validators import DType

Rows = Annotated[numpy.ndarray, DType("float64")]


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Single:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, data: Rows) -> Rows:
        return self.model.predict(data).astype("float64")


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Batches:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=1000)
    def predict(self, data: Rows) -> Rows:
        return self.model.predict(data).astype("float64")
