"""What a release brings, as the step summary tells it: figures, changes since what was served, and the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.comparison import Comparing
from entrypoint.configuration import parse
from entrypoint.registry.repository import Repository
from entrypoint.report.summary import summary
from entrypoint.report.verdict import SlotVerdict, Status, Verdict
from entrypoint.story import story
from tests.repositories import GitRepository, environment

HOSTILE = "@team|<b>x</b>"


@pytest.fixture
def clone(tmp_path: Path) -> GitRepository:
    return GitRepository.make(tmp_path / "clone")


def pointer(path: str, md5: str, size: int) -> str:
    return f"outs:\n- {{md5: {md5 * 32}, size: {size}, hash: md5, path: {path}}}\n"


def told(clone: GitRepository, commit: str, previous: str | None = None) -> str:
    repository = Repository(clone.path, environment())
    comparing = Comparing(repository, parse(b"report: {directions: {accuracy: higher}}\n", "tagboat.yaml"))
    slot = SlotVerdict(artifact="churn", stage="prod", target="eu", status=Status.LIVE, version="v2.0.0", commit=commit,
                       previous="v1.0.0" if previous else None, previous_commit=previous)  # fmt: skip
    return story(comparing, slot, commit)


def test_a_first_release_is_told_with_its_own_figures_and_its_data(clone: GitRepository) -> None:
    commit = clone.commit({
        "dvc.yaml": "metrics: [metrics.json]\n",
        "metrics.json": '{"accuracy": 0.875}',
        "data/train.csv.dvc": pointer("train.csv", "b", 5_000),
    })  # fmt: skip
    text = told(clone, commit)
    assert "| <code>accuracy</code> | 0.875 |" in text
    assert "| <code>data/train.csv</code> | <code>bbbbbbbbbbbb</code> | 5 kB |" in text
    assert "Since" not in text


def test_a_later_release_is_told_against_what_was_served_before(clone: GitRepository) -> None:
    first = clone.commit({
        "dvc.yaml": "metrics: [metrics.json]\n",
        "metrics.json": '{"accuracy": 0.9}',
        "data/train.csv.dvc": pointer("train.csv", "b", 5_000),
    })  # fmt: skip
    second = clone.commit({
        "metrics.json": '{"accuracy": 0.8}',
        "data/train.csv.dvc": pointer("train.csv", "c", 6_000),
    })  # fmt: skip
    text = told(clone, second, first)
    assert "**Since <code>v1.0.0</code>**" in text
    assert "❌" in text
    assert "+1 kB" in text.replace("&#43;", "+")
    assert "cccccccccccc" in text


def test_a_commit_without_figures_and_data_has_no_story(clone: GitRepository) -> None:
    assert told(clone, clone.commit({"README.md": "x"})) == ""


def test_C10_names_of_the_repository_are_harmless_and_the_summary_takes_the_story_as_it_is(
    clone: GitRepository,
) -> None:
    commit = clone.commit({
        "dvc.yaml": "metrics: [metrics.json]\n",
        "metrics.json": f'{{"{HOSTILE}": 1, "text": "{HOSTILE}"}}',
    })  # fmt: skip
    text = told(clone, commit)
    assert "<b>" not in text
    assert "@team" not in text
    slot = SlotVerdict(artifact="churn", stage="prod", target="eu", status=Status.LIVE, changed=True, story=text)
    assert text.strip() in summary(Verdict(slots=[slot]))


def test_a_broken_dvc_yaml_costs_no_release_its_verdict(clone: GitRepository) -> None:
    commit = clone.commit({"dvc.yaml": "metrics: [\n", "data.csv.dvc": "outs: [", "metrics.json": "{"})
    assert isinstance(told(clone, commit), str)
