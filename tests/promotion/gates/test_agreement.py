"""Both endpoints are asked the same rows, and different answers are counted."""

from __future__ import annotations

import pytest

from entrypoint.promotion.gates import Outcome


def test_alike_on_every_row_passes(case):
    result = case("{gate: agreement}").evaluate()
    assert (result.outcome, result.detail) == (Outcome.PASS, "10 of 10 rows answered alike")
    assert result.figures == {"rows": 10, "different": 0, "share": 0.0}


def test_more_different_rows_than_may_be_fail_and_are_named(case):
    made = case("{gate: agreement, differ: 0.1}")
    made.answer("v1.1.0", {"3": "stays", "7": "leaves"})
    made.answer("v1.0.0", {"3": "leaves"})
    result = made.evaluate()
    assert result.outcome is Outcome.FAIL
    assert result.detail == ("20.00% of the rows are answered otherwise, 10.00% may: 8 of 10 rows answered alike on here; "
                             'row 3: "stays", was "leaves"; row 7: "leaves", was "same"')  # fmt: skip


def test_as_many_as_may_be_pass_and_are_named_too(case):
    made = case("{gate: agreement, differ: 0.1}")
    made.answer("v1.1.0", {"3": "stays"})
    made.answer("v1.0.0", {})
    result = made.evaluate()
    assert (result.outcome, "row 3" in result.detail) == (Outcome.PASS, True)


def test_numbers_have_a_tolerance_and_all_else_is_exact(case):
    pairs = [
        (0.5, 0.500001, True),
        (0.5, 0.51, False),
        ([0.2, 0.8], [0.2000001, 0.7999999], True),
        ([0.2, 0.8], [0.2, 0.8, 0.0], False),
        (1, 1.0, True),
        (1, True, False),
        ("1", 1, False),
        ({"a": 1.0, "b": "x"}, {"a": 1.0000001, "b": "x"}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        (None, None, True),
        (None, 0, False),
    ]
    made = case("{gate: agreement, rtol: 0.00001}")
    made.answer("v1.0.0", {str(row): old for row, (old, _, _) in enumerate(pairs[:10])})
    made.answer("v1.1.0", {str(row): new for row, (_, new, _) in enumerate(pairs[:10])})
    result = made.evaluate()
    assert result.figures["different"] == sum(not alike for *_, alike in pairs[:10])
    for old, new, alike in (pairs[0], pairs[1], pairs[5], pairs[10]):
        made.answer("v1.0.0", {"0": old})
        made.answer("v1.1.0", {"0": new})
        assert made.evaluate().passed is alike, (old, new)


@pytest.mark.parametrize("version", ["v1.0.0", "v1.1.0"])
def test_an_endpoint_without_answers_is_no_agreement(case, version):
    made = case("{gate: agreement}")
    for answer, said in (
        (None, "no answer"),
        ({"status": 422}, "status 422"),
        ({"rows": 4}, "4 "),
        ({"rows": 0}, "holds no rows"),
    ):
        made.answer(version, answer)
        result = made.evaluate()
        assert result.outcome is Outcome.INCONCLUSIVE
        assert said in result.detail


def test_without_an_incumbent_it_is_as_tagboat_yaml_says(case):
    made = case("{gate: agreement}")
    made.empty("prod")
    assert made.evaluate().outcome is Outcome.INCONCLUSIVE


def test_a_first_version_may_be_let_through_but_only_a_first_one(case):
    made = case("{gate: agreement, without-incumbent: pass}")
    made.empty("prod")
    assert made.evaluate().outcome is Outcome.INCONCLUSIVE, (
        "the registry has a version there: its absence is no licence"
    )
    made.git.unassign("churn", "prod", made.old)
    assert made.evaluate().outcome is Outcome.PASS


def test_the_rows_are_those_of_the_gate_where_it_names_some(case):
    assert case("{gate: agreement, sample: rows.json}").evaluate().figures["rows"] == 2


def test_without_rows_there_is_nothing_to_agree_on(case):
    made = case("{gate: agreement}")
    file = made.git.path / "tagboat.yaml"
    file.write_text(file.read_text().replace("churn: {sample: sample.json}", "churn: {}"))
    result = made.evaluate()
    assert (result.outcome, "no rows to ask" in result.detail) == (Outcome.INCONCLUSIVE, True)
