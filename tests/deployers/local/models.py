"""Real bundles: small models, wrapped once a session, in environments of their own."""

import os
from functools import cache
from pathlib import Path

from deployers.wrapping import requirement_lines
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.requirements import Requirements
from deployers.wrapping.wrap import WrapSettings, wrap


@cache
def doubling(shared: Path, factor: int) -> Bundle:
    """An ONNX model that multiplies pairs of numbers; its server starts in a second."""
    import onnx
    from onnx import TensorProto, helper

    def pairs(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])

    times = helper.make_tensor("factor", TensorProto.FLOAT, [], [float(factor)])
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    graph = helper.make_graph([node], "times", [pairs("x")], [pairs("y")], [times])
    folder = shared / f"onnx-{factor}-{os.getpid()}"
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    return _wrapped(shared, folder, "m.onnx", f"v{factor}.0.0", b"numpy\n")


@cache
def flowers(shared: Path) -> Bundle:
    """A scikit-learn classifier."""
    import joblib
    import sklearn
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    folder = shared / f"sklearn-{os.getpid()}"
    folder.mkdir(parents=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True)), folder / "m.joblib")
    return _wrapped(shared, folder, "m.joblib", "v1.0.0", f"scikit-learn=={sklearn.__version__}\n".encode())


def _wrapped(shared: Path, folder: Path, model: str, version: str, needed: bytes) -> Bundle:
    lines = requirement_lines.from_text("requirements.txt", needed)
    requirements = Requirements(lines=lines, source="requirements.txt", python="3.11", python_source="a test")
    return wrap(
        folder,
        model,
        name="model",
        version=version,
        commit="c" * 40,
        requirements=requirements,
        settings=WrapSettings(),
        store=shared / "bundles",
        cache=shared / "cache",
        environment=os.environ,
    )
