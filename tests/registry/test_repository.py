"""Git as the registry uses it: what is fetched, what is repaired, and what a checkout cannot make it run."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from entrypoint.errors import ConfigurationError, TagboatError, UnreachableError, UnsafeContentError, UsageError
from entrypoint.registry.completeness import complete
from entrypoint.registry.git import credentials, find_root
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import read
from tests.registry.conftest import Tagboat, opened
from tests.repositories import GitRepository, environment


@pytest.fixture
def published(origin: GitRepository) -> GitRepository:
    """A remote with three commits and a registry."""
    origin.register("churn", "v1.0.0")
    origin.assign("churn", "prod")
    origin.commit({"model.txt": "two"})
    origin.register("churn", "v1.1.0")
    origin.assign("churn", "dev")
    origin.commit({"model.txt": "three"})
    return origin


def as_checkout_leaves_it(published: GitRepository, path: Path, tag: str = "churn#dev#2") -> GitRepository:
    """One commit deep, and the event's tag as a lightweight one (actions/checkout, `fetch-depth: 1`)."""
    clone = GitRepository.clone(published.path, path, "--depth=1", "--no-tags")
    clone.git("fetch", "--depth=1", "--no-tags", "origin", f"refs/tags/{tag}")
    clone.git("update-ref", f"refs/tags/{tag}", clone.git("rev-parse", "FETCH_HEAD^{commit}"))
    return clone


def test_what_checkout_leaves_is_repaired_by_fetching_tags(published: GitRepository, tmp_path: Path,
                                                           tagboat: Tagboat) -> None:  # fmt: skip
    clone = as_checkout_leaves_it(published, tmp_path / "runner")
    answer = tagboat("show", "--json", at=clone.path)
    assert answer.document["artifacts"][0]["stages"] == {"prod": "v1.0.0", "dev": "v1.1.0"}
    assert answer.document["problems"] == []
    assert Repository(clone.path, environment()).is_shallow, "no more history than asked for"
    answer = tagboat("resolve", "churn#prod", "--json", at=clone.path)
    assert answer.document["version"] == "v1.0.0"


def test_what_cannot_be_repaired_is_one_error_that_names_the_setting(published: GitRepository, tmp_path: Path,
                                                                     tagboat: Tagboat) -> None:  # fmt: skip
    clone = as_checkout_leaves_it(published, tmp_path / "runner")
    clone.git("remote", "set-url", "origin", f"file://{tmp_path}/nowhere")
    answer = tagboat("show", "--json", at=clone.path)
    assert answer.code == 2
    assert "fetch-tags: true" in answer.document["error"]["hint"]
    assert "fetch-depth: 0" in answer.document["error"]["hint"]


def test_a_whole_clone_with_a_lightweight_stand_in_is_repaired_on_a_runner(
    published: GitRepository, tmp_path: Path
) -> None:
    clone = GitRepository.clone(published.path, tmp_path / "runner")
    clone.lightweight("churn#dev#2", "churn#dev#2^{commit}")
    repository = opened(clone)
    assert [problem.tag for problem in complete(repository, read(repository)).problems] == ["churn#dev#2"]
    repository = opened(clone, CI="true")
    assert complete(repository, read(repository)).problems == ()


def test_a_whole_clone_stays_whole_and_keeps_its_own_tags(published: GitRepository, tmp_path: Path) -> None:
    clone = GitRepository.clone(published.path, tmp_path / "clone")
    clone.tag("mine@v0.0.1")
    published.assign("churn", "qa")
    repository = opened(clone)
    repository.fetch_tags()
    assert {"mine@v0.0.1", "churn#qa#3"} <= {tag.name for tag in repository.tags()}
    assert not repository.is_shallow


def test_fetching_moves_no_branch_and_leaves_no_trace(published: GitRepository, tmp_path: Path) -> None:
    clone = GitRepository.clone(published.path, tmp_path / "clone")
    published.commit({"model.txt": "four"})
    before = clone.git("for-each-ref", "refs/heads", "refs/remotes")
    repository = opened(clone)
    repository.fetch_tags()
    assert repository.default_branch_tip() == published.head
    assert clone.git("for-each-ref", "refs/heads", "refs/remotes") == before
    assert not (clone.path / ".git" / "FETCH_HEAD").exists()


