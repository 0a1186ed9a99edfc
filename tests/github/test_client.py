"""How GitHub is asked: limits honoured, reads tried again, writes never made twice, refusals explained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import responses

from entrypoint.errors import RefusedError, UnreachableError, UsageError
from entrypoint.github.client import API, Author, connect
from entrypoint.github.client import GitHub as Client
from entrypoint.github.failures import GitHubError, NotAllowedError, NothingThereError
from tests.fakes.github import TOKEN, GitHub, when
from tests.fakes.github.fixtures import HURRIED

HOME = {"GITHUB_REPOSITORY": "octo-org/models"}


def branch_of(client: Client) -> str:
    with client.asking("look at the repository") as repository:
        repository.update()
        return str(repository.default_branch)


class TestTheWayThere:
    @pytest.mark.parametrize("name", ["", "models", "a/b/c", "octo org/models", "a/b\n", "a/..%2f"])
    def test_a_repository_that_is_none_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="no repository"):
            connect({"GITHUB_REPOSITORY": name}, TOKEN)

    @pytest.mark.parametrize("url", ["api.github.com", "file:///etc", "https://user:word@host/", "https://a b"])
    def test_an_address_that_is_none_is_refused(self, url: str) -> None:
        with pytest.raises(UsageError, match="no web address"):
            connect({**HOME, "GITHUB_API_URL": url}, TOKEN)

    def test_connecting_contacts_nothing(self, client: Client, github: GitHub) -> None:
        assert client.name == "octo-org/models"
        assert github.requests == []

    def test_an_enterprise_server_is_asked_where_the_runner_says(self, client: Client, github: GitHub) -> None:
        assert branch_of(client) == "main"
        assert [each.path for each in github.requests] == ["/repos/octo-org/models"]

    @responses.activate
    def test_without_an_address_it_is_github_itself_with_the_token_in_a_header(self) -> None:
        responses.get(f"{API}:443/repos/octo-org/models", json={"default_branch": "trunk"})
        assert branch_of(connect(HOME, TOKEN, HURRIED)) == "trunk"
        asked = responses.calls[0].request
        assert asked.headers["Authorization"] == f"token {TOKEN}"
        assert asked.headers["User-Agent"] == "tagboat"
        assert TOKEN not in (asked.url or "")


class TestLimits:
    def test_a_used_up_hour_is_waited_for(self, client: Client, github: GitHub) -> None:
        github.use_up(resets_in=1)
        assert branch_of(client) == "main"
        assert [each.status for each in github.requests] == [403, 200]

    def test_an_hour_that_ends_too_late_is_an_error_at_once(self, client: Client, github: GitHub) -> None:
        github.use_up(resets_in=1800)
        with pytest.raises(UnreachableError, match="rate limit") as caught:
            branch_of(client)
        assert caught.value.exit_code == 4
        assert len(github.requests) == 1

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("status", [403, 429])
    def test_a_secondary_limit_is_waited_for_as_long_as_it_says(
        self, client: Client, github: GitHub, method: str, status: int
    ) -> None:
        github.store.git.commit()
        github.fail(when(method, "/labels"), status=status, headers=(("Retry-After", "1"),),
                    message="You have exceeded a secondary rate limit. Please wait a few minutes.")  # fmt: skip
        began = time.monotonic()
        with client.asking("look at labels") as repository:
            if method == "GET":
                assert list(repository.get_labels()) == []
            else:
                repository.create_label("blue", "0000ff")
        assert time.monotonic() - began >= 1.0
        assert [each.status for each in github.requests][-2:] == [status, 200 if method == "GET" else 201]

    def test_a_secondary_limit_that_says_no_time_is_waited_for_too(self, client: Client, github: GitHub) -> None:
        github.fail(when("POST", "/labels"), status=403, message="You have exceeded a secondary rate limit.")
        github.fail(when("POST", "/labels"), status=429, message="Too many requests")
        with client.asking("make a label") as repository:
            repository.create_label("blue", "0000ff")
        assert [each.status for each in github.requests] == [403, 429, 201]

    def test_a_long_secondary_limit_is_an_error(self, client: Client, github: GitHub) -> None:
        github.fail(when("GET", ""), status=403, headers=(("Retry-After", "3600"),), message="secondary rate limit")
        with pytest.raises(UnreachableError, match="3600"):
            branch_of(client)

    def test_writes_keep_the_distance_that_github_asks_for(self, connected: Callable[..., Client]) -> None:
        client = connected(TOKEN, replace(HURRIED, between_writes=0.2))
        began = time.monotonic()
        with client.asking("make labels") as repository:
            for name in ("a", "b", "c"):
                repository.create_label(name, "0000ff")
        assert time.monotonic() - began >= 0.4


class TestFaults:
    @pytest.mark.parametrize("fault", [{"status": 502}, {"status": 500}, {"status": 503}, {"cut": True}])
    def test_a_read_is_tried_again(self, client: Client, github: GitHub, fault: dict[str, object]) -> None:
        github.fail(when("GET", ""), times=2, **fault)
        assert branch_of(client) == "main"

    def test_a_server_that_stays_away_is_unreachable(self, client: Client, github: GitHub) -> None:
        github.fail(when("GET", ""), times=10, status=503)
        with pytest.raises(UnreachableError, match="could not look at the repository"):
            branch_of(client)

    def test_nobody_there_is_unreachable(self) -> None:
        nobody = connect({**HOME, "GITHUB_API_URL": "http://127.0.0.1:9"}, TOKEN, HURRIED)
        with pytest.raises(UnreachableError):
            branch_of(nobody)

    @pytest.mark.parametrize("fault", [{"status": 502}, {"cut": True}])
    @pytest.mark.parametrize("written", [True, False])
    def test_a_write_whose_answer_is_lost_is_looked_for_before_it_is_made_again(
        self, client: Client, github: GitHub, fault: dict[str, object], written: bool
    ) -> None:
        github.fail(when("POST", "/labels"), after_write=written, **fault)
        made = client.write_once(
            "make a label",
            find=lambda: next((each for each in client.repository.get_labels() if each.name == "blue"), None),
            create=lambda: client.repository.create_label("blue", "0000ff"),
        )
        assert made.name == "blue"
        assert github.count("POST") == (1 if written else 2)

    def test_a_write_that_is_refused_is_not_tried_again(self, client: Client, github: GitHub) -> None:
        with client.asking("make a label") as repository:
            repository.create_label("blue", "0000ff")
        with pytest.raises(GitHubError, match="already_exists") as caught:
            client.write_once("make a label", find=lambda: None,
                              create=lambda: client.repository.create_label("blue", "0000ff"))  # fmt: skip
        assert caught.value.status == 422
        assert github.count("POST") == 2

    def test_a_write_that_is_lost_every_time_ends(self, client: Client, github: GitHub) -> None:
        github.fail(when("POST", ""), times=10)
        with pytest.raises(UnreachableError):
            client.write_once("make a label", find=lambda: None,
                              create=lambda: client.repository.create_label("blue", "0000ff"))  # fmt: skip
        assert github.count("POST") == 1 + len(HURRIED.pauses)


class TestRefusals:
    def test_a_token_of_nobodys(self, connected: Callable[[str], Client]) -> None:
        with pytest.raises(UsageError, match="not accepted") as caught:
            branch_of(connected("ghs_expired"))
        assert "ghs_expired" not in str(caught.value)

    def test_a_repository_that_cannot_be_seen(self, connected: Callable[..., Client]) -> None:
        elsewhere = connected(TOKEN, GITHUB_REPOSITORY="octo-org/secret")
        with pytest.raises(NothingThereError, match="could not look"):
            branch_of(elsewhere)

    def test_a_missing_permission_is_told_as_a_workflow_writes_it(
        self, connected: Callable[[str], Client], github: GitHub
    ) -> None:
        client = connected(github.holder("github-actions[bot]", "Bot", deployments="read"))
        with pytest.raises(NotAllowedError) as caught, client.asking("make a deployment") as repository:
            repository.create_deployment("main")
        assert isinstance(caught.value, RefusedError)
        assert caught.value.permission == "deployments: write"
        assert "permissions: {deployments: write}" in (caught.value.hint or "")
        assert len(github.requests) == 1

    @responses.activate
    def test_what_github_says_cannot_move_the_cursor_or_fill_the_log(self) -> None:
        responses.get(f"{API}:443/repos/octo-org/models", status=422, json={"message": "\x1b[2J\n::error::x" * 900})
        with pytest.raises(GitHubError) as caught:
            branch_of(connect(HOME, TOKEN, HURRIED))
        assert "\x1b" not in str(caught.value)
        assert "\n" not in caught.value.message
        assert len(caught.value.message) < 700

    @responses.activate
    def test_an_answer_that_is_no_document_is_still_an_error_of_ours(self) -> None:
        responses.get(
            f"{API}:443/repos/octo-org/models", status=404, body="<html>nginx</html>", content_type="text/html"
        )
        with pytest.raises(NothingThereError):
            branch_of(connect(HOME, TOKEN, HURRIED))


@pytest.mark.parametrize(
    ("login", "kind", "author"),
    [
        ("github-actions[bot]", "Bot", Author("github-actions", bot=True)),
        ("tagboat-app[bot]", "Bot", Author("tagboat-app", bot=True)),
        ("hubot", "User", Author("hubot", bot=False)),
    ],
)
def test_whose_token_it_is_for_workflows_apps_and_people(
    connected: Callable[[str], Client], github: GitHub, login: str, kind: str, author: Author
) -> None:
    client = connected(github.holder(login, kind))
    assert client.author == author
    assert client.author == author
    assert github.count("GET", "/user") == 1
