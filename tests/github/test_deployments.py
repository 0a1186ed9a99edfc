"""Releases in GitHub's Deployments tab: one each, with its statuses, and nothing that looks alive and is not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployers.base import Release, Slot, TagRecord
from entrypoint.configuration.report_settings import Environment, Report
from entrypoint.errors import UsageError
from entrypoint.github.client import GitHub as Client
from entrypoint.github.deployments import Account, account_of, brief, recorded, task_of
from entrypoint.github.witness import OnGitHub
from entrypoint.report.verdict import Failure, Preflight, SlotVerdict, Status, Trigger, Verdict
from tests.fakes.github import GitHub, when

RUN = "https://github.com/octo-org/models/actions/runs/4711"


class Stage:
    """Plays runs: each `Stage` is one, with what GitHub is shown of it."""

    def __init__(self, github: GitHub, client: Client, **settings: Any) -> None:
        self.github = github
        self.commit = github.store.git.found("main") or github.store.git.commit()
        self.witness = OnGitHub(Report(**settings), lambda: client, config="tagboat.yaml", run_url=RUN, run="4711",
                                attempt="1")  # fmt: skip
        self.told: list[SlotVerdict] = []

    def release(
        self, version: str = "v1.0.0", artifact: str = "churn", target: str = "eu", stage: str = "prod"
    ) -> Release:
        slot = Slot(artifact, stage, target)
        tag = TagRecord(f"{artifact}#{stage}#1", "0" * 40, 1)
        return Release(slot=slot, version=version, commit=self.commit, bundle_digest="sha256:1", tag=tag)

    def ended(self, release: Release, status: Status, **more: Any) -> None:
        slot = release.slot
        fields = {"changed": status is Status.LIVE, "release": release.id, "commit": release.commit,
                  "version": release.version, "url": "https://models.example.com/churn"} | more  # fmt: skip
        self.told.append(
            SlotVerdict(artifact=slot.artifact, stage=slot.stage, target=slot.target, status=status, **fields)
        )
        self.witness.ended(self.told[-1])

    def deployed(self, release: Release, status: Status = Status.LIVE, **more: Any) -> None:
        self.witness.queued(release)
        self.witness.in_progress(release)
        self.ended(release, status, **more)

    def finished(self, event: str = "assignment") -> list[str]:
        return list(self.witness.finished(Verdict(slots=tuple(self.told), trigger=Trigger(event=event))))


@pytest.fixture
def stage(github: GitHub, client: Client) -> Callable[..., Stage]:
    return lambda **settings: Stage(github, client, **settings)


def states(github: GitHub) -> list[list[str]]:
    return [github.store.states(number) for number in github.store.deployments]


def test_a_release_passes_through_queued_in_progress_and_success(stage: Callable[..., Stage], github: GitHub) -> None:
    run = stage()
    release = run.release()
    run.deployed(release)
    (made,) = github.store.deployments.values()
    assert states(github) == [["queued", "in_progress", "success"]]
    assert (made["environment"], made["production_environment"], made["transient_environment"]) == ("prod", True, False)
    assert made["sha"] == release.commit
    assert made["payload"]["tagboat"] == {
        "artifact": "churn", "version": "v1.0.0", "stage": "prod", "target": "eu", "commit": release.commit,
        "tag": "churn#prod#1", "run": RUN, "attempt": "1"}  # fmt: skip
    last = github.store.statuses[made["id"]][-1]
    assert (last["environment_url"], last["log_url"]) == ("https://models.example.com/churn", RUN)
    assert release.id in last["description"]


def test_a_renamed_environment_leaves_nothing_alive_behind(stage: Callable[..., Stage], github: GitHub) -> None:
    for name in ("old", "new"):
        run = stage(environments={"prod": Environment(name=name)})
        run.deployed(run.release())
    assert [(each["environment"], github.store.states(each["id"])[-1]) for each in github.store.deployments.values()] == [
        ("old", "inactive"), ("new", "success")]  # fmt: skip


def test_it_merges_nothing_and_waits_for_no_other_check(stage: Callable[..., Stage], github: GitHub) -> None:
    run = stage()
    github.store.git.commit("main has moved on")
    run.deployed(run.release())
    (asked,) = [each for each in github.requests if each.method == "POST" and each.path.endswith("/deployments")]
    assert (asked.body["auto_merge"], asked.body["required_contexts"], asked.status) == (False, [], 201)


def test_what_it_replaced_becomes_inactive_and_nothing_else(stage: Callable[..., Stage], github: GitHub) -> None:
    for version in ("v1.0.0", "v2.0.0"):
        run = stage()
        run.deployed(run.release(version))
        if version == "v1.0.0":
            run.deployed(run.release(artifact="other"))
            run.deployed(run.release(target="us"))
            run.deployed(run.release(stage="dev"))
    one, *others, two = states(github)
    assert one[-2:] == ["success", "inactive"]
    assert [each[-1] for each in [*others, two]] == ["success"] * 4


def test_an_environment_has_the_name_that_tagboat_yaml_gives(stage: Callable[..., Stage], github: GitHub) -> None:
    run = stage(environments={"dev": Environment(name="preview / dev", transient=True, production=False)})
    run.deployed(run.release(stage="dev"))
    (made,) = github.store.deployments.values()
    assert (made["environment"], made["transient_environment"], made["production_environment"]) == (
        "preview / dev", True, False)  # fmt: skip
    assert github.store.statuses[made["id"]][-1]["environment"] == "preview / dev"


@pytest.mark.parametrize(
    ("status", "state"),
    [(Status.FAILED, "failure"), (Status.ROLLED_BACK, "failure"), (Status.DEGRADED, "error")],
)
def test_a_release_that_fails_leaves_the_one_before_alive(
    stage: Callable[..., Stage], github: GitHub, status: Status, state: str
) -> None:
    first, second = stage(), stage()
    first.deployed(first.release("v1.0.0"))
    second.deployed(second.release("v2.0.0"), status, reason="smoke request 1 was answered with status 500 " * 9)
    assert [each[-1] for each in states(github)] == ["success", state]
    assert github.store.statuses[max(github.store.deployments)][-1]["description"].startswith(f"{status}: smoke")


def test_a_run_that_was_killed_is_cleared_away_by_the_next_one(stage: Callable[..., Stage], github: GitHub) -> None:
    live, killed, failing, good = stage(), stage(), stage(), stage()
    live.deployed(live.release("v1.0.0"))
    killed.witness.queued(killed.release("v2.0.0"))
    killed.witness.in_progress(killed.release("v2.0.0"))
    failing.deployed(failing.release("v3.0.0"), Status.FAILED)
    assert [each[-1] for each in states(github)] == ["success", "inactive", "failure"]
    good.deployed(good.release("v4.0.0"))
    assert [each[-1] for each in states(github)] == ["inactive", "inactive", "failure", "success"]


def test_a_rollback_that_queued_nothing_is_a_deployment_too(stage: Callable[..., Stage], github: GitHub) -> None:
    first, back = stage(), stage()
    first.deployed(first.release("v2.0.0"))
    back.ended(back.release("v1.0.0"), Status.LIVE)
    assert states(github) == [["queued", "in_progress", "success", "inactive"], ["success"]]


def test_a_slot_that_is_taken_down_has_nothing_alive(stage: Callable[..., Stage], github: GitHub) -> None:
    first, down = stage(), stage()
    first.deployed(first.release())
    down.ended(down.release(), Status.REMOVED, changed=True, version=None, commit=None)
    assert [each[-1] for each in states(github)] == ["inactive"]


@pytest.mark.parametrize("status", [Status.UNCHANGED, Status.HELD, Status.SUPERSEDED])
def test_where_nothing_was_done_nothing_is_shown(stage: Callable[..., Stage], github: GitHub, status: Status) -> None:
    run = stage()
    run.ended(run.release(), status)
    assert github.requests == []


@pytest.mark.parametrize("fault", [{"status": 502}, {"cut": True}])
def test_a_lost_answer_makes_no_second_deployment_and_no_second_status(
    stage: Callable[..., Stage], github: GitHub, fault: dict[str, Any]
) -> None:
    run = stage()
    github.fail(lambda method, path: (method, path[-12:]) == ("POST", "/deployments"), after_write=True, **fault)
    github.fail(when("POST", "/statuses"), after_write=True, **fault)
    run.deployed(run.release())
    assert states(github) == [["queued", "in_progress", "success"]]
    assert run.finished() == []


def test_an_earlier_runs_deployment_of_the_same_release_is_not_taken_for_ours(
    stage: Callable[..., Stage], github: GitHub
) -> None:
    first, again = stage(), stage()
    first.deployed(first.release())
    again.witness._attempt = "2"
    github.fail(lambda method, path: (method, path[-12:]) == ("POST", "/deployments"))
    again.deployed(again.release())
    assert [each[-1] for each in states(github)] == ["inactive", "success"]


def test_a_missing_permission_is_one_warning_and_the_checks_are_still_written(
    connected: Callable[..., Client], github: GitHub
) -> None:
    token = github.holder("github-actions[bot]", "Bot", deployments=None)
    run = Stage(github, connected(token))
    run.deployed(run.release())
    (problem,) = run.finished()
    assert "Give the job `permissions: {deployments: write}`" in problem
    assert "`report: {deployments: false}`" in problem
    assert github.count("POST", "/deployments") == 1
    assert len(github.store.checks) == 1


def test_a_github_that_is_away_costs_one_try_and_a_warning(stage: Callable[..., Stage], github: GitHub) -> None:
    run = stage()
    github.fail(when("POST", ""), times=50, status=503)
    run.deployed(run.release())
    (problem,) = run.finished()
    assert "the run goes on" in problem
    assert github.count("POST") == 3
    assert states(github) == []


def test_no_error_of_whatever_kind_reaches_the_deployment(github: GitHub) -> None:
    def nowhere() -> Client:
        raise UsageError("this is no web address", where="GITHUB_API_URL")

    def defect() -> Client:
        raise ZeroDivisionError("oh")

    for connection, word in ((nowhere, "no web address"), (defect, "a defect of Tagboat's")):
        run = Stage(github, None)  # type: ignore[arg-type]
        run.witness._connection = connection
        run.deployed(run.release())
        problems = run.finished()
        assert word in problems[0]


def test_targets_that_are_deployed_side_by_side_have_a_deployment_each(
    stage: Callable[..., Stage], github: GitHub
) -> None:
    run = stage()
    with ThreadPoolExecutor(4) as targets:
        for _ in targets.map(lambda target: run.deployed(run.release(target=target)), ("eu", "us", "asia", "home")):
            pass
    assert states(github) == [["queued", "in_progress", "success"]] * 4
    assert run.finished() == []


def test_T7_names_with_signs_that_mean_something_in_an_address_are_found_again(
    stage: Callable[..., Stage], github: GitHub
) -> None:
    name = "models/nlp:bert&page=9"
    for version in ("v1.0.0+cpu", "v2.0.0"):
        run = stage()
        run.deployed(run.release(version, artifact=name))
        github.fail(when("POST", "/check-runs"), after_write=True)
        assert run.finished() == []
    assert [each[-1] for each in states(github)] == ["inactive", "success"]
    assert len(github.store.checks) == 2


def test_P2_the_token_is_in_no_warning_and_no_page(connected: Callable[..., Client], github: GitHub) -> None:
    token = github.holder("github-actions[bot]", "Bot", deployments=None, checks=None)
    run = Stage(github, connected(token))
    run.deployed(run.release(), Status.FAILED, reason="no")
    assert len(problems := run.finished()) == 2
    assert token not in "".join(problems)
    assert token not in "".join(str(each.body) + each.path for each in github.requests)


def test_what_is_turned_off_asks_for_no_permission(stage: Callable[..., Stage], github: GitHub) -> None:
    run = stage(deployments=False, checks=False, failure_comments=False)
    run.deployed(run.release())
    run.deployed(run.release("v2.0.0"), Status.FAILED)
    assert run.finished() == []
    assert github.requests == []


class TestWhatIsRecorded:
    def test_our_deployments_can_be_read_back_newest_first(
        self, stage: Callable[..., Stage], github: GitHub, client: Client
    ) -> None:
        for version in ("v1.0.0", "v2.0.0"):
            run = stage()
            run.deployed(run.release(version))
        client.repository.create_deployment("main", auto_merge=False, required_contexts=[], environment="prod")
        found = list(recorded(client, "prod"))
        assert [one.account.version for one in found] == ["v2.0.0", "v1.0.0"]
        assert (found[0].by, found[0].account.run) == ("github-actions[bot]", RUN)
        assert found[0].at > found[1].at

    @pytest.mark.parametrize("payload", ["", "{", "[]", {}, {"tagboat": 1}, {"tagboat": {"artifact": 7}}, None, '"x"'])
    def test_a_payload_that_is_not_ours_is_nothing(self, payload: object) -> None:
        assert account_of(payload) is None

    def test_a_payload_may_come_as_text(self) -> None:
        text = '{"tagboat":{"artifact":"a","version":"v1","stage":"s","target":"t","commit":"c"}}'
        assert account_of(text) == Account(artifact="a", version="v1", stage="s", target="t", commit="c")

    def test_T6_two_long_names_never_share_a_task(self) -> None:
        one, other = (task_of(Slot("a" * 900 + end, "prod", "eu")) for end in "xy")
        assert one != other
        assert len(one) == len(other) == 100

    def test_a_description_is_one_line_that_github_takes(self) -> None:
        assert len(brief("x\n" * 300)) == 140
        assert "\n" not in brief("a\nb")


class TestChecks:
    def test_the_versions_commit_gets_the_story(self, stage: Callable[..., Stage], github: GitHub) -> None:
        run = stage()
        run.deployed(run.release())
        assert run.finished() == []
        (check,) = github.store.checks.values()
        assert (check["name"], check["conclusion"], check["head_sha"]) == ("Tagboat: churn#prod", "success", run.commit)
        assert check["output"]["title"] == "Live"
        assert "v1.0.0" in check["output"]["summary"]
        assert check["details_url"] == RUN

    def test_two_targets_of_a_stage_are_one_check_the_worst_of_them(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        run = stage()
        run.deployed(run.release(target="eu"))
        failure = Failure(message="smoke failed", where="tagboat.yaml:12", hint="Mend it.")
        run.deployed(run.release(target="us"), Status.FAILED, reason="smoke failed", failure=failure)
        run.finished()
        (check,) = github.store.checks.values()
        assert check["conclusion"] == "failure"
        (annotation,) = check["annotations"]
        assert (annotation["path"], annotation["annotation_level"]) == ("tagboat.yaml", "failure")

    @pytest.mark.parametrize("fault", [{"status": 502}, {"cut": True}])
    def test_a_lost_answer_makes_no_second_check(
        self, stage: Callable[..., Stage], github: GitHub, fault: dict[str, Any]
    ) -> None:
        run = stage()
        run.deployed(run.release())
        github.fail(when("POST", "/check-runs"), after_write=True, **fault)
        assert run.finished() == []
        assert len(github.store.checks) == 1

    def test_a_reconcile_tells_what_is_news_and_nothing_every_half_hour(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        run = stage()
        run.ended(run.release(), Status.UNCHANGED)
        run.ended(run.release("v2.0.0"), Status.FAILED, known_before=True)
        run.finished("reconcile")
        assert github.requests == []

    def test_a_personal_token_cannot_write_checks_and_is_told(
        self, connected: Callable[..., Client], github: GitHub
    ) -> None:
        run = Stage(github, connected(github.holder("hubot")))
        run.deployed(run.release())
        (problem,) = run.finished()
        assert "GitHub App" in problem
        assert "`report: {checks: false}`" in problem


class TestComments:
    @pytest.fixture(autouse=True)
    def pull(self, github: GitHub) -> None:
        base = github.store.git.commit("base")
        github.store.git("update-ref", "refs/heads/topic-7", base)
        github.store.open_pull(7, head=github.store.git.commit("better", branch="topic-7"))
        github.store.merge_pull(7, github.store.git.commit("Merge #7"))

    def test_a_failure_is_told_on_the_pull_request_that_the_version_came_from(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        run = stage()
        run.deployed(
            run.release(), Status.ROLLED_BACK, reason="@team <b>smoke</b> failed; v0.9.0 serves", previous="v0.9.0"
        )
        assert run.finished() == []
        (comment,) = github.store.comments_on(7)
        assert "did not go live" in comment["body"]
        assert "v0.9.0" in comment["body"]
        assert RUN in comment["body"]
        assert "@team" not in comment["body"]
        assert "<b>" not in comment["body"]

    def test_a_second_failure_changes_the_comment_and_a_success_ends_it(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        for status in (Status.FAILED, Status.ROLLED_BACK, Status.LIVE):
            run = stage()
            run.deployed(run.release(), status, reason="no")
            run.finished()
        (comment,) = github.store.comments_on(7)
        assert "is live" in comment["body"]
        assert "did not go live" not in comment["body"]

    def test_a_success_says_nothing_where_nothing_had_failed(self, stage: Callable[..., Stage], github: GitHub) -> None:
        run = stage()
        run.deployed(run.release())
        run.finished()
        assert github.store.comments_on(7) == []

    def test_a_version_of_an_open_pull_request_is_told_there(self, stage: Callable[..., Stage], github: GitHub) -> None:
        run = stage()
        run.commit = github.store.git.commit("not merged yet", branch="topic-7")
        github.store.open_pull(8, head=run.commit)
        github.store.pulls.pop(7)
        run.deployed(run.release(), Status.FAILED, reason="no")
        run.finished()
        assert len(github.store.comments_on(8)) == 1

    def test_the_pull_request_that_a_commit_merged_goes_before_those_that_hold_it(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        run = stage()
        github.store.git.commit("later")
        github.store.open_pull(9, head=run.commit)
        github.store.pulls[9]["base"]["sha"] = "0" * 40
        github.store.merge_pull(9, github.store.git.commit("Merge #9"))
        run.deployed(run.release(), Status.FAILED, reason="no")
        run.finished()
        assert (len(github.store.comments_on(7)), len(github.store.comments_on(9))) == (1, 0)

    def test_a_version_that_does_not_pass_its_preflight_is_told_there_and_the_next_one_that_does_ends_it(
        self, stage: Callable[..., Stage], github: GitHub
    ) -> None:
        failure = Failure(
            message="no module named 'pandas'\n@team <script>", where="models/churn.joblib", hint="Add it."
        )
        for version, passed in (("v1.0.0", False), ("v1.0.1", True)):
            run = stage()
            one = Preflight(artifact="churn", version=version, passed=passed, commit=run.commit,
                            failure=None if passed else failure)  # fmt: skip
            assert run.witness.finished(Verdict(preflights=(one,), trigger=Trigger(event="registration"))) == []
            (comment,) = github.store.comments_on(7)
            assert version in comment["body"]
            assert ("does not pass" in comment["body"]) is not passed
        assert [each["name"] for each in github.store.checks.values()] == ["Tagboat: preflight of churn"] * 2

    def test_a_comment_that_may_not_be_written_is_a_warning(
        self, connected: Callable[..., Client], github: GitHub
    ) -> None:
        token = github.holder("github-actions[bot]", "Bot", pull_requests="read", issues=None)
        run = Stage(github, connected(token))
        run.deployed(run.release(), Status.FAILED, reason="no")
        (problem,) = run.finished()
        assert "pull-requests: write" in problem
