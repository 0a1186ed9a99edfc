"""Writing tags: by GTO where it can, else the same tag by Git; in effect afterwards, or not at all."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from entrypoint.errors import RefusedError, TagboatError, UsageError
from entrypoint.registry import inscription, writing
from entrypoint.registry.inscription import Written
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry, read
from entrypoint.registry.versions import Bump
from tests.registry.conftest import opened
from tests.registry.gto import by_gto, by_us
from tests.repositories import START, GitRepository, environment


def state_of(git: GitRepository) -> tuple[Repository, Registry]:
    repository = opened(git)
    return repository, read(repository)


def later(seconds: int = 1000) -> Callable[[], float]:
    """A clock that GTO cannot have, so that Git writes."""
    return lambda: START + seconds


@pytest.fixture(params=["gto", "git"])
def clock(request: pytest.FixtureRequest) -> Callable[[], float]:
    """Now, when GTO itself writes; or a time of the test's, when Git has to."""
    return time.time if request.param == "gto" else later()


def test_a_life_of_a_version_is_what_gto_sees(clone: GitRepository, clock: Callable[[], float]) -> None:
    repository, registry = state_of(clone)
    first = writing.register(repository, registry, "m", clock=clock)
    assert (first.name, first.version, first.created) == ("m@v0.0.1", "v0.0.1", True)
    put = writing.assign(repository, first.registry, "m", "v0.0.1", "prod", clock=clock)
    assert put.name == "m#prod#1"
    assert by_gto(clone.path)["m"]["stages"] == {"prod": "v0.0.1"}
    out = writing.unassign(repository, put.registry, "m", "prod", clock=clock)
    assert out.name == "m#prod!#2"
    assert by_gto(clone.path)["m"]["stages"] == {}
    gone = writing.deregister(repository, out.registry, "m", "v0.0.1", clock=clock)
    assert gone.name == "m@v0.0.1!"
    again = writing.register(repository, gone.registry, "m", "v0.0.1", clock=clock)
    assert again.name == "m@v0.0.1#3", "the plain name is taken, so a counter is added"
    old = writing.deprecate(repository, again.registry, "m", clock=clock)
    assert old.name == "m@deprecated"
    assert by_gto(clone.path) == {} == by_us(old.registry)
    revived = writing.assign(repository, old.registry, "m", "v0.0.1", "dev", clock=clock)
    assert by_us(revived.registry) == by_gto(clone.path)


def test_git_writes_the_tag_that_gto_would_write(tmp_path: Path) -> None:
    tags = []
    for name, clock in (("by-gto", time.time), ("by-git", later())):
        git = GitRepository.make(tmp_path / name)
        git.commit({"m": "1"}, time=START)
        repository, registry = state_of(git)
        means = {"clock": clock}
        registry = writing.register(repository, registry, "a/b:m", "v1.0.0", **means).registry
        registry = writing.assign(repository, registry, "a/b:m", "v1.0.0", "prod", **means).registry
        registry = writing.unassign(repository, registry, "a/b:m", "prod", **means).registry
        registry = writing.deregister(repository, registry, "a/b:m", "v1.0.0", **means).registry
        writing.deprecate(repository, registry, "a/b:m", **means)
        form = "%(refname)|%(object)|%(tag)|%(taggername)|%(taggeremail)|%(contents)"
        tags.append(git.git("for-each-ref", f"--format={form}", "refs/tags"))
    assert tags[0] == tags[1]


