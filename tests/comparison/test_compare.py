"""`tagboat compare`: two commits side by side, in every face."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.comparison import Comparing, find_side
from entrypoint.configuration import parse
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import read
from entrypoint.report.comparison import html
from tests.registry.conftest import Answer
from tests.repositories import GitRepository, environment

HOSTILE = "<script>alert(1)</script>|@team\n::set-output name=x::y"

POINTER = "outs:\n- {{md5: {md5}, size: {size}, hash: md5, path: {path}}}\n"


def pointer(path: str, md5: str, size: int) -> str:
    return POINTER.format(md5=md5 * 32, size=size, path=path)


@pytest.fixture
def clone(tmp_path: Path) -> GitRepository:
    repository = GitRepository.make(tmp_path / "clone")
    first = repository.commit({
        "tagboat.yaml": 'report: {directions: {accuracy: higher, "*loss": lower}}\n',
        "dvc.yaml": "metrics: [metrics.json]\nartifacts: {churn: {path: model.joblib}}\n",
        "metrics.json": '{"accuracy": 0.8, "loss": 0.5, "rows": 10, "gone": 1}',
        "params.yaml": "lr: 0.1\ndepth: 3\n",
        "model.joblib.dvc": pointer("model.joblib", "a", 1_000_000),
        "data/train.csv.dvc": pointer("train.csv", "b", 5_000),
        "requirements.txt": "scikit-learn==1.5.0\npandas==2.2.0\n",
        "notes.txt": "one",
    })  # fmt: skip
    repository.register("churn", "v1.0.0", first)
    repository.assign("churn", "prod", first)
    second = repository.commit({
        "metrics.json": '{"accuracy": 0.9, "loss": 0.6, "rows": 12, "gone": 1, "f1": 0.7}',
        "params.yaml": "lr: 0.2\ndepth: 3\n",
        "model.joblib.dvc": pointer("model.joblib", "c", 1_500_000),
        "small.csv": "x\n1\n",
        "requirements.txt": "scikit-learn==1.6.0\nnumpy\n",
        "notes.txt": "two",
    })  # fmt: skip
    repository.register("churn", "v1.1.0", second)
    repository.commit({"metrics.json": "{}"})
    return repository


@pytest.fixture
def tagboat(clone: GitRepository, tmp_path: Path) -> Callable[..., Answer]:
    import io

    from entrypoint.cli import run
    from entrypoint.commands.context import Context

    def call(*arguments: str) -> Answer:
        stdout, stderr = io.StringIO(), io.StringIO()
        code = run(
            Context(clone.path, environment(XDG_CACHE_HOME=str(tmp_path / "cache")), stdout=stdout, stderr=stderr),
            arguments,
        )
        return Answer(code, stdout.getvalue(), stderr.getvalue())

    return call


Tagboat = Callable[..., Answer]


def test_a_version_is_compared_with_a_stage_from_their_commits(tagboat: Tagboat) -> None:
    found = tagboat("compare", "churn#prod", "churn@v1.1.0", "--json").document
    assert (found["before"]["label"], found["after"]["label"]) == ("churn#prod", "churn@v1.1.0")
    assert found["before"]["version"] == "v1.0.0"
    metrics = {row["name"]: row for row in found["metrics"]}
    assert [metrics[name]["better"] for name in ("accuracy", "loss", "rows", "f1", "gone")] == [
        True,
        False,
        None,
        None,
        None,
    ]
    assert metrics["accuracy"]["change"] == pytest.approx(0.1)
    assert metrics["f1"]["present"] == [False, True]
    assert not metrics["gone"]["changed"]
    assert {row["name"]: row["changed"] for row in found["params"]} == {"lr": True, "depth": False}


def test_data_and_models_that_changed_are_told_with_their_sizes_and_code_is_not(tagboat: Tagboat) -> None:
    found = tagboat("compare", "churn@v1.0.0", "churn@v1.1.0", "--json").document["files"]
    assert [(one["path"], one["what"], one["kind"], one["kept_by"], one["before"], one["after"]) for one in found] == [
        ("model.joblib", "changed", "model", "dvc", 1_000_000, 1_500_000),
        ("small.csv", "added", "data", "git", None, 4),
    ]


def test_requirements_are_told_package_by_package(tagboat: Tagboat) -> None:
    found = tagboat("compare", "churn@v1.0.0", "churn@v1.1.0", "--json").document["requirements"]
    assert [(one["package"], one["before"], one["after"]) for one in found] == [
        ("numpy", None, "numpy"),
        ("pandas", "pandas==2.2.0", None),
        ("scikit-learn", "scikit-learn==1.5.0", "scikit-learn==1.6.0"),
    ]


def test_any_revision_will_do_and_one_that_is_none_is_said(tagboat: Tagboat) -> None:
    found = tagboat("compare", "HEAD~2", "main", "--json").document
    assert (found["before"]["artifact"], found["after"]["label"]) == (None, "main")
    answer = tagboat("compare", "HEAD", "nothing")
    assert answer.code == 2
    assert "neither a version or stage" in answer.stderr
    assert tagboat("compare", "--", "--help", "HEAD").code == 2


def test_the_terminal_shows_every_table_and_judges_in_words(tagboat: Tagboat) -> None:
    shown = tagboat("compare", "churn#prod", "churn@v1.1.0").stdout
    for text in ("Metrics", "↑ +0.1 better", "worse", "Parameters", "1 MB", "1.5 MB", "+500 kB", "scikit-learn==1.6.0"):
        assert text in shown, shown


def test_markdown_has_marks_and_html_needs_no_network(tagboat: Tagboat, tmp_path: Path) -> None:
    shown = tagboat("compare", "churn#prod", "churn@v1.1.0", "--md").stdout
    assert "| <code>accuracy</code> | 0.8 | 0.9 | ↑ &#43;0.1 ✅ |" in shown
    page = tmp_path / "page.html"
    assert tagboat("compare", "churn#prod", "churn@v1.1.0", "--html", str(page)).code == 0
    text = page.read_text()
    assert '<span class="bad">↑ +0.1 worse</span>' in text
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert tagboat("compare", "A", "B", "--md", "--json").code == 2


def test_C10_hostile_names_and_values_are_text_in_every_face(clone: GitRepository) -> None:
    before = clone.commit({"metrics.json": "{}"})
    after = clone.commit({"metrics.json": json.dumps({HOSTILE: HOSTILE, "a": {"</table>": "${{ secrets.X }}"}})})
    repository = Repository(clone.path, environment())
    registry = read(repository)
    found = Comparing(repository, parse(b"{}")).compare(
        find_side(repository, registry, before), find_side(repository, registry, after)
    )
    assert "<script" not in html(found)
    from entrypoint.report.comparison import markdown

    shown = markdown(found)
    assert "<script" not in shown
    assert "@team" not in shown
    assert all(not line.startswith("::") for line in shown.splitlines())
    rows = [line for line in shown.splitlines() if "script" in line]
    assert len(rows) == 1
    assert rows[0].count("|") == 5


@pytest.mark.usefixtures("kept_by_dvc")
def test_metrics_that_dvc_keeps_are_read_from_the_remote(tagboat: Tagboat) -> None:
    found = tagboat("compare", "HEAD~1", "HEAD", "--json").document
    assert [(row["name"], row["after"]) for row in found["metrics"]] == [("auc", 0.75)]
    found = tagboat("compare", "HEAD~1", "HEAD", "--json", "--no-download").document
    assert found["metrics"] == []
    assert found["notes"] == ["kept.json: DVC has it, and not Git: it was not fetched"]


@pytest.fixture
def kept_by_dvc(clone: GitRepository, tmp_path: Path) -> None:
    import hashlib

    content = b'{"auc": 0.75}'
    md5 = hashlib.md5(content).hexdigest()
    store = tmp_path / "store" / "files" / "md5" / md5[:2]
    store.mkdir(parents=True)
    (store / md5[2:]).write_bytes(content)
    lock = f"schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs: [{{path: kept.json, hash: md5, md5: {md5}, size: {len(content)}}}]\n"
    clone.commit({
        "dvc.yaml": "stages: {s: {cmd: x, metrics: [kept.json]}}\n", "dvc.lock": lock,
        ".dvc/config": f"[core]\n    remote = here\n['remote \"here\"']\n    url = {tmp_path / 'store'}\n",
    })  # fmt: skip