def test_the_default_branch_is_the_remotes_whatever_is_checked_out(published: GitRepository, tmp_path: Path) -> None:
    published.git("branch", "-m", "main", "trunk")
    clone = as_checkout_leaves_it(published, tmp_path / "runner")
    clone.git("checkout", "--quiet", "--detach", "refs/tags/churn#dev#2")
    assert opened(clone).default_branch_tip() == published.head


def test_a_branch_contains_its_history_even_for_a_shallow_clone(published: GitRepository, tmp_path: Path) -> None:
    first = published.git("rev-parse", "churn@v1.0.0^{commit}")
    published.git("checkout", "--quiet", "-b", "side")
    aside = published.commit({"side.txt": "x"})
    published.git("checkout", "--quiet", "main")
    clone = as_checkout_leaves_it(published, tmp_path / "runner")
    clone.git("fetch", "--depth=1", "origin", "side")
    repository = opened(clone)
    assert repository.contains("main", first)
    assert not repository.contains("main", aside)
    assert repository.contains("side", aside)
    with pytest.raises(TagboatError):
        repository.contains("no-such-branch", first)
    for name in ("-x", "a..b", "main:refs/heads/evil", "main\n", ""):
        with pytest.raises(ConfigurationError):
            repository.contains(name, first)


def test_files_are_read_from_a_commit(clone: GitRepository) -> None:
    commit = clone.commit({"a/b.txt": "inside", "run.sh": "#!/bin/sh", "c:d #é.txt": "odd"})
    (clone.path / "link").symlink_to("a/b.txt")
    linked = clone.commit()
    repository = opened(clone)
    assert repository.read(commit, "a/b.txt") == b"inside"
    assert repository.read(commit, "./a//b.txt") == b"inside"
    assert repository.read(commit, "c:d #é.txt") == b"odd"
    assert repository.read(commit, "a") is None
    assert repository.read(commit, "missing") is None
    assert repository.read(linked, "link") is None
    entry = repository.entry(linked, "link")
    assert entry is not None
    assert (entry.mode, entry.is_file) == ("120000", False)
    assert [entry.path for entry in repository.list_tree(commit, "a")] == ["a/b.txt"]
    assert [entry.path for entry in repository.list_tree(commit, "*")] == []
    file = repository.entry(commit, "run.sh")
    assert file is not None
    with repository.open(file.object_id) as stream:
        assert stream.read() == b"#!/bin/sh"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_a_path_that_leaves_the_repository_is_refused(clone: GitRepository, path: str) -> None:
    with pytest.raises(UnsafeContentError):
        opened(clone).read(clone.head, path)


def test_a_file_beyond_the_limit_is_refused(clone: GitRepository) -> None:
    commit = clone.commit({"big": "x" * 101})
    with pytest.raises(UnsafeContentError):
        opened(clone).read(commit, "big", limit=100)


@pytest.mark.parametrize("revision", ["--help", "-x", "HEAD\nHEAD", "nothing", "HEAD^{tree}", ""])
def test_a_revision_that_names_no_commit_is_none(clone: GitRepository, revision: str) -> None:
    assert opened(clone).commit(revision) is None


def test_only_ids_are_taken_for_ids(clone: GitRepository) -> None:
    for text in ("--output=x", "HEAD", ""):
        with pytest.raises(UsageError):
            opened(clone).list_tree(text)


def test_any_folder_of_the_clone_will_do_and_none_outside(clone: GitRepository, tmp_path: Path) -> None:
    inner = clone.path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_root(inner) == clone.path.resolve()
    with pytest.raises(ConfigurationError, match="no Git repository"):
        Repository(tmp_path, environment()).tags()


