"""ONNX models, run by ONNX Runtime on the CPU; the signature is the graph's.

A classifier converted from scikit-learn has two outputs, labels and probabilities: they become ``predict`` and
``predict_proba``. Any other graph has ``predict``, which answers with its output, or with all of them by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.formats import threads
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Method, NamedTensor, Signature, Tensor, Tensors

DTYPES = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(int8)": "int8",
    "tensor(string)": "str",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(uint8)": "uint8",
}
"""ONNX Runtime's names of types, and NumPy's."""


class OnnxFormat:
    """See `Format`."""

    name = "onnx"

    def recognises(self, path: Path) -> bool:
        """By the ending."""
        return path.is_file() and path.suffix == ".onnx"

    def load(self, path: Path) -> LoadedModel:
        """Load the graph into ONNX Runtime."""
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingLibraryError("onnxruntime", where=path.name, reason="the model is an ONNX graph") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads.allowed()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"ONNX Runtime cannot load the graph: {error}", where=path.name) from error
        # ONNX Runtime keeps a thread of its own, and does not promise that a forked child can do without.
        try:
            return LoadedModel(self.name, methods_of(session), forkable=False)
        except ModelError as error:
            raise ModelError(error.message, where=path.name, hint=error.hint) from None


def methods_of(session: Any) -> dict[str, LoadedMethod]:
    """The methods that a graph's outputs amount to."""
    taken = input_of(session.get_inputs())
    names = [output.name for output in session.get_outputs()]
    types = [output.type for output in session.get_outputs()]
    if classifies(names, types):
        labels, probabilities = names
        return {
            "predict": method(session, taken, (labels,), output_of(session, 0)),
            "predict_proba": method(session, taken, (probabilities,), output_of(session, 1)),
        }
    given = output_of(session, 0) if len(names) == 1 else None
    return {"predict": method(session, taken, tuple(names), given)}


def method(session: Any, taken: Signature, outputs: tuple[str, ...], given: Optional[Signature]) -> LoadedMethod:
    """A method that asks for some outputs; all of it is native code."""
    return LoadedMethod(Run(session, taken, outputs), Method(taken, given), quick=True)


def classifies(names: Sequence[str], types: Sequence[str]) -> bool:
    """Whether the outputs are a classifier's labels and probabilities, as skl2onnx and onnxmltools name them."""
    return len(names) == 2 and "label" in names[0] and "prob" in names[1] and types[0] in DTYPES


def input_of(inputs: Sequence[Any]) -> Signature:
    """The signature of a graph's inputs; named dimensions are of any length."""
    tensors = [NamedTensor(each.name, dtype_of(each), shape_of(each)) for each in inputs]
    if len(tensors) == 1:
        return Tensor(tensors[0].dtype, tensors[0].shape)
    return Tensors(tuple(tensors))


def output_of(session: Any, place: int) -> Optional[Signature]:
    """The signature of one output; None where it is no tensor."""
    output = session.get_outputs()[place]
    if output.type not in DTYPES:
        return Anything()
    return Tensor(DTYPES[output.type], shape_of(output))


def dtype_of(given: Any) -> str:
    """The dtype of an input. Raises `ModelError` for sequences and maps."""
    if given.type not in DTYPES:
        raise ModelError(f"the input {given.name!r} is a {given.type}, which cannot be served")
    return DTYPES[given.type]


def shape_of(given: Any) -> tuple[Optional[int], ...]:
    """The shape, None for what may vary; the first dimension counts rows and always may."""
    shape = [size if isinstance(size, int) and size > 0 else None for size in given.shape or ()]
    if shape and shape[0] == 1 and len(shape) > 1:
        return (1, *shape[1:])
    return tuple(shape)


class Run:
    """One method of a graph: which outputs to ask for."""

    def __init__(self, session: Any, signature: Signature, outputs: tuple[str, ...]) -> None:
        self.session = session
        self.signature = signature
        self.outputs = outputs
        self.name = session.get_inputs()[0].name

    def __call__(self, value: Any) -> Any:
        """Run the graph on an array, or on a mapping from input names to arrays."""
        feed = value if isinstance(self.signature, Tensors) else {self.name: value}
        results: list[Any] = [plain(result) for result in self.session.run(list(self.outputs), feed)]
        return results[0] if len(results) == 1 else dict(zip(self.outputs, results))


def plain(result: Any) -> Any:
    """Probabilities that the graph gives as one map a row, as a matrix in the order of the classes."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        classes = list(result[0])
        return numpy.array([[row[name] for name in classes] for row in result])
    return result


FORMAT = OnnxFormat()
