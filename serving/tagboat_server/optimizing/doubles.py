"""Boosted trees with their thresholds in double precision.

Histogram gradient boosting and LightGBM compare their columns to them in float64. The converters (skl2onnx up to 1.20,
onnxmltools up to 1.16) write them into float attributes, so that a value between a threshold and the threshold's
float32 takes the other branch. ONNX-ML 3 has attributes of double precision beside them; they are filled here from the
fitted trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from tagboat_server.formats.features import kind
from tagboat_server.optimizing.thresholds import pairs

DOUBLES = 3
"""The version of ``ai.onnx.ml`` that has them."""

HISTOGRAMS = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
COMPARING_DOUBLES = {*HISTOGRAMS, "LGBMClassifier", "LGBMRegressor"}


def is_histogram(estimator: Any) -> bool:
    """Whether this is scikit-learn's histogram gradient boosting."""
    return kind(estimator) in HISTOGRAMS


def refine(proto: Any, estimator: Any) -> None:
    """Write the trees' own thresholds into the graph's ensemble, where its trees compare in double precision.

    Raises `ValueError` where the ensemble is not as it is known here.
    """
    from onnx import helper, numpy_helper

    if kind(estimator) not in COMPARING_DOUBLES:
        return
    nodes = [node for node in proto.graph.node if node.op_type.startswith("TreeEnsemble")]
    if len(nodes) != 1:
        raise ValueError(f"the converter made {len(nodes)} ensembles of one gradient boosting")
    node = nodes[0]
    attributes = {attribute.name: attribute for attribute in node.attribute}
    thresholds = by_node(estimator, attributes) if is_histogram(estimator) else by_value(estimator, attributes)
    written = {"nodes_values": thresholds}
    for name in ("class_weights", "target_weights", "base_values"):
        if name in attributes:
            written[name] = numpy.array(attributes[name].floats, dtype=numpy.float64)
    if is_histogram(estimator):
        written["base_values"] = numpy.asarray(estimator._baseline_prediction, dtype=float).ravel()  # noqa: SLF001
    for name in (*written, "nodes_hitrates"):
        if name in attributes:
            node.attribute.remove(attributes[name])
    for name, numbers in written.items():
        node.attribute.append(helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(numbers, name)))
    for used in proto.opset_import:
        if used.domain == "ai.onnx.ml":
            used.version = max(used.version, DOUBLES)


def by_node(estimator: Any, attributes: Mapping[str, Any]) -> Any:
    """The thresholds of scikit-learn's trees, whose nodes keep their numbers in the graph."""
    trees = [tree.nodes for iteration in estimator._predictors for tree in iteration]  # noqa: SLF001
    at = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints)
    return numpy.array([float(trees[tree]["num_threshold"][node]) for tree, node in at])


def by_value(estimator: Any, attributes: Mapping[str, Any]) -> Any:
    """Each node's threshold as the tree has it, found by its column and the float32 that the converter made of it."""
    known: dict[tuple[int, float], set[float]] = {}
    for column, value in pairs(estimator):
        known.setdefault((column, float(numpy.float32(value))), set()).add(value)
    found = numpy.zeros(len(attributes["nodes_values"].floats))
    nodes = zip(
        attributes["nodes_featureids"].ints, attributes["nodes_values"].floats, attributes["nodes_modes"].strings
    )
    for place, (column, value, mode) in enumerate(nodes):
        if mode != b"LEAF":
            values = known.get((column, value), set())
            if len(values) != 1:
                raise ValueError(f"{len(values)} thresholds of column {column} are {value} in float32")
            found[place] = next(iter(values))
    return found
