"""Random histories, written with plain Git, read by GTO and by us: the answers are the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
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


@dataclass(frozen=True)
class Step:
    """One tag of a history; ``commit`` counts from the first one, ``second`` from the start."""

    name: str
    commit: int
    second: int


@dataclass(frozen=True)
class Palette:
    """What one history is made of. Small ones, so that events meet: on one version, in one second, at one commit."""

    artifacts: tuple[str, ...]
    stages: tuple[str, ...]
    versions: tuple[str, ...]
    seconds: int


PALETTES = st.builds(
    Palette,
    artifacts=st.sampled_from([ARTIFACTS[:1], ARTIFACTS[2:], ARTIFACTS]),
    stages=st.sampled_from([STAGES[:1], STAGES[:2], STAGES]),
    versions=st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=6, unique=True).map(tuple),
    seconds=st.sampled_from([1, 3, 14]),
)
ACTIONS = (
    [TagAction.REGISTER] * 4
    + [TagAction.ASSIGN] * 5
    + [TagAction.UNASSIGN] * 3
    + [TagAction.DEREGISTER] * 2
    + [TagAction.DEPRECATE]
)


@st.composite
def steps(draw: st.DrawFn, palette: Palette) -> Step:
    action = draw(st.sampled_from(ACTIONS))
    name = draw(st.sampled_from(palette.artifacts))
    # Mostly each version has a commit of its own, as GTO's users have it; now and then it strays.
    version = draw(st.sampled_from(palette.versions))
    commit = VERSIONS.index(version) % COMMITS if draw(st.integers(0, 9)) else draw(st.integers(0, COMMITS - 1))
    if action is TagAction.DEPRECATE:
        name += "@deprecated"
    elif action in {TagAction.REGISTER, TagAction.DEREGISTER}:
        name += f"@{version}"
    else:
        name += f"#{draw(st.sampled_from(palette.stages))}"
    if action in {TagAction.DEREGISTER, TagAction.UNASSIGN}:
        name += "!"
    counter = draw(st.integers(0, 60))
    second = draw(st.integers(0, palette.seconds))
    return Step(f"{name}#{counter}" if counter else name, commit, second)


@st.composite
def histories(draw: st.DrawFn, longest: int = 24) -> list[Step]:
    palette = draw(PALETTES)
    size = draw(st.integers(8, longest))
    return draw(st.lists(steps(palette), min_size=size, max_size=size, unique_by=lambda step: step.name))


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


@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories())
def test_any_history_gives_the_answer_that_gto_gives(world: World, history: list[Step]) -> None:
    agree(world, history)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(histories())
def test_artifacts_yaml_at_head_counts_as_it_does_for_gto(annotated_world: World, history: list[Step]) -> None:
    try:
        agree(annotated_world, history)
    except Exception as error:
        # Two versions at HEAD and an annotation of them: GTO gives no answer at all, with no tag to blame.
        if type(error).__name__ != "ManyVersions":
            raise


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(histories(longest=60))
def test_long_histories_give_the_answer_that_gto_gives(world: World, history: list[Step]) -> None:
    agree(world, history)
