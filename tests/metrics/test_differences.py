"""Which way is better, and what changed between two commits."""

from __future__ import annotations

import math

import pytest

from entrypoint.metrics import Direction, Directions, differences

DIRECTIONS = Directions({"accuracy": "higher", "*loss": "lower", "val.*": "higher", "val.odd": "lower"})


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("accuracy", Direction.HIGHER),
        ("test.accuracy", Direction.HIGHER),
        ("metrics.json:accuracy", Direction.HIGHER),
        ("train.log_loss", Direction.LOWER),
        ("val.f1", Direction.HIGHER),
        ("val.odd", Direction.LOWER),
        ("val.loss", Direction.LOWER),
        ("inaccuracy", Direction.UNKNOWN),
        ("rows", Direction.UNKNOWN),
    ],
)
def test_a_direction_comes_from_the_settings_alone(name: str, direction: Direction) -> None:
    assert DIRECTIONS.of(name) is direction


def test_better_and_worse_follow_the_direction_and_unknown_is_neither() -> None:
    before = {"accuracy": 0.8, "loss": 0.5, "rows": 100, "val.f1": 0.7}
    after = {"accuracy": 0.9, "loss": 0.6, "rows": 90, "val.f1": 0.7}
    found = {one.name: one for one in differences(before, after, DIRECTIONS)}
    assert {name: one.better for name, one in found.items()} == {
        "accuracy": True, "loss": False, "rows": None, "val.f1": None
    }  # fmt: skip
    assert found["accuracy"].change == pytest.approx(0.1)
    assert not found["val.f1"].changed


def test_C9_what_is_no_number_is_never_better_or_worse() -> None:
    before = {"accuracy": math.nan, "loss": "0.5", "val.a": True, "val.b": 1}
    after = {"accuracy": 0.9, "loss": 0.1, "val.a": 1, "val.b": math.inf}
    found = differences(before, after, DIRECTIONS)
    assert [one.better for one in found] == [None] * 4
    assert [one.change for one in found] == [None] * 4
    assert all(one.changed for one in found)


def test_nan_is_the_same_as_nan_and_null_is_not_the_same_as_absent() -> None:
    assert not differences({"a": math.nan}, {"a": math.nan})[0].changed
    (gone,) = differences({"a": None}, {})
    assert gone.changed
    assert gone.present == (True, False)


def test_what_changed_comes_first_in_the_files_own_order() -> None:
    found = differences({"z": 1, "gone": 1, "a": 1}, {"z": 1, "b": 2, "a": 2})
    assert [one.name for one in found] == ["b", "a", "gone", "z"]