def test_a_folder_that_only_looks_like_a_repository_is_none(clone: GitRepository) -> None:
    """A commit can bring HEAD, objects/, refs/ and a config that runs a program; Git alone would step into it."""
    trap = clone.path / "models"
    GitRepository.make(trap, bare=True)
    clone.register("m", "v1.0.0")
    assert [tag.name for tag in Repository(trap, environment()).tags()] == ["m@v1.0.0"]


def test_a_worktree_is_a_clone_as_well(clone: GitRepository, tmp_path: Path) -> None:
    clone.register("m", "v1.0.0")
    clone.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert [tag.name for tag in Repository(tmp_path / "tree", environment()).tags()] == ["m@v1.0.0"]


def test_variables_that_point_git_elsewhere_do_not_count(clone: GitRepository, tmp_path: Path) -> None:
    clone.register("m", "v1.0.0")
    other = GitRepository.make(tmp_path / "other")
    variables = environment(GIT_DIR=str(other.path / ".git"), GIT_WORK_TREE=str(other.path))
    assert [tag.name for tag in Repository(clone.path, variables).tags()] == ["m@v1.0.0"]


def test_configuration_that_the_runner_passes_in_variables_is_kept(clone: GitRepository) -> None:
    variables = environment(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="user.signingKey", GIT_CONFIG_VALUE_0="ours")
    git = Repository(clone.path, variables).git
    assert git.user_setting("user.signingKey") == "ours"
    clone.git("config", "user.signingKey", "theirs")
    assert Repository(clone.path, variables).git.user_setting("user.signingKey") == "ours"
    assert Repository(clone.path, environment()).git.user_setting("user.signingKey") is None


def test_a_token_goes_to_its_server_alone_and_in_one_header() -> None:
    settings = credentials("secret", "https://github.com")
    assert [key for key, _ in settings] == ["http.https://github.com/.extraHeader"] * 2
    assert settings[0][1] == "", "the header that actions/checkout left there is dropped first"
    assert base64.b64decode(settings[1][1].rpartition(" ")[2]) == b"x-access-token:secret"


@pytest.fixture
def dumb_server(published: GitRepository) -> Iterator[tuple[str, list[list[str]]]]:
    """The remote as plain files over HTTP; each request's Authorization headers are noted."""
    published.git("update-server-info")
    seen: list[list[str]] = []

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(published.path / ".git"))

        def do_GET(self) -> None:
            seen.append(self.headers.get_all("Authorization", []))
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


def test_a_token_authenticates_the_fetch_in_checkouts_place(
    clone: GitRepository, dumb_server: tuple[str, list[list[str]]]
) -> None:
    address, seen = dumb_server
    clone.git("remote", "add", "origin", f"{address}/")
    clone.git("config", f"http.{address}/.extraheader", "Authorization: basic c3RhbGU=")
    repository = Repository(clone.path, environment(GITHUB_SERVER_URL=address), "fresh")
    repository.fetch_tags()
    assert {tag.name for tag in repository.tags()} >= {"churn@v1.0.0", "churn#dev#2"}
    wanted = base64.b64encode(b"x-access-token:fresh").decode()
    assert seen
    assert all(headers == [f"Basic {wanted}"] for headers in seen)


def test_a_token_is_not_given_to_another_server(clone: GitRepository, dumb_server: tuple[str, list[list[str]]]) -> None:
    address, seen = dumb_server
    clone.git("remote", "add", "origin", f"{address}/")
    Repository(clone.path, environment(), "for-github-alone").fetch_tags()
    assert seen
    assert not any(seen)


def test_a_remote_that_does_not_answer_is_told_without_credentials(clone: GitRepository) -> None:
    clone.git("remote", "add", "origin", "http://user:hunter2@127.0.0.1:1/none.git")
    repository = Repository(clone.path, environment(GITHUB_SERVER_URL="http://127.0.0.1:1"), "token-value")
    with pytest.raises(UnreachableError) as caught:
        repository.fetch_tags()
    assert "hunter2" not in str(caught.value)
    assert "token-value" not in str(caught.value) + repr(repository)


def test_without_a_remote_fetching_says_so(clone: GitRepository) -> None:
    with pytest.raises(UsageError, match="no remote"):
        opened(clone).fetch_tags()
