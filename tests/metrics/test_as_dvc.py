"""The same metrics and parameters as DVC itself reads at a commit; and no file, whatever is in it, stops a report."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.metrics import Kind, read
from entrypoint.metrics.documents import ENDINGS, LONGEST_TEXT, UnreadableError, flatten
from entrypoint.registry.repository import Repository
from tests.repositories import GitRepository, environment

PIPELINE = """\
vars: [{folder: out}]
metrics: [top.json, live/metrics.json]
params: [extra.toml]
stages:
  train:
    cmd: python train.py
    wdir: work
    params: [{params.yaml: }, {more.yaml: }]
    metrics: [{metrics.json: {cache: false}}]
  each:
    foreach: {de: 1, fr: 2}
    do:
      cmd: "x ${key}"
      metrics: [{"${folder}/${key}.yaml": {cache: false}}]
"""

FILES = {
    "dvc.yaml": PIPELINE,
    "top.json": '{"accuracy": 0.875, "n": 12, "nested": {"a": {"b": 1e-7}}, "big": 12345678901234}',
    "live/metrics.json": '{"train": {"loss": 0.5}, "step": 9}',
    "work/metrics.json": '{"f1": 1.0}',
    "work/params.yaml": "lr: 1e-3\nname: on\nquoted: '1'\nlist: 5\nempty: null\nyes: yes\noctal: 0777\nhexed: 0x1F\noct: 0o17\nsigned: +5\nunder: 1_000\nneg: -1_0\nbin: 0b101\nhex: 0x0b1\nminus: -0x1f\nlong: 1_000.5\ninf: .inf\nbig: 1e400\ntilde: ~\nexp: 1e5\ndot: 5.\nver: 1.2.3\ntime: 12:30:45\n",
    "work/more.yaml": "depth: 7\nmodel: {kind: tree, rate: .5}\n",
    "params.yaml": "top: 1\n",
    "extra.toml": "[a]\nb = 2\nc = true\n",
    "out/de.yaml": "auc: 0.7\n",
    "out/fr.yaml": "auc: 0.8\n",
}


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            key: one
            for inner, item in value.items()
            for key, one in flat(item, f"{name}.{inner}" if name else inner).items()
        }
    return {name: value}


def test_values_and_names_are_those_of_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    clone = GitRepository.make(tmp_path / "clone")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        Repo.init(str(clone.path)).close()
        commit = clone.commit(FILES)
        clone.commit({"top.json": "{}", "work/params.yaml": "lr: 9\n"})
        with Repo(str(clone.path)) as repo:
            theirs = {Kind.METRICS: repo.metrics.show(revs=[commit]), Kind.PARAMS: repo.params.show(revs=[commit])}
    ours = read(Repository(clone.path, environment()), commit)
    assert not ours.notes
    for kind, shown in theirs.items():
        files = {str(path).replace("\\", "/"): flat(one["data"]) for path, one in shown[commit]["data"].items()}
        sheets = {sheet.path: sheet.values for sheet in ours.sheets if sheet.kind is kind}
        assert sheets.keys() == files.keys()
        for path, values in files.items():
            found = sheets[path]
            assert {name: found.get(name, "missing") for name in values} == values, path


@given(st.binary(max_size=300), st.sampled_from(ENDINGS))
@example(b"? [a]\n: 1\n", ".yaml")
@example(b"- &a [*a]\n", ".yaml")
@example(b"!!python/object/apply:os.system [id]", ".yaml")
@example(b'{"a": 1e99999}', ".json")
@example(b"a = 1979-05-27T07:32:00Z", ".toml")
def test_C11_any_bytes_are_values_or_unreadable(content: bytes, ending: str) -> None:
    with contextlib.suppress(UnreadableError):
        for name, value in flatten(content, f"m{ending}").items():
            assert len(name) <= LONGEST_TEXT
            assert value is None or isinstance(value, bool | int | float | str)
