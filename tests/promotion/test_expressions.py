"""A condition passes on whole knowledge alone, and what is wrong in it is pointed at."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.promotion.expressions import Answer, ExpressionError, Name, evaluate, parse

STAGES = frozenset({"dev", "prod", "pre-prod"})


def answer(text: str, **values: object) -> Answer:
    """``prod__f1`` is the name ``prod.f1``."""
    found = {name.replace("__", "."): value for name, value in values.items()}
    return evaluate(parse(text, STAGES), lambda name: found.get(name.written))


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("accuracy >= 0.9", {"accuracy": 0.9}, True),
        ("accuracy >= 90%", {"accuracy": 0.89}, False),
        ("f1 >= prod.f1 - 0.01", {"f1": 0.57, "prod__f1": 0.58}, True),
        ("params.train.epochs > 5", {"params__train__epochs": 6}, True),
        ('tags.owner == "risk"', {"tags__owner": "risk"}, True),
        ("tags.owner != 'risk'", {"tags__owner": "risk"}, False),
        ("tags.approved", {"tags__approved": True}, True),
        ("not tags.pii and (a < 1 or b < 1)", {"tags__pii": False, "a": 2, "b": 0}, True),
        ("abs(a - b) <= min(1, 2, max(0.5, 0.25))", {"a": 1, "b": 1.5}, True),
        ("a - b - c == 1 and a / b / c == 2", {"a": 4, "b": 2, "c": 1}, True),
        ("2 + 3 * 4 == 14 and -2 * -3 == 6 and (2 + 3) * 4 == 20", {}, True),
        ("not a == 1", {"a": 2}, True),
        ("true or false and false", {}, True),
        ("(a < 1) == (b < 1)", {"a": 0, "b": 0}, True),
    ],
)
def test_conditions_come_to_what_they_say(text, values, holds):
    assert answer(text, **values).holds is holds


def test_decimal_numbers_are_what_was_written():
    assert answer("0.3 - 0.1 == 0.2 and a + 0.1 == 0.3", a=0.2).holds is True
    assert answer("a == 9007199254740993", a=2**53 + 1).holds is True
    assert answer("a == 9007199254740992", a=2**53 + 1).holds is False


def test_a_name_that_no_letters_can_write_stands_in_quotes():
    (name,) = parse('metric("eval/f1", "pre-prod") > 0', STAGES).names
    assert (name.key, name.stage) == ("eval/f1", "pre-prod")
    (name,) = parse("incumbent.params.train.epochs > 0", STAGES).names
    assert (name.scope, name.key, name.stage) == ("params", "train.epochs", "incumbent")


def test_the_value_of_every_name_is_told():
    assert answer("f1 >= prod.f1", f1=0.8, prod__f1=0.7).figures == {"f1": 0.8, "prod.f1": 0.7}


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a <", 3),
        ("a < b < c", 6),
        ("a < (b) == c", 8),
        ("a = 1", 2),
        ("a ≥ 1", 2),
        ("a & b", 2),
        ("accuracy + 1", 9),
        ("0.9", 0),
        ("1 and a", 0),
        ("a >= 'x'", 5),
        ("'x' == 1", 4),
        ("-'x' < 1", 1),
        ("(a < 1", 6),
        ("a < 1)", 5),
        ("a < 0.9x", 7),
        ("eval(a)", 0),
        ("abs(a, b) < 1", 0),
        ("max() < 1", 0),
        ("metric(a) < 1", 0),
        ("metric('a', 'nope') < 1", 12),
        ("prod > 1", 0),
        ("params > 1", 0),
        ("a < 'x", 4),
        ("a < 1e400", 4),
        ("a.__class__.__mro__ == [", 23),
        ("__import__('os')", 0),
        ("a < 1; b", 5),
        ("a < 1\u202e", 5),
    ],
)
def test_an_error_points_at_the_character(text, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text, STAGES)
    assert caught.value.position == position
    *_, line, caret = str(caught.value).split("\n")
    assert caret.index("^") - 4 == position
    assert line[4:].isprintable()


def test_the_caret_finds_its_character_in_a_long_line():
    with pytest.raises(ExpressionError) as caught:
        parse(f"{'a < 1 and ' * 40}b = 2")
    *_, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^")] == "="
    assert len(line) < 120


@pytest.mark.parametrize("text", ["(" * 5000, "a" * 1001, "not " * 200 + "a", "-" * 900 + "1 < 2", "abs(" * 100])
def test_what_is_too_long_or_too_deep_is_an_error(text):
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("a > 1", {}, "a is missing"),
        ("a > 1", {"a": None}, "a is missing"),
        ("a > 1", {"a": math.nan}, "a is nan"),
        ("a < 1", {"a": -math.inf}, "a is -inf"),
        ("a > 1", {"a": "2"}, "a is a text"),
        ("a > 1", {"a": True}, "a is true or false"),
        ("a > 1", {"a": 10**400}, "too large"),
        ("a > 1", {"a": [2]}, "neither a number nor a text"),
        ("a * a * a > 1", {"a": 1e200}, "too large"),
        ("1 / a > 1", {"a": 0}, "divides by zero"),
        ("1 / (a - b) > 1", {"a": 0.3, "b": 0.3}, "divides by zero"),
        ("a == 1", {"a": "1"}, "a is a text"),
        ("a != 1", {"a": "1"}, "a is a text"),
        ("a", {"a": 1}, "a is a number"),
        ("a and true", {"a": 1}, "a is a number"),
        ("not a", {"a": "x"}, "a is a text"),
        ("true or a > 1", {}, "a is missing"),
        ("false and a > 1", {}, "a is missing"),
        ("a == 'x'", {"a": "x" * 10_001}, "too long"),
    ],
)
def test_what_is_not_known_is_never_true(text, values, reason):
    found = answer(text, **values)
    assert found.holds is None
    assert reason in found.reasons[0]


# --- properties --------------------------------------------------------------------------------------------------

LEAVES = st.sampled_from(["a", "b", "prod.a", "params.p", "tags.t", "1", "0", "0.5", "1e300", "'x'", "true", "false"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or"])
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda three: f"({three[0]} {three[1]} {three[2]})"),
        inner.map(lambda one: f"not ({one})"),
        inner.map(lambda one: f"-({one})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: f"max({', '.join(some)})"),
    )


CONDITIONS = st.recursive(LEAVES, _larger, max_leaves=8)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "x", "nan", "1"]),
    st.just(10**400),
    st.just([1]),
)


def _known(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (bool, str)) or (isinstance(value, int) and abs(value) < 10**308)


@settings(deadline=None)
@given(CONDITIONS, st.dictionaries(st.sampled_from(["a", "b", "prod.a", "params.p", "tags.t"]), VALUES))
def test_any_text_is_read_or_refused_and_passes_only_when_every_name_is_known(text, values):
    try:
        expression = parse(text, STAGES)
    except ExpressionError:
        return
    found = evaluate(expression, lambda name: values.get(name.written))
    if any(not _known(values.get(name.written)) for name in expression.names):
        assert found.holds is None
        assert found.reasons
    assert (found.holds is None) == bool(found.reasons)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fail_in_another_way(text):
    with contextlib.suppress(ExpressionError):
        assert parse(text, STAGES).text == text


FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


@settings(deadline=None)
@given(FINITE, FINITE)
def test_comparisons_are_those_of_the_numbers(one, other):
    for sign, expected in (("<", one < other), ("<=", one <= other), (">", one > other), (">=", one >= other),
                           ("==", one == other), ("!=", one != other)):  # fmt: skip
        assert answer(f"a {sign} b", a=one, b=other).holds is expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4), st.booleans())
def test_names_are_found_in_the_order_of_the_text(names, minus):
    text = " + ".join(f"-{name}" if minus else name for name in names) + " > 0"
    found: tuple[Name, ...] = parse(text).names
    assert [name.key for name in found] == names
