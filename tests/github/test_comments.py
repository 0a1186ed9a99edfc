"""One comment for each purpose: changed in place, never twice, and nobody else's touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrypoint.errors import TagboatError
from entrypoint.github.client import GitHub as Client
from entrypoint.github.comments import LIMIT, first_line, put, replace
from entrypoint.github.failures import NotAllowedError
from tests.fakes.github import ACTIONS, GitHub, Holder, when

MARKER = "report"


@pytest.fixture(autouse=True)
def pull(github: GitHub) -> None:
    commit = github.store.git.commit()
    github.store.open_pull(7, head=commit)


def bodies(github: GitHub) -> list[str]:
    return [each["body"] for each in github.store.comments_on(7)]


def test_the_second_report_changes_the_first_ones_comment(client: Client, github: GitHub) -> None:
    first = put(client, 7, MARKER, "one")
    assert put(client, 7, MARKER, "two") == first
    assert bodies(github) == [f"{first_line(MARKER)}\ntwo"]


def test_a_report_that_says_the_same_again_writes_nothing(client: Client, github: GitHub) -> None:
    put(client, 7, MARKER, "one")
    put(client, 7, MARKER, "one")
    assert github.count("PATCH") == 0


def test_two_purposes_have_a_comment_each(client: Client, github: GitHub) -> None:
    put(client, 7, "report", "one")
    put(client, 7, "deployment of churn#prod", "two")
    assert len(bodies(github)) == 2


@pytest.mark.parametrize("somebody", [Holder("mallory"), Holder("github-actions"), Holder("other-app[bot]", "Bot")])
def test_a_comment_of_somebody_else_with_our_marker_is_left_alone(
    client: Client, github: GitHub, somebody: Holder
) -> None:
    theirs = f"{first_line(MARKER)}\nclick here"
    github.store.comment(7, theirs, somebody)
    put(client, 7, MARKER, "ours")
    assert bodies(github) == [theirs, f"{first_line(MARKER)}\nours"]


def test_our_marker_quoted_further_down_makes_no_comment_ours(client: Client, github: GitHub) -> None:
    github.store.comment(7, f"see\n{first_line(MARKER)}", ACTIONS)
    put(client, 7, MARKER, "ours")
    assert len(bodies(github)) == 2


def test_surplus_ones_of_ours_go_and_the_oldest_stays(client: Client, github: GitHub) -> None:
    kept = github.store.comment(7, f"{first_line(MARKER)}\none", ACTIONS)
    github.store.comment(7, f"{first_line(MARKER)}\ntwo", ACTIONS)
    github.store.comment(7, f"{first_line(MARKER)}\nthree", ACTIONS)
    put(client, 7, MARKER, "now")
    assert [each["id"] for each in github.store.comments_on(7)] == [kept["id"]]


def test_it_is_found_on_any_page(client: Client, github: GitHub) -> None:
    for number in range(230):
        github.store.comment(7, f"{number}", Holder("mona"))
        if number == 210:
            github.store.comment(7, f"{first_line(MARKER)}\none", ACTIONS)
    put(client, 7, MARKER, "two")
    assert github.count("GET", "/comments") == 3
    assert len(bodies(github)) == 231


def test_a_person_with_a_token_finds_its_own(connected: Callable[[str], Client], github: GitHub) -> None:
    client = connected(github.holder("hubot"))
    put(client, 7, MARKER, "one")
    put(client, 7, MARKER, "two")
    assert bodies(github) == [f"{first_line(MARKER)}\ntwo"]


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 500}, {"cut": True}])
@pytest.mark.parametrize("written", [True, False])
def test_a_lost_answer_makes_no_second_comment(
    client: Client, github: GitHub, fault: dict[str, object], written: bool
) -> None:
    github.fail(when("POST", "/comments"), after_write=written, **fault)
    assert put(client, 7, MARKER, "one").startswith("https://github.com/octo-org/models/issues/7#")
    assert bodies(github) == [f"{first_line(MARKER)}\none"]
    assert github.count("POST", "/comments") == (1 if written else 2)


def test_a_change_and_a_removal_whose_answers_are_lost_are_made_again(client: Client, github: GitHub) -> None:
    github.store.comment(7, f"{first_line(MARKER)}\none", ACTIONS)
    github.store.comment(7, f"{first_line(MARKER)}\ntwo", ACTIONS)
    github.fail(when("PATCH", "/comments"), after_write=True)
    github.fail(when("DELETE", "/comments"), after_write=True)
    put(client, 7, MARKER, "now")
    assert bodies(github) == [f"{first_line(MARKER)}\nnow"]


def test_replace_writes_only_where_something_stands(client: Client, github: GitHub) -> None:
    assert replace(client, 7, MARKER, "one") is None
    assert bodies(github) == []
    put(client, 7, MARKER, "one")
    assert replace(client, 7, MARKER, "two") is not None
    assert bodies(github) == [f"{first_line(MARKER)}\ntwo"]


def test_a_missing_permission_is_named(connected: Callable[[str], Client], github: GitHub) -> None:
    token = github.holder("github-actions[bot]", "Bot", issues="read", pull_requests="read")
    with pytest.raises(NotAllowedError) as caught:
        put(connected(token), 7, MARKER, "one")
    assert caught.value.permission == "pull-requests: write"
    assert "pull-requests: write" in (caught.value.hint or "")


def test_C10_a_marker_cannot_end_the_comment_it_stands_in() -> None:
    line = first_line("a--> <script>\n-->")
    assert line.count("-->") == 1
    assert "\n" not in line


def test_C10_a_body_that_github_would_cut_is_refused_before_it_is_sent(client: Client, github: GitHub) -> None:
    with pytest.raises(TagboatError, match="65,536"):
        put(client, 7, MARKER, "x" * LIMIT)
    with pytest.raises(TagboatError, match="65,536"):
        put(client, 7, MARKER, "🚀" * (LIMIT // 2))
    assert github.requests == []
