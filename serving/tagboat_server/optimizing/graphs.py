"""A graph that answers for a model: from a request's matrix or table to ONNX Runtime and back, without a dataframe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy

from tagboat_server.exact import Table
from tagboat_server.exact.inputs import is_frame
from tagboat_server.exact.programs import PassOn
from tagboat_server.optimizing.domain import Place
from tagboat_server.optimizing.outcome import Figures
from tagboat_server.signature import Frame, Signature

MATRIX = "input"
"""The name of a graph's input where it is one matrix; columns are ``c0``, ``c1``, …"""

LARGEST = 1e30
"""Numbers beyond this are left to the model: float32 ends at 3e38, and steps multiply."""

Feed = dict[str, Any]


def open_session(content: bytes) -> Any:
    """A graph in ONNX Runtime, on one thread. Raises what ONNX Runtime raises."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def as_matrix(signature: Signature) -> bool:
    """Whether the model's columns are one matrix of float64."""
    if isinstance(signature, Frame):
        return all(column.dtype == "float64" and not column.optional for column in signature.columns)
    return True


class Optimized:
    """A method that a graph answers.

    Takes what the model's own method takes, and an `exact.Table`. Whatever was not compared (an unknown category, NaN
    or infinity where the signature has none, another width or dtype) goes to the model's own method, which answers or
    refuses it in its own words; ``passed_on`` counts those calls. ``figures``: how near it was when it was loaded.
    Safe to call from several threads.
    """

    def __init__(
        self,
        session: Any,
        method: str,
        places: Sequence[Place],
        signature: Signature,
        public: Callable[[Any], Any],
    ) -> None:
        self.session = session
        self.public = public
        self.passed_on = 0
        self.gate = Gate(session, places, signature)
        self.names = [column.name for column in signature.columns] if isinstance(signature, Frame) else None
        outputs = [output.name for output in session.get_outputs()]
        self.output = [outputs[1] if method == "predict_proba" else outputs[0]]
        self.dtype: Any = None
        self.flat = False
        self.figures = Figures(rows=0, differing=0)

    def answer_as(self, wanted: Any) -> None:
        """Answer in the dtype and the number of dimensions of the model's own answers."""
        self.dtype = wanted.dtype
        self.flat = wanted.ndim == 1

    def __call__(self, batch: Any) -> Any:
        """The graph's answer, or the model's."""
        try:
            return self.run(batch)
        except Exception:  # noqa: BLE001 - whatever it was, the model has the last word
            self.passed_on += 1
        if type(batch) is Table:
            batch = batch.frame(self.names or range(batch.width))
        return self.public(batch)

    def run(self, batch: Any) -> Any:
        """The graph's answer. Raises `PassOn` where it is not to be asked, and what ONNX Runtime raises."""
        found = self.session.run(self.output, self.gate(batch))[0]
        if self.flat and found.ndim > 1:
            found = found.ravel()
        return found if found.dtype == self.dtype else found.astype(self.dtype)


class Gate:
    """What a graph is fed with. Raises `PassOn` for whatever was not compared."""

    def __init__(self, session: Any, places: Sequence[Place], signature: Signature) -> None:
        types = {each.name: each.type for each in session.get_inputs()}
        self.width = len(places)
        self.frame = isinstance(signature, Frame)
        self.labels = [column.name for column in signature.columns] if isinstance(signature, Frame) else []
        self.matrix = as_matrix(signature)
        self.dtype = DTYPES[types[MATRIX]] if self.matrix else None
        self.nullable = numpy.array([place.nullable for place in places])
        self.listed = [(place.number, place.categories) for place in places if place.categories is not None]
        self.columns = [
            (place.number, f"c{place.number}", DTYPES[types[f"c{place.number}"]], place)
            for place in places
            if not self.matrix and place.used and f"c{place.number}" in types
        ]

    def __call__(self, batch: Any) -> Feed:
        """The graph's inputs."""
        if is_frame(batch):
            batch = self.table(batch)
        if self.matrix:
            values = batch.matrix if type(batch) is Table else batch
            return {MATRIX: self.numbers(values)}
        if type(batch) is not Table or batch.width != self.width or not batch.rows:
            raise PassOn
        feed = {}
        for number, name, dtype, place in self.columns:
            column = batch.column(number)
            if place.categories is not None:
                if not place.categories.issuperset(column.tolist()):
                    raise PassOn
            else:
                check(column, place.nullable)
            feed[name] = column.astype(dtype).reshape(-1, 1)
        return feed

    def numbers(self, values: Any) -> Any:
        """A matrix of numbers."""
        if type(values) is not numpy.ndarray or values.dtype.kind not in "fiu" or values.ndim != 2:
            raise PassOn
        if values.shape[1] != self.width or not len(values):
            raise PassOn
        low, high = numpy.minimum.reduce(values, axis=None), numpy.maximum.reduce(values, axis=None)
        if (
            not (low >= -LARGEST and high <= LARGEST)
            and not ((numpy.abs(values) <= LARGEST) | (numpy.isnan(values) & self.nullable)).all()
        ):
            raise PassOn
        for number, categories in self.listed:
            if not categories.issuperset(values[:, number].tolist()):
                raise PassOn
        return values if values.dtype == self.dtype else values.astype(self.dtype)

    def table(self, frame: Any) -> Table:
        """A dataframe as a table. Raises `PassOn` for other columns than the model's."""
        if frame.columns.tolist() != self.labels:
            raise PassOn
        if self.matrix:
            return Table(numpy.ascontiguousarray(frame.to_numpy(dtype=numpy.float64)))
        return Table([frame.iloc[:, place].to_numpy() for place in range(self.width)])


DTYPES: dict[str, Any] = {
    "tensor(double)": numpy.dtype("float64"),
    "tensor(float)": numpy.dtype("float32"),
    "tensor(int64)": numpy.dtype("int64"),
    "tensor(string)": numpy.dtype(object),
}
"""ONNX Runtime's names of types, and NumPy's."""


def check(column: Any, nullable: bool) -> None:
    """Raise `PassOn` for a column that is not of numbers that were compared."""
    if column.dtype.kind not in "fiub":
        raise PassOn
    low, high = numpy.minimum.reduce(column), numpy.maximum.reduce(column)
    if not (low >= -LARGEST and high <= LARGEST) and not (
        nullable and ((numpy.abs(column) <= LARGEST) | numpy.isnan(column)).all()
    ):
        raise PassOn
