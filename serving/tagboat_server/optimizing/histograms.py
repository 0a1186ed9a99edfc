"""Histogram gradient boosting with its thresholds in double precision.

scikit-learn compares its columns to them in float64. skl2onnx (up to 1.20 at least) writes them into float attributes,
so that a value between a threshold and the threshold's float32 takes the other branch. ONNX-ML 3 has attributes of
double precision beside them; they are filled here from the fitted trees.
"""

from __future__ import annotations

from typing import Any

import numpy

from tagboat_server.formats.features import kind
from tagboat_server.optimizing.domain import NotConvertible

DOUBLES = 3
"""The version of ``ai.onnx.ml`` that has them."""


def is_histogram(estimator: Any) -> bool:
    """Whether this is the last step that is meant."""
    return kind(estimator) in {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}


def refine(proto: Any, estimator: Any) -> None:
    """Write the trees' own numbers into the graph's one ensemble. Raises `NotConvertible` where it is not as known."""
    from onnx import helper, numpy_helper

    nodes = [node for node in proto.graph.node if node.op_type.startswith("TreeEnsemble")]
    trees = [tree.nodes for iteration in estimator._predictors for tree in iteration]  # noqa: SLF001
    if len(nodes) != 1:
        raise NotConvertible(f"the converter made {len(nodes)} ensembles of one gradient boosting")
    node = nodes[0]
    attributes = {attribute.name: attribute for attribute in node.attribute}
    leaves = "class" if "class_weights" in attributes else "target"

    def values(treeids: str, nodeids: str, name: str) -> Any:
        at = zip(attributes[treeids].ints, attributes[nodeids].ints)
        return numpy.array([float(trees[tree][number][name]) for tree, number in at])

    written = {
        "nodes_values": values("nodes_treeids", "nodes_nodeids", "num_threshold"),
        f"{leaves}_weights": values(f"{leaves}_treeids", f"{leaves}_nodeids", "value"),
        "base_values": numpy.asarray(estimator._baseline_prediction, dtype=float).ravel(),  # noqa: SLF001
    }
    for name in (*written, "nodes_hitrates"):
        if name in attributes:
            node.attribute.remove(attributes[name])
    for name, numbers in written.items():
        node.attribute.append(helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(numbers, name)))
    for used in proto.opset_import:
        if used.domain == "ai.onnx.ml":
            used.version = max(used.version, DOUBLES)
