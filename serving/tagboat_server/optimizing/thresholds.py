"""The numbers at which a fitted estimator changes its mind, by the number of the column: what trees split at, and the
rows that a kernel or a neighbourhood is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy

from tagboat_server.formats.estimators import nested_estimators, offer

MOST = 400
"""Numbers of one column that are kept."""

ROWS = ("support_vectors_", "_fit_X")
"""Attributes that hold rows as they were fitted."""


def thresholds_of(estimator: Any) -> dict[int, list[float]]:
    """The numbers of every estimator inside; none where it holds nothing of the kind."""
    found: dict[int, set[float]] = {}
    for column, value in pairs(estimator):
        if len(known := found.setdefault(column, set())) < MOST:
            known.add(value)
    return {column: sorted(values) for column, values in found.items()}


def pairs(estimator: Any) -> Iterator[tuple[int, float]]:
    """(column, number), every one that there is."""
    for nested in nested_estimators(estimator):
        tree = offer(nested, "tree_")
        if tree is not None and hasattr(tree, "threshold"):
            inner = tree.children_left != -1
            yield from zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist())
        for iteration in offer(nested, "_predictors") or ():
            for predictor in iteration:
                nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist())
        for name in ROWS:
            rows = offer(nested, name)
            if isinstance(rows, numpy.ndarray) and rows.ndim == 2:
                yield from ((place, value) for row in rows[:MOST].tolist() for place, value in enumerate(row))
        yield from of_libraries(nested)


def of_libraries(estimator: Any) -> Iterator[tuple[int, float]]:
    """The splits of XGBoost's and LightGBM's trees, from what the libraries themselves write them down as."""
    module = type(estimator).__module__.partition(".")[0]
    if module == "xgboost" and callable(offer(estimator, "get_booster")):
        trees = [json.loads(text) for text in estimator.get_booster().get_dump(dump_format="json")]
        yield from walk(trees, "split", "split_condition")
    if module == "lightgbm" and offer(estimator, "booster_") is not None:
        yield from walk(estimator.booster_.dump_model()["tree_info"], "split_feature", "threshold")


def walk(document: Any, feature: str, threshold: str) -> Iterator[tuple[int, float]]:
    """Every split in nested lists and objects. XGBoost writes a column without a name as ``f7``."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [part for part in node.values() if isinstance(part, (list, dict))]
            name, value = node.get(feature), node.get(threshold)
            number = str(name).lstrip("f")
            if name is not None and number.isdigit() and isinstance(value, (int, float)):
                yield int(number), float(value)
