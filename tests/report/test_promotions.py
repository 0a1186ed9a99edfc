"""How a promotion is shown: every gate, and nothing that its texts could do to a page."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from entrypoint.promotion.gates import GateResult, Outcome
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.report.console import show
from entrypoint.report.summary import summary
from entrypoint.report.verdict import Status, Verdict

GATES = (
    GateResult(name="verified in staging", outcome=Outcome.PASS, detail="on eu, us"),
    GateResult(name="f1 >= prod.f1", outcome=Outcome.FAIL, detail="f1 = 0.8, prod.f1 = 0.9", figures={"f1": 0.8}),
    GateResult(name="soak 24h", outcome=Outcome.INCONCLUSIVE, detail="us could not be asked"),
)


def promotion(status: PromotionStatus = PromotionStatus.BLOCKED, **more: object) -> PromotionVerdict:
    return PromotionVerdict(**{"artifact": "churn", "source": "staging", "stage": "prod", "version": "v1.4.0",
                               "status": status, "gates": GATES, **more})  # fmt: skip


def on_console(verdict: Verdict) -> str:
    page = io.StringIO()
    show(verdict, Console(file=page, width=120, highlight=False))
    return page.getvalue()


def test_a_blocked_promotion_shows_every_gate() -> None:
    verdict = Verdict(promotions=[promotion(reason="f1 >= prod.f1: fail")])
    for page in (on_console(verdict), summary(verdict)):
        for told in ("v1.4.0", "blocked", "fail", "inconclusive", "soak", "us could not be asked"):
            assert told in page
    assert (verdict.status, verdict.exit_code) == (Status.UNCHANGED, 0)


@pytest.mark.parametrize("status", list(PromotionStatus))
def test_every_status_has_its_face(status: PromotionStatus) -> None:
    verdict = Verdict(
        promotions=[promotion(status, reason="the reason", hint="the hint", tag="churn#prod#7", gates=())]
    )
    for page in (on_console(verdict), summary(verdict)):
        assert status.value in page
        assert "the hint" in page


@pytest.mark.parametrize(
    ("status", "asked", "code"),
    [
        (PromotionStatus.PROMOTED, True, 0),
        (PromotionStatus.CURRENT, True, 0),
        (PromotionStatus.BLOCKED, True, 3),
        (PromotionStatus.HELD, True, 3),
        (PromotionStatus.LOST, True, 3),
        (PromotionStatus.BLOCKED, False, 0),
        (PromotionStatus.LOST, False, 0),
    ],
)
def test_only_what_was_asked_for_by_name_ends_with_3(status: PromotionStatus, asked: bool, code: int) -> None:
    assert Verdict(promotions=[promotion(status, asked=asked)]).exit_code == code


def test_an_error_fails_the_run_with_its_own_code() -> None:
    verdict = Verdict(promotions=[promotion(PromotionStatus.FAILED, error_code=4)])
    assert (verdict.status, verdict.exit_code) == (Status.FAILED, 4)


def test_C10_hostile_texts_of_gates_are_inert() -> None:
    evil = "</details><script>@octocat [x](https://evil.example) | a |\n::error::no\x1b[2J\u202e" + "x" * 70_000
    gate = GateResult(name=evil, outcome=Outcome.FAIL, detail=evil)
    verdict = Verdict(promotions=[promotion(gates=(gate,), reason=evil, version=evil)])
    page = summary(verdict)
    assert "<script" not in page
    assert "@octocat" not in page
    assert "](https" not in page
    assert len(page) < 20_000
    assert "\x1b" not in on_console(verdict)
    (row,) = [line for line in page.splitlines() if line.startswith("| ") and "fail" in line]
    assert row.count(" | ") == 2


def test_the_document_says_what_the_page_says() -> None:
    document = promotion(PromotionStatus.PROMOTED, tag="churn#prod#7", created=True, previous="v1.3.0").to_document()
    assert (document["from"], document["to"], document["previous"]) == ("staging", "prod", "v1.3.0")
    assert document["gates"][1] == {"name": "f1 >= prod.f1", "outcome": "fail", "detail": "f1 = 0.8, prod.f1 = 0.9",
                                    "figures": {"f1": 0.8}}  # fmt: skip
