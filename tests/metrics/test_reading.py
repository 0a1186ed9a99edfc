"""Metrics and parameters of a commit, whatever is checked out, and whoever wrote them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from entrypoint.configuration.report_settings import Report
from entrypoint.metrics import Kind, Metrics, read
from entrypoint.metrics.documents import MOST_VALUES, UnreadableError, flatten
from entrypoint.registry.repository import Repository
from tests.repositories import GitRepository, environment


@pytest.fixture
def clone(tmp_path: Path) -> GitRepository:
    return GitRepository.make(tmp_path / "clone")


def of(clone: GitRepository, commit: str, **settings: tuple[str, ...]) -> Metrics:
    return read(Repository(clone.path, environment()), commit, Report(**settings))


class TestWhichFiles:
    def test_top_level_and_stages_files_are_read_from_the_commit_and_not_from_the_checkout(
        self, clone: GitRepository
    ) -> None:
        pipeline = """\
metrics: [scores.json]
params: [settings.toml]
plots: [curves.csv, {chosen: {y: {logs/loss.tsv: loss}}}]
stages:
  train:
    cmd: python train.py
    wdir: work
    params: [lr, {more.yaml: [depth]}]
    metrics: [{out/metrics.json: {cache: false}}]
    plots: [{confusion.png: {cache: false}}]
"""
        files = {
            "dvc.yaml": pipeline,
            "scores.json": '{"accuracy": 0.9, "by": {"class": {"a": 1}}}',
            "settings.toml": "[model]\ndepth = 3\nname = 'tree'\n",
            "work/params.yaml": "lr: 1e-3\non: on\nname: '1.0'\n",
            "work/more.yaml": "depth: 7\nlayers: [1, 2, {deep: 1}]\n",
            "work/out/metrics.json": '{"loss": 0.25}',
            "work/confusion.png": b"\x89PNG",
            "curves.csv": "x,y\n",
            "logs/loss.tsv": "loss\n",
        }
        commit = clone.commit(files)
        clone.commit({"scores.json": '{"accuracy": 0.1}', "work/out/metrics.json": "{}"})
        found = of(clone, commit)
        assert found.metrics == {"accuracy": 0.9, "by.class.a": 1, "loss": 0.25}
        assert dict(found.params) == {
            "model.depth": 3, "model.name": "tree", "lr": 0.001, "on": "on", "name": "1.0", "depth": 7,
            "layers": "[1, 2, {…}]",
        }  # fmt: skip
        assert [(plot.path, plot.image) for plot in found.plots] == [
            ("curves.csv", False), ("logs/loss.tsv", False), ("work/confusion.png", True)
        ]  # fmt: skip
        assert not found.notes

    def test_dvclives_files_are_found_though_no_dvc_yaml_names_them(self, clone: GitRepository) -> None:
        commit = clone.commit({
            "nlp/dvclive/metrics.json": '{"train": {"loss": 0.5}, "step": 9}',
            "nlp/dvclive/params.yaml": "lr: 0.1\n",
            "nlp/dvclive/plots/metrics/loss.tsv": "step\tloss\n",
            "nlp/dvclive/plots/images/seen.png": b"\x89PNG",
        })  # fmt: skip
        found = of(clone, commit)
        assert (found.metrics, found.params) == ({"train.loss": 0.5, "step": 9}, {"lr": 0.1})
        assert {plot.path for plot in found.plots if plot.image} == {"nlp/dvclive/plots/images/seen.png"}

    def test_a_name_that_two_files_have_is_told_with_its_file(self, clone: GitRepository) -> None:
        commit = clone.commit(
            {"dvc.yaml": "metrics: [a.json, b.json]\n", "a.json": '{"f1": 1, "x": 2}', "b.json": '{"f1": 3}'}
        )
        assert of(clone, commit).metrics == {"a.json:f1": 1, "x": 2, "b.json:f1": 3}

    def test_an_artifact_in_a_folder_has_that_folders_metrics_alone(self, clone: GitRepository) -> None:
        commit = clone.commit({"dvc.yaml": "metrics: [m.json]\n", "m.json": '{"a": 1}',
                               "nlp/dvc.yaml": "metrics: [m.json]\n", "nlp/m.json": '{"b": 2}'})  # fmt: skip
        found = of(clone, commit)
        assert (found.of("nlp:bert").metrics, found.of("churn").metrics) == ({"b": 2}, {"a": 1, "b": 2})

    def test_templates_are_filled_in_and_loops_followed_as_dvc_does(self, clone: GitRepository) -> None:
        pipeline = """\
vars: [{folder: out}]
metrics: ["${folder}/all.json"]
stages:
  each:
    foreach: [de, fr]
    do: {cmd: "x ${item}", metrics: ["${folder}/${item}.json"]}
  grid:
    matrix: {size: [s, l], kind: [a]}
    cmd: y
    metrics: ["grid/${item.size}-${item.kind}.json"]
