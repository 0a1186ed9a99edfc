"""Answers are counted in bins that a sample, or the classes, give."""

import collections
import math

import numpy

from tagboat_server.predictions import MOST_CLASSES, OTHER, Predictions


def counted(answers, *, sample=None):
    counts = collections.Counter()
    predictions = Predictions(lambda name, count: counts.update({name: count}))
    expected = predictions.expect(sample) if sample is not None else {}
    for each in answers:
        predictions.note(each)
    predictions.fold()
    return dict(counts), expected


def test_numbers_fall_into_the_deciles_of_the_sample():
    sample = numpy.arange(100.0)
    counts, expected = counted([sample, numpy.array([1e9, -1e9])], sample=sample)
    assert len(expected) == 10
    assert math.fsum(expected.values()) == 1
    assert set(counts) == set(expected)
    assert sum(counts.values()) == 102
    assert counts[">89.1"] == 11
    assert counts["<=9.9"] == 11


def test_numbers_without_a_sample_are_not_counted():
    assert counted([numpy.array([0.5])]) == ({}, {})


def test_too_many_classes_share_a_bin():
    counts, _ = counted([numpy.arange(MOST_CLASSES + 5)])
    assert len(counts) == MOST_CLASSES + 1
    assert counts[OTHER] == 5


def test_matrices_and_objects_are_let_be():
    assert counted([numpy.zeros((3, 2)), {"a": 1}, None, [[1, 2]]]) == ({}, {})


def test_a_column_and_a_list_count_as_well():
    assert counted([numpy.array([[1], [2]]), [1, 1]])[0] == {"1": 3, "2": 1}


def test_many_answers_are_counted_before_anybody_asks():
    counts = collections.Counter()
    predictions = Predictions(lambda name, count: counts.update({name: count}))
    for _ in range(1000):
        predictions.note(numpy.array(["yes"], dtype=object))
    assert counts["yes"] >= 744
