"""One bad tag costs that tag alone: it is listed with the reason, and everything else is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrypoint.registry.state import Registry, read
from tests.registry.conftest import opened
from tests.registry.gto import by_gto, by_us
from tests.repositories import START, GitRepository

TAGGER = f"tagger T <t@example.com> {START} +0000"


def object_text(target: str, kind: str, name: str, tagger: str | None = TAGGER) -> str:
    return "\n".join(line for line in (f"object {target}", f"type {kind}", f"tag {name}", tagger) if line) + "\n\nx\n"


def created(git: GitRepository) -> str:
    git.tag("x@created")
    return "x@created"


def ambiguous_assignment(git: GitRepository) -> str:
    git.register("twin", "v1.0.0")
    git.register("twin", "v1.1.0")
    return git.assign("twin", "prod")


def tag_of_a_tree(git: GitRepository) -> str:
    git.tag("x@v1.0.0", "HEAD^{tree}")
    return "x@v1.0.0"


def tag_of_a_file(git: GitRepository) -> str:
    git.tag("x#prod#1", "HEAD:model.txt")
    return "x#prod#1"


def without_tagger(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", object_text(git.head, "commit", "x@v1.0.0", None))
    return "x@v1.0.0"


def bad_inner_name(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", object_text(git.head, "commit", "no registry tag"))
    return "x@v1.0.0"


def another_inner_name(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", object_text(git.head, "commit", "churn#prod#99"))
    return "x@v1.0.0"


def bad_date(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", object_text(git.head, "commit", "x@v1.0.0", "tagger T <t@example.com> soon"))
    return "x@v1.0.0"


def beyond_all_dates(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", object_text(git.head, "commit", "x@v1.0.0", "tagger T <t@example.com> 999999999999 +0000"))
    return "x@v1.0.0"


def malformed_object(git: GitRepository) -> str:
    git.raw_tag("x@v1.0.0", "no tag at all\n")
    return "x@v1.0.0"


def missing_object(git: GitRepository) -> str:
    target = git.git("commit-tree", "-m", "gone", "HEAD^{tree}")
    git.raw_tag("x@v1.0.0", object_text(target, "commit", "x@v1.0.0"))
    (git.path / ".git" / "objects" / target[:2] / target[2:]).unlink()
    return "x@v1.0.0"


def lightweight(git: GitRepository) -> str:
    git.lightweight("x@v1.0.0")
    return "x@v1.0.0"


def dotted_folders(git: GitRepository) -> str:
    git.git("fast-import", "--quiet", stdin=f"tag -x=m@v1.0.0\nfrom {git.head}\n{TAGGER}\ndata 1\nx\n")
    return "-x=m@v1.0.0"


POISONS = [created, ambiguous_assignment, tag_of_a_tree, tag_of_a_file, without_tagger, bad_inner_name,
           another_inner_name, bad_date, beyond_all_dates, malformed_object, missing_object, lightweight,
           dotted_folders]  # fmt: skip


def healthy(git: GitRepository) -> None:
    git.register("churn", "v1.0.0")
    git.assign("churn", "prod")
    git.commit({"model.txt": "two"})
    git.register("churn", "v1.1.0")
    git.assign("churn", "dev")


def state_of(git: GitRepository) -> Registry:
    return read(opened(git))


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.__name__)
def test_a_poison_tag_costs_that_tag_alone(clone: GitRepository, poison: Callable[[GitRepository], str]) -> None:
    healthy(clone)
    name = poison(clone)
    registry = state_of(clone)
    assert [problem.tag for problem in registry.problems] == [name]
    assert registry.problems[0].reason
    churn = registry.artifacts["churn"]
    assert churn.latest == "v1.1.0"
    assert churn.stages == {"prod": "v1.0.0", "dev": "v1.1.0"}


@pytest.mark.parametrize("poison", [created, ambiguous_assignment, tag_of_a_tree, without_tagger, bad_inner_name],
                         ids=lambda poison: poison.__name__)  # fmt: skip
def test_the_same_tag_makes_gto_fail_for_the_whole_repository(
    clone: GitRepository, poison: Callable[[GitRepository], str]
) -> None:
    healthy(clone)
    poison(clone)
    with pytest.raises(Exception):  # noqa: B017 - each fails in a way of its own
        by_gto(clone.path)


def test_many_bad_objects_among_many_good_ones_are_found_one_by_one(clone: GitRepository) -> None:
    clone.write_tags((f"m@v0.{number}.0", clone.head, START + number) for number in range(40))
    for number in range(0, 40, 7):
        clone.raw_tag(f"broken@v0.{number}.0", "no tag at all\n")
    registry = state_of(clone)
    assert len(registry.artifacts["m"].versions) == 40
    assert [problem.tag for problem in registry.problems] == sorted(f"broken@v0.{n}.0" for n in range(0, 40, 7))


def test_a_tag_of_a_tag_is_read_as_its_commit_with_a_warning(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.tag("m#prod#1", "m@v1.0.0")
    clone.tag("m#dev#2", "m#prod#1")
    registry = state_of(clone)
    assert registry.artifacts["m"].stages == {"prod": "v1.0.0", "dev": "v1.0.0"}
    assert [warning.partition(":")[0] for warning in registry.warnings] == ["m#dev#2", "m#prod#1"]


def test_other_peoples_tags_are_no_problem(clone: GitRepository) -> None:
    for name in ("v1.0.0", "release/2026", "@scope/pkg@1.0.0", "m@1.0.0", "nightly-3"):
        clone.tag(name)
        clone.lightweight(f"{name}-light")
    registry = state_of(clone)
    assert (registry.artifacts, registry.problems) == ({}, ())


def test_messages_and_names_may_hold_any_bytes(clone: GitRepository) -> None:
    text = object_text(clone.head, "commit", "m@v1.0.0", f"tagger \u202eT\u00e9 <t@example.com> {START} +0530")
    made = clone.git(
        "hash-object", "-t", "tag", "-w", "--stdin", stdin=text.encode("latin-1", "replace") + b"\xff\x01\n"
    )
    clone.git("update-ref", "refs/tags/m@v1.0.0", made)
    clone.tag("m#prod#1", message="two\n\nlines\x1b[31m::set-output name=x::y")
    registry = state_of(clone)
    assert registry.artifacts["m"].stages == {"prod": "v1.0.0"}
    assert registry.events[0].time == START


def test_a_higher_counter_with_an_older_date_is_told_and_the_date_decides(clone: GitRepository) -> None:
    first = clone.head
    clone.register("m", "v1.0.0", time=START)
    second = clone.commit(time=START)
    clone.register("m", "v2.0.0", time=START)
    clone.tag("m#prod#1", first, time=START + 50)
    clone.tag("m#prod#2", second, time=START + 10)  # a clock that was behind
    registry = state_of(clone)
    assert registry.artifacts["m"].stages == {"prod": "v1.0.0"}
    assert len(registry.warnings) == 1
    assert registry.warnings[0].startswith("m#prod#2: has the higher counter")
    assert by_us(registry) == by_gto(clone.path)


def test_counters_in_step_with_the_dates_are_nothing_to_tell(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    for stage in ("dev", "prod", "dev", "prod"):
        clone.assign("m", stage)
    assert state_of(clone).warnings == ()


def test_a_deprecation_older_than_its_commit_has_no_effect_and_is_told(clone: GitRepository) -> None:
    clone.commit(time=START + 100)
    clone.tag("m@v1.0.0", time=START + 10)
    clone.tag("m@deprecated", time=START + 20)
    registry = state_of(clone)
    assert not registry.artifacts["m"].deprecated
    assert registry.warnings[0].startswith("m@deprecated: without effect")
    assert by_us(registry) == by_gto(clone.path)


def test_of_two_assignments_in_one_second_the_later_in_order_is_the_one_that_counts(clone: GitRepository) -> None:
    first = clone.head
    clone.register("m", "v1.0.0", first, time=START + 1)
    second = clone.commit()
    clone.register("m", "v2.0.0", second, time=START + 2)
    clone.tag("m#prod#1", first, time=START + 9)
    clone.tag("m#prod#2", second, time=START + 9)
    registry = state_of(clone)
    assert by_us(registry) == by_gto(clone.path)
    winner = registry.artifacts["m"].assignments["prod"].tag.name
    loser = "m#prod#2" if winner == "m#prod#1" else "m#prod#1"
    assert registry.is_later(winner, loser)
    assert not registry.is_later(loser, winner)
    assert not registry.is_later(winner, winner)
    assert not registry.is_later("m#prod#9", loser)