"""
        names = ("out/all", "out/de", "out/fr", "grid/s-a", "grid/l-a")
        commit = clone.commit({"dvc.yaml": pipeline, **{f"{name}.json": json.dumps({name: 1}) for name in names}})
        found = of(clone, commit)
        assert set(found.metrics) == set(names), found.notes

    def test_a_matrix_that_would_make_a_million_stages_is_passed_over(self, clone: GitRepository) -> None:
        axes = {axis: list(range(100)) for axis in "abc"}
        pipeline = {"metrics": ["m.json"], "stages": {"s": {"matrix": axes, "cmd": "x", "metrics": ["${item.a}.json"]}}}
        found = of(clone, clone.commit({"dvc.yaml": json.dumps(pipeline), "m.json": '{"a": 1}'}))
        assert found.metrics == {"a": 1}
        assert "too many stages" in found.notes[0]

    def test_files_named_in_tagboat_yaml_are_read_as_well(self, clone: GitRepository) -> None:
        commit = clone.commit({"eval.json": '{"auc": 0.7}', "conf.toml": "k = 5\n"})
        found = of(clone, commit, metrics=("eval.json",), params=("conf.toml",))
        assert (found.metrics, found.params) == ({"auc": 0.7}, {"k": 5})
        assert [sheet.kind for sheet in found.sheets] == [Kind.METRICS, Kind.PARAMS]

    def test_what_dvc_has_and_git_has_not_is_fetched_where_it_may_be_and_else_said(self, clone: GitRepository) -> None:
        lock = (
            "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs: [{path: m.json, hash: md5, md5: "
            + "a" * 32
            + ", size: 9}]\n"
        )
        commit = clone.commit({"dvc.yaml": "stages: {s: {cmd: x, metrics: [m.json]}}\n", "dvc.lock": lock})
        repository = Repository(clone.path, environment())
        assert read(repository, commit).notes == ["m.json: DVC has it, and not Git: it was not fetched"]
        asked: list[tuple[str, str]] = []

        def fetch(commit: str, path: str) -> bytes:
            asked.append((commit, path))
            return b'{"a": 1}'

        assert read(repository, commit, fetch=fetch).metrics == {"a": 1}
        assert asked == [(commit, "m.json")]

    def test_links_and_paths_out_of_the_repository_are_never_followed(self, clone: GitRepository) -> None:
        (clone.path / "link.json").symlink_to("/etc/passwd")
        commit = clone.commit(
            {
                "dvc.yaml": "metrics: [link.json, ../../etc/passwd, /etc/hosts, .git/config, ok.json]\n",
                "ok.json": '{"a": 1}',
            }
        )
        found = of(clone, commit)
        assert found.metrics == {"a": 1}
        assert len(found.notes) == 4


class TestHostileFiles:
    def test_C9_nan_infinity_text_huge_numbers_and_duplicates_are_told_apart(self) -> None:
        written = (
            b'{"nan": NaN, "inf": 1e999, "minus": -Infinity, "text": "0.9", "yes": true, "huge": 1' + b"0" * 90 + b"}"
        )
        found = flatten(written, "m.json")
        assert math.isnan(found["nan"])  # type: ignore[arg-type]
        assert (found["inf"], found["minus"], found["text"], found["yes"]) == (math.inf, -math.inf, "0.9", True)
        assert isinstance(found["huge"], str)
        for twice, path in (
            (b'{"a": 1, "a": 2}', "m.json"),
            (b"a: 1\na: 2\n", "m.yaml"),
            (b"a = 1\na = 2\n", "m.toml"),
        ):
            with pytest.raises(UnreadableError):
                flatten(twice, path)

    def test_a_number_of_a_million_digits_is_no_number(self) -> None:
        for content, path in ((b'{"a": ' + b"9" * 900_000 + b"}", "m.json"), (b"a: " + b"9" * 900_000, "m.yaml")):
            assert isinstance(flatten(content, path)["a"], str)
        with pytest.raises(UnreadableError):
            flatten(b"a = " + b"9" * 900_000, "m.toml")
        assert isinstance(flatten(b"a = 0x" + b"f" * 500, "m.toml")["a"], str)

    @pytest.mark.parametrize(
        ("content", "path"),
        [
            (b"[" * 200_000, "m.json"),
            (b'{"a":' * 100_000, "m.json"),
            (b"{a: " * 2_000, "m.yaml"),
            (b"a" + b".a" * 200_000 + b" = 1", "m.toml"),
            (b"a = " + b"[" * 100_000, "m.toml"),
            (b"x" * 1_000_001, "m.json"),
            (b"a: &a [x, x]\nb: &b [*a, *a]\n" + b"".join(b"c%d: &c%d [%s]\n" % (n, n, b", ".join([b"*b" if n == 0 else b"*c%d" % (n - 1)] * 9)) for n in range(12)), "m.yaml"),
            (json.dumps({str(number): number for number in range(MOST_VALUES + 1)}).encode(), "m.json"),
            (b"\xff\xfe", "m.json"),
            (b"[1, 2]", "m.json"),
            (b"a: [", "m.yaml"),
            (b"import os", "params.py"),
        ],
        ids=["brackets", "objects", "flow", "dots", "arrays", "large", "laughs", "many", "bytes", "list", "broken", "code"],
    )  # fmt: skip
    def test_C11_a_file_that_is_too_much_is_refused_at_once_and_by_itself(self, content: bytes, path: str) -> None:
        with pytest.raises(UnreadableError):
            flatten(content, path)

    def test_merge_keys_never_multiply(self) -> None:
        lines = ["l0: &l0 {a: 1}"] + [f"l{n}: &l{n} {{<<: [*l{n - 1}, *l{n - 1}]}}" for n in range(1, 40)]
        assert flatten("\n".join(lines[:2]).encode(), "m.yaml") == {"l0.a": 1, "l1.<<": "[{…}, {…}]"}
        with pytest.raises(UnreadableError):
            flatten("\n".join(lines).encode(), "m.yaml")

    def test_long_texts_and_names_are_shortened(self) -> None:
        found = flatten(json.dumps({"n" * 5000: "x" * 5000, "list": ["y" * 500] * 100}).encode(), "m.json")
        assert all(len(str(text)) <= 1000 for pair in found.items() for text in pair)
