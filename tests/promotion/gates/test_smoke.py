"""The suite of the stage ahead is asked of what serves in the stage before."""

from __future__ import annotations

from entrypoint.promotion.gates import Outcome


def test_what_answers_as_the_stage_ahead_expects_passes(case):
    result = case("{gate: smoke}").evaluate()
    assert (result.name, result.outcome) == ("smoke", Outcome.PASS)
    assert result.detail == "1 request of prod answered in dev on here"


def test_another_answer_fails_and_says_what_it_was(case):
    made = case("{gate: smoke}")
    made.answer("v1.1.0", {"1": "otherwise"})
    result = made.evaluate()
    assert result.outcome is Outcome.FAIL
    assert "here: smoke request 1" in result.detail
    assert "otherwise" in result.detail


def test_an_endpoint_that_does_not_answer_fails(case):
    made = case("{gate: smoke}")
    made.answer("v1.1.0", None)
    assert made.evaluate().outcome is Outcome.FAIL


def test_where_another_version_serves_nothing_is_known_of_this_one(case):
    made = case("{gate: smoke}")
    made.serve("dev", "v1.0.0", made.old)
    result = made.evaluate()
    assert (result.outcome, result.detail) == (Outcome.INCONCLUSIVE, "here serves v1.0.0")
    made.serve("dev", "v1.1.0", made.new, verified=False)
    assert made.evaluate().outcome is Outcome.INCONCLUSIVE
    made.empty("dev")
    assert made.evaluate().outcome is Outcome.INCONCLUSIVE


def test_a_stage_without_a_suite_lets_nothing_through(case):
    made = case("{gate: smoke}")
    text = (made.git.path / "tagboat.yaml").read_text()
    (made.git.path / "tagboat.yaml").write_text(text.replace("smoke:\n", "smoke: []\n#").split("      - input")[0]
                                                + "artifacts: {}\n" + text[text.index("promotion:"):])  # fmt: skip
    result = made.evaluate()
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "no smoke requests for churn in prod" in result.detail
