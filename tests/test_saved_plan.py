"""A saved plan holds what was looked at, and is no plan of anything else."""

from pathlib import Path

import pytest

from deployers.base import Action, Change, Plan, Release, Slot
from deployers.errors import StalePlanError
from deployers.wrapping.bundle import Bundle
from entrypoint.errors import UsageError
from entrypoint.report.verdict import Failure, SlotVerdict, Status, Verdict
from entrypoint.saved_plan import SavedPlan, read, write

SLOT = Slot("churn", "prod", "here")


def plan(version="v1.0.0", fingerprint="seen", action=Action.UPDATE):
    release = Release(slot=SLOT, version=version, commit="c" * 40, bundle_digest="sha256:x")
    change = Change(object="server", action=action)
    return Plan(release=release, bundle=Bundle(Path("/nowhere"), "sha256:x"), changes=[change], fingerprint=fingerprint)


def verdict(**more):
    told = {"artifact": "churn", "stage": "prod", "target": "here", "status": Status.UNCHANGED, **more}
    return Verdict(slots=(SlotVerdict(**told),))


SAVED = SavedPlan.of("churn#prod", verdict(release=plan().release.id, fingerprint="seen"))


def test_the_same_plan_is_carried_out():
    SAVED.check(plan())


@pytest.mark.parametrize(
    ("now", "words"),
    [(plan(fingerprint="moved"), "has moved"), (plan(version="v2.0.0"), "another release")],
)
def test_another_one_is_refused(now, words):
    with pytest.raises(StalePlanError, match=words) as refusal:
        SAVED.check(now)
    assert refusal.value.exit_code == 3


def test_a_plan_of_no_change_allows_none():
    nothing = SavedPlan.of("churn#prod", verdict(release="r"))
    nothing.check(plan(action=Action.KEEP))
    with pytest.raises(StalePlanError, match="changes nothing here"):
        nothing.check(plan())


def test_it_comes_back_from_its_file_for_the_same_ref_alone(tmp_path):
    file = tmp_path / "plan.json"
    write(file, SAVED)
    assert read(file, "churn#prod") == SAVED
    with pytest.raises(UsageError, match="one of churn#prod, not of churn#dev"):
        read(file, "churn#dev")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"ref": 1, "slots": []}'])
def test_what_is_no_plan_is_told_so(content, tmp_path):
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="no saved plan"):
        read(file, "churn#prod")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "nowhere", "churn#prod")


def test_what_could_not_be_planned_is_not_saved():
    failed = verdict(failure=Failure(message="no route to host", exit_code=4))
    with pytest.raises(UsageError, match="could not be planned: no route to host"):
        SavedPlan.of("churn#prod", failed)