def test_gto_is_the_one_who_writes_where_it_can(clone: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    import gto.api

    called = []
    real = gto.api.register
    monkeypatch.setattr(gto.api, "register", lambda *args, **kwargs: called.append(args) or real(*args, **kwargs))
    repository, registry = state_of(clone)
    written = writing.register(repository, registry, "m", "v1.0.0")
    assert called
    clone.tag("x@created")
    assert writing.assign(repository, read(repository), "m", "v1.0.0", "prod").name == "m#prod#1"
    monkeypatch.setattr(inscription, "GTO_READS", 0)
    called.clear()
    clone.commit()
    writing.register(repository, written.registry, "m", "v2.0.0")
    assert not called, "GTO reads every tag several times; above a number of them Git writes"


def test_a_new_tag_is_never_older_than_the_newest_event(clone: GitRepository) -> None:
    ahead = int(time.time()) + 5000  # somebody's clock is fast
    clone.register("m", "v1.0.0", time=ahead)
    clone.assign("m", "prod", time=ahead)
    clone.commit(time=START)
    clone.register("m", "v2.0.0", time=START)
    repository, registry = state_of(clone)
    written = writing.assign(repository, registry, "m", "v2.0.0", "prod")
    assert written.time == ahead + 1
    assert written.registry.artifacts["m"].stages == {"prod": "v2.0.0"}


def test_tags_of_one_second_take_effect_one_after_the_other(clone: GitRepository) -> None:
    first = clone.head
    clone.register("m", "v1.0.0", first, time=START)
    clone.commit(time=START)
    clone.register("m", "v2.0.0", time=START)
    repository, registry = state_of(clone)
    for version in ("v2.0.0", "v1.0.0", "v2.0.0"):
        registry = writing.assign(repository, registry, "m", version, "prod", clock=later(10)).registry
        assert registry.artifacts["m"].stages["prod"] == version


def test_what_is_so_already_is_no_new_tag(clone: GitRepository) -> None:
    repository, registry = state_of(clone)
    first = writing.register(repository, registry, "m", "v1.0.0", clock=later())
    again = writing.register(repository, first.registry, "m", "v1.0.0", clock=later())
    assert (again.name, again.created, again.object_id) == (first.name, False, first.object_id)
    put = writing.assign(repository, first.registry, "m", "v1.0.0", "prod", clock=later())
    same = writing.assign(repository, put.registry, "m", "v1.0.0", "prod", clock=later())
    assert (same.name, same.created) == (put.name, False)
    assert len(repository.tags()) == 2


def test_going_back_to_a_version_that_was_there_before_is_a_new_assignment(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.assign("m", "prod")
    clone.commit()
    clone.register("m", "v2.0.0")
    clone.assign("m", "prod")
    repository, registry = state_of(clone)
    back = writing.assign(repository, registry, "m", "v1.0.0", "prod")
    assert (back.name, back.created) == ("m#prod#3", True)
    assert by_gto(clone.path)["m"]["stages"] == {"prod": "v1.0.0"}


def test_the_next_version_follows_the_greatest_one(clone: GitRepository) -> None:
    clone.register("m", "v1.9.0")
    clone.commit()
    clone.register("m", "v1.10.0")
    for part, version in ((None, "v1.10.1"), (Bump.MINOR, "v1.11.0"), (Bump.MAJOR, "v2.0.0")):
        clone.commit()
        repository, registry = state_of(clone)
        assert writing.register(repository, registry, "m", part=part).version == version


REFUSED: list[tuple[str, Callable[[Repository, Registry], Written]]] = [
    ("a second version for a commit", lambda p, r: writing.register(p, r, "m", "v1.5.0")),
    ("a version of another commit", lambda p, r: writing.register(p, r, "m", "v0.9.0")),
    ("a part of nothing", lambda p, r: writing.register(p, r, "new", part=Bump.MINOR)),
    ("a bad version", lambda p, r: writing.register(p, r, "m", "1.5.0")),
    ("a bad name", lambda p, r: writing.register(p, r, "../m", "v1.5.0")),
    ("an option for a name", lambda p, r: writing.register(p, r, "--force", "v1.5.0")),
    ("no commit", lambda p, r: writing.register(p, r, "new", "v1.5.0", ref="--all")),
    ("an unregistered version", lambda p, r: writing.assign(p, r, "m", "v7.0.0", "prod")),
    ("a deregistered version", lambda p, r: writing.assign(p, r, "m", "v0.8.0", "prod")),
    ("a bad stage", lambda p, r: writing.assign(p, r, "m", "v1.0.0", "prod#1")),
    ("an unknown artifact", lambda p, r: writing.assign(p, r, "nobody", "v1.0.0", "prod")),
    ("an empty stage", lambda p, r: writing.unassign(p, r, "m", "qa")),
    ("a version not in the stage", lambda p, r: writing.unassign(p, r, "m", "prod", "v1.0.0")),
    ("deregistering nothing", lambda p, r: writing.deregister(p, r, "m", "v0.8.0")),
    ("deprecating twice", lambda p, r: writing.deprecate(p, r, "old")),
]


@pytest.mark.parametrize("attempt", [attempt for _, attempt in REFUSED], ids=[name for name, _ in REFUSED])
def test_what_gto_would_refuse_is_refused_and_nothing_is_written(
    clone: GitRepository, attempt: Callable[[Repository, Registry], Written]
) -> None:
    clone.register("old", "v1.0.0")
    clone.deprecate("old")
    clone.register("m", "v0.8.0")
    clone.deregister("m", "v0.8.0")
    clone.commit()
    clone.register("m", "v0.9.0")
    clone.assign("m", "prod")
    clone.commit()
    clone.register("m", "v1.0.0")
    repository, registry = state_of(clone)
    before = [tag.name for tag in repository.tags()]
    with pytest.raises(TagboatError) as caught:
        attempt(repository, registry)
    assert caught.value.exit_code in {2, 3}
    assert [tag.name for tag in repository.tags()] == before


def test_the_stages_that_gtos_settings_list_are_the_only_ones(clone: GitRepository) -> None:
    (clone.path / ".gto").write_text("stages: [dev, prod]\n")
    clone.register("m", "v1.0.0")
    repository, registry = state_of(clone)
    with pytest.raises(UsageError, match="dev, prod"):
        writing.assign(repository, registry, "m", "v1.0.0", "staging")
    assert writing.assign(repository, registry, "m", "v1.0.0", "prod").created


def test_a_commit_that_has_no_version_cannot_be_taken_out_of_its_stage(clone: GitRepository) -> None:
    clone.assign("m", "prod")
    repository, registry = state_of(clone)
    with pytest.raises(RefusedError, match="no version"):
        writing.unassign(repository, registry, "m", "prod")


def test_whoever_started_the_workflow_writes_where_git_knows_nobody(clone: GitRepository) -> None:
    variables = {name: value for name, value in environment(GITHUB_ACTOR="octocat").items()
                 if not name.startswith(("GIT_COMMITTER", "GIT_AUTHOR", "EMAIL"))}  # fmt: skip
    repository = Repository(clone.path, variables)
    writing.register(repository, read(repository), "m", "v1.0.0", clock=later())
    tag = repository.tag("m@v1.0.0")
    assert tag is not None
    assert (tag.tagger, tag.email) == ("octocat", "octocat@users.noreply.github.com")


def test_the_message_may_be_any_text(clone: GitRepository) -> None:
    repository, registry = state_of(clone)
    for number, message in enumerate(["# not a comment", "--force", "two\n\nparts", "$(id) `id` é ＃"]):
        clone.commit()
        writing.register(repository, registry, "m", f"v1.{number}.0", message=message, clock=later())
        tag = repository.tag(f"m@v1.{number}.0")
        assert tag is not None
        assert tag.message == message


@pytest.fixture
def two_clones(origin: GitRepository, tmp_path: Path) -> tuple[GitRepository, GitRepository]:
    origin.register("m", "v1.0.0")
    origin.commit()
    origin.register("m", "v2.0.0")
    return (GitRepository.clone(origin.path, tmp_path / "one"), GitRepository.clone(origin.path, tmp_path / "other"))


def test_a_pushed_tag_is_on_the_remote(origin: GitRepository, two_clones: tuple[GitRepository, ...]) -> None:
    repository, registry = state_of(two_clones[0])
    written = writing.assign(repository, registry, "m", "v1.0.0", "prod", push=True)
    assert written.pushed
    assert origin.git("rev-parse", "refs/tags/m#prod#1") == written.object_id
    again = writing.assign(repository, written.registry, "m", "v1.0.0", "prod", push=True)
    assert (again.created, again.pushed) == (False, True)


def test_a_tag_that_a_killed_run_wrote_is_pushed_by_the_next(
    origin: GitRepository, two_clones: tuple[GitRepository, ...]
) -> None:
    repository, registry = state_of(two_clones[0])
    first = writing.assign(repository, registry, "m", "v1.0.0", "prod")  # killed before its push
    second = writing.assign(repository, first.registry, "m", "v1.0.0", "prod", push=True)
    assert (second.created, second.pushed) == (False, True)
    assert origin.git("rev-parse", "refs/tags/m#prod#1") == first.object_id


def test_the_loser_with_another_wish_is_told_and_leaves_nothing(two_clones: tuple[GitRepository, ...]) -> None:
    one, other = (state_of(git) for git in two_clones)
    won = writing.assign(*one, "m", "v1.0.0", "prod", push=True)
    with pytest.raises(RefusedError, match="another run"):
        writing.assign(*other, "m", "v2.0.0", "prod", push=True)
    tag = other[0].tag("m#prod#1")
    assert tag is not None
    assert tag.object_id == won.object_id, "the remote's tag, not a stray one of ours"


def test_a_refused_push_leaves_no_tag(origin: GitRepository, two_clones: tuple[GitRepository, ...]) -> None:
    hook = origin.path / ".git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    repository, registry = state_of(two_clones[0])
    with pytest.raises(TagboatError) as caught:
        writing.assign(repository, registry, "m", "v1.0.0", "prod", push=True)
    assert caught.value.exit_code == 3
    assert repository.tag("m#prod#1") is None


def test_an_unreachable_remote_leaves_no_tag(two_clones: tuple[GitRepository, ...], tmp_path: Path) -> None:
    two_clones[0].git("remote", "set-url", "origin", f"file://{tmp_path}/gone")
    repository, registry = state_of(two_clones[0])
    with pytest.raises(TagboatError) as caught:
        writing.assign(repository, registry, "m", "v1.0.0", "prod", push=True)
    assert caught.value.exit_code == 4
    assert repository.tag("m#prod#1") is None


def test_runs_in_one_clone_write_one_tag(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    repository, registry = state_of(clone)
    with ThreadPoolExecutor(4) as runs:
        written = list(runs.map(
            lambda _: writing.assign(repository, registry, "m", "v1.0.0", "prod", clock=later()), range(4)
        ))  # fmt: skip
    assert {one.name for one in written} == {"m#prod#1"}
    assert sum(one.created for one in written) == 1


def test_a_tag_is_signed_where_the_user_has_a_key(clone: GitRepository, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    config = tmp_path / "gitconfig"
    config.write_text(f"[user]\n signingkey = {key}.pub\n[gpg]\n format = ssh\n")
    repository = Repository(clone.path, environment(GIT_CONFIG_GLOBAL=str(config)))
    writing.register(repository, read(repository), "m", "v1.0.0")
    tag = repository.tag("m@v1.0.0")
    assert tag is not None
    assert tag.signed
    assert "BEGIN" not in tag.message
    clone.commit()
    writing.register(repository, read(repository), "m", "v2.0.0", sign=False)
    plain = repository.tag("m@v2.0.0")
    assert plain is not None
    assert not plain.signed
