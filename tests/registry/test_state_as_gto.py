"""Random histories, written with plain Git, read by GTO and by us: the answers are the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.registry.repository import Repository
from entrypoint.registry.state import read
from entrypoint.registry.tags import TagAction
from tests.registry.gto import by_gto, by_us
from tests.repositories import START, GitRepository, environment

ARTIFACTS = ("m", "n-1", "models/nlp=bert")
STAGES = ("dev", "prod", "stage/eu-1")
VERSIONS = ("v0.1.0", "v1.0.0-alpha.2", "v1.0.0-alpha.10", "v1.0.0-alpha.beta", "v1.0.0", "v1.0.0+one", "v1.0.0+two",
            "v2.0.0", "v10.0.0")  # fmt: skip
COMMITS = 7
SECONDS = st.integers(0, 12)


@dataclass(frozen=True)
class Step:
    """One tag of a history; ``commit`` counts from the first one, ``second`` from the start."""

    name: str
    commit: int
    second: int
    zone: str = "+0000"


@st.composite
def steps(draw: st.DrawFn) -> Step:
    action = draw(st.sampled_from([TagAction.REGISTER] * 4 + [TagAction.ASSIGN] * 5 + [TagAction.UNASSIGN] * 3
                                  + [TagAction.DEREGISTER] * 2 + [TagAction.DEPRECATE]))  # fmt: skip
    name = draw(st.sampled_from(ARTIFACTS))
    # Mostly each version has a commit of its own, as GTO's users have it; now and then it strays.
    version = draw(st.integers(0, len(VERSIONS) - 1))
    commit = version % COMMITS if draw(st.integers(0, 9)) else draw(st.integers(0, COMMITS - 1))
    if action is TagAction.DEPRECATE:
        name += "@deprecated"
    elif action in {TagAction.REGISTER, TagAction.DEREGISTER}:
        name += f"@{VERSIONS[version]}"
    else:
        name += f"#{draw(st.sampled_from(STAGES))}"
    if action in {TagAction.DEREGISTER, TagAction.UNASSIGN}:
        name += "!"
    counter = draw(st.none() | st.integers(0, 99))
    return Step(name if counter is None else f"{name}#{counter}", commit, draw(SECONDS))


HISTORIES = st.lists(steps(), min_size=1, max_size=24, unique_by=lambda step: step.name)


class World:
    """A repository whose tags are written anew for each history."""

    def __init__(self, path: Path, index: str | None = None) -> None:
        self.git = GitRepository.make(path)
        self.commits = [
            # The making of a commit is an event to GTO, so these are spread over the same seconds as the tags.
            self.git.commit({"n": str(number), **({"artifacts.yaml": index} if index else {})}, time=START + number * 2)
            for number in range(COMMITS)
        ]
        self.repository = Repository(path, environment())

    def write(self, history: list[Step]) -> None:
        self.clear()
        self.git.write_tags((step.name, self.commits[step.commit], START + step.second) for step in history)

    def clear(self) -> None:
        names = self.git.git("for-each-ref", "--format=delete %(refname)", "refs/tags")
        self.git.git("update-ref", "--stdin", stdin=f"{names}\n" if names else "")

    def drop(self, names: list[str]) -> None:
        self.git.git("update-ref", "--stdin", stdin="".join(f"delete refs/tags/{name}\n" for name in names))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("histories") / "clone")


@pytest.fixture(scope="module")
def annotated_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    index = "m: {path: m.pkl}\nalone: {path: alone.pkl}\n"
    return World(tmp_path_factory.mktemp("annotated") / "clone", index)


def agree(world: World, history: list[Step]) -> None:
    """Ours and GTO's answers are the same, once the tags that we named as problems are gone."""
    world.write(history)
    registry = read(world.repository)
    ours = by_us(registry)
    if registry.problems:
        world.drop([problem.tag for problem in registry.problems])
        assert by_us(read(world.repository)) == ours, "a tag under problems had a say"
    assert ours == by_gto(world.git.path)


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES)
def test_any_history_gives_the_answer_that_gto_gives(world: World, history: list[Step]) -> None:
    agree(world, history)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(HISTORIES)
def test_artifacts_yaml_at_head_counts_as_it_does_for_gto(annotated_world: World, history: list[Step]) -> None:
    try:
        agree(annotated_world, history)
    except Exception as error:
        # Two versions at HEAD and an annotation of them: GTO gives no answer at all, with no tag to blame.
        if type(error).__name__ != "ManyVersions":
            raise


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(st.lists(steps(), min_size=5, max_size=60, unique_by=lambda step: step.name))
def test_long_histories_give_the_answer_that_gto_gives(world: World, history: list[Step]) -> None:
    agree(world, history)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(steps(), min_size=2, max_size=12, unique_by=lambda step: step.name), st.integers(0, 200))
def test_the_order_in_which_tags_were_written_means_nothing(world: World, history: list[Step], seed: int) -> None:
    world.write(history)
    before = by_us(read(world.repository))
    shuffled = sorted(history, key=lambda step: hash((step.name, seed)))
    world.write(shuffled)
    assert by_us(read(world.repository)) == before
