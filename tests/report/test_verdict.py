"""The verdict: the worst of all slots, one exit code, one document."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from deployers.errors import ConfigurationError, RefusedError, UnreachableError
from entrypoint.report.verdict import Failure, Preflight, SlotVerdict, Status, Trigger, Verdict, worst


def slot(status: Status, **more: object) -> SlotVerdict:
    return SlotVerdict(artifact="churn", stage="prod", target="eu", status=status, **more)  # type: ignore[arg-type]


def test_the_statuses_are_those_that_the_json_promises() -> None:
    assert {status.value for status in Status} == {
        "live", "unchanged", "superseded", "held", "removed", "rolled-back", "failed", "degraded",
    }  # fmt: skip


@pytest.mark.parametrize("pair", list(itertools.combinations(Status, 2)), ids="-".join)
def test_the_worst_status_wins_in_either_order(pair: tuple[Status, Status]) -> None:
    better, worse = pair
    assert worst([better, worse]) is worst([worse, better]) is worse
    assert Verdict(slots=[slot(better), slot(worse)]).status is worse


@pytest.mark.parametrize(
    ("status", "code"),
    [("unchanged", 0), ("live", 0), ("removed", 0), ("superseded", 0), ("held", 0), ("rolled-back", 1), ("failed", 1),
     ("degraded", 5)],
)  # fmt: skip
def test_a_status_has_its_exit_code(status: str, code: int) -> None:
    assert Verdict(slots=[slot(Status(status))]).exit_code == code


@pytest.mark.parametrize("error", [ConfigurationError("x"), RefusedError("x"), UnreachableError("x")])
def test_a_slot_that_failed_for_a_reason_of_its_own_ends_with_that_reasons_code(error: ConfigurationError) -> None:
    failed = slot(Status.FAILED, failure=Failure.of(error))
    assert Verdict(slots=[slot(Status.LIVE), failed]).exit_code == error.exit_code


def test_a_rollback_is_1_and_degraded_is_5_whatever_caused_them() -> None:
    failure = Failure.of(UnreachableError("x"))
    assert Verdict(slots=[slot(Status.ROLLED_BACK, failure=failure)]).exit_code == 1
    assert Verdict(slots=[slot(Status.DEGRADED, failure=failure)]).exit_code == 5


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [((3, 4), 3), ((4, 2), 2), ((2, 3), 2), ((1, 3), 1), ((5, 1), 5), ((0, 4), 4), ((130, 5), 130)],
)
def test_the_gravest_code_wins(codes: tuple[int, int], gravest: int) -> None:
    slots = [slot(Status.FAILED, failure=Failure(message="x", exit_code=code)) for code in codes]
    assert Verdict(slots=slots).exit_code == gravest


def test_nothing_touched_is_unchanged() -> None:
    assert Verdict(note="not a registry tag").status is Status.UNCHANGED
    assert Verdict().exit_code == 0


def test_a_registration_touches_no_slot_and_a_broken_model_fails_it() -> None:
    passed = Verdict(preflights=[Preflight(artifact="churn", version="v1.0.0", passed=True)])
    assert (passed.status, passed.exit_code, passed.to_document()["slots"]) == (Status.UNCHANGED, 0, [])
    broken = Preflight(artifact="churn", version="v1.0.0", passed=False, failure=Failure(message="no answer"))
    assert (Verdict(preflights=[broken]).status, Verdict(preflights=[broken]).exit_code) == (Status.FAILED, 1)


def test_an_error_that_belongs_to_no_slot_fails_the_run_with_its_own_code() -> None:
    verdict = Verdict(failure=Failure.of(ConfigurationError("unknown key", where="tagboat.yaml:3")))
    assert (verdict.status, verdict.exit_code) == (Status.FAILED, 2)


def test_the_document_has_the_fields_that_later_steps_read() -> None:
    live = slot(Status.LIVE, version="v1.4.0", release="f" * 32, url="http://127.0.0.1:8080", changed=True, seconds=1.5)
    document = msgspec.json.decode(Verdict(slots=[live], trigger=Trigger(event="assignment")).to_json())
    assert document["status"] == "live"
    assert {key: document["slots"][0][key] for key in (
        "release", "artifact", "version", "stage", "target", "status", "reason", "url", "changed", "seconds"
    )} == {
        "release": "f" * 32, "artifact": "churn", "version": "v1.4.0", "stage": "prod", "target": "eu",
        "status": "live", "reason": "", "url": "http://127.0.0.1:8080", "changed": True, "seconds": 1.5,
    }  # fmt: skip
    assert set(document) == {"status", "slots", "changed", "dry_run", "exit_code", "event", "preflights", "promotions",
                             "problems",
                             "warnings", "note", "failure", "seconds"}  # fmt: skip
