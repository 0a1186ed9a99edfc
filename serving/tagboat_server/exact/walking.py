"""All trees of a model walked at once, level by level, for batches of a few rows.

Calling a hundred compiled trees costs more than the trees: a hundred calls. Here the nodes of all trees stand in one
set of arrays, siblings side by side, and one step of numpy takes every row of every tree one level down. A leaf points
to itself and no value is beyond its threshold, so rows that have arrived stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy

from tagboat_server.exact.programs import Array

REST = 8
"""Levels after which those that have arrived are left behind, if they are the most."""


class Nodes(NamedTuple):
    """One tree: parallel arrays, one entry a node; ``left`` is -1 at a leaf; a value goes left when <= threshold."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array


class Walk:
    """Trees put together for walking. ``dtype``: what the rows are compared in, float32 or float64."""

    def __init__(self, trees: Sequence[Nodes], dtype: type) -> None:
        sizes = [len(tree.left) for tree in trees]
        starts = numpy.concatenate([[0], numpy.cumsum(sizes)])
        total = int(starts[-1])
        self.dtype = dtype
        self.roots = starts[:-1].astype(numpy.intp)
        self.feature = numpy.zeros(total, numpy.intp)
        self.threshold = numpy.full(total, numpy.inf, dtype)
        self.left = numpy.arange(total, dtype=numpy.intp)
        self.missing_right = numpy.zeros(total, bool)
        self.place = numpy.empty(total, numpy.intp)
        """For each node of ours, its place when the nodes of all trees stand one after the other as they were given."""
        self.levels = 0
        for tree, start in zip(trees, starts):
            self.levels = max(self.levels, self.add(tree, int(start)))

    def add(self, tree: Nodes, start: int) -> int:
        """Fill in one tree from ``start`` on; returns its depth."""
        inner = numpy.flatnonzero(tree.left >= 0)
        new = numpy.zeros(len(tree.left), numpy.intp)
        new[tree.left[inner]] = 1 + 2 * numpy.arange(len(inner))
        new[tree.right[inner]] = 2 + 2 * numpy.arange(len(inner))
        new += start
        self.place[new] = start + numpy.arange(len(new))
        at = new[inner]
        self.feature[at] = tree.feature[inner]
        self.threshold[at] = round_down(tree.threshold[inner], self.dtype)
        self.left[at] = new[tree.left[inner]]
        self.missing_right[at] = numpy.asarray(tree.missing_left[inner]) == 0
        depth, level = 0, numpy.zeros(1, numpy.intp)
        while True:
            level = level[tree.left[level] >= 0]
            if not len(level):
                return depth
            depth += 1
            level = numpy.concatenate([tree.left[level], tree.right[level]])

    def leaves(self, rows: Array, missing: bool) -> Array:
        """The places of the leaves, one line a tree, one column a row.

        ``rows``: C-contiguous and of our dtype. ``missing``: whether a cell may be NaN.
        """
        count, width = rows.shape
        cells = rows.reshape(-1)
        node = self.roots.repeat(count)
        offsets = numpy.resize(numpy.arange(0, count * width, width), len(node)) if count > 1 else None
        arrived, going = node, None
        for level in range(1, self.levels + 1):
            at = self.feature.take(node)
            if offsets is not None:
                at += offsets
            values = cells.take(at)
            beyond = values > self.threshold.take(node)
            if missing:
                beyond |= numpy.isnan(values) & self.missing_right.take(node)
            node = self.left.take(node)
            node += beyond
            if level % REST == 0 and level < self.levels:
                on = numpy.flatnonzero(self.left.take(node) != node)
                if 2 * len(on) < len(node):
                    arrived, going = settle(arrived, going, node), on if going is None else going[on]
                    node = node[on]
                    offsets = offsets[on] if offsets is not None else None
        return self.place.take(settle(arrived, going, node)).reshape(-1, count)


def settle(arrived: Array, going: Optional[Array], node: Array) -> Array:
    """Where every row stands, given where those stand that were still ``going``; None: all were."""
    if going is None:
        return node
    arrived[going] = node
    return arrived


def round_down(thresholds: Array, dtype: type) -> Array:
    """The greatest number of ``dtype`` that is not above: for a value of that dtype, ``<=`` decides the same."""
    with numpy.errstate(over="ignore"):
        rounded = thresholds.astype(dtype)
    above = rounded > thresholds
    rounded[above] = numpy.nextafter(rounded[above], dtype(-numpy.inf))
    return rounded


def sum_in_order(parts: Array) -> Array:
    """The sum over the first axis, one after the other from 0.0 on, as a loop of ``total += part`` makes it.

    numpy adds line by line, but sums a single column pairwise: that one is accumulated instead.
    """
    if parts[0].size == 1:
        flat = numpy.add.accumulate(parts.reshape(-1))
        return (flat[-1:] + 0.0).reshape(parts.shape[1:])
    return numpy.add.reduce(parts, axis=0, initial=0.0)
