"""Lines for curl that can be copied, whatever a column is called."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from deployers.wrapping.bundle import Bundle
from entrypoint.report.asking import curl_lines

UGLY = "it's $(id) `x` é"


def bundle(folder: Path, taken: dict[str, Any], *, sample: Any = None, **more: Any) -> Bundle:
    document = {
        "schema": 1, "name": "nlp:bert", "version": "v1.0.0", "commit": "", "digest": "sha256:0",
        "format": "sklearn-joblib", "model": "m", "python": "3.11", "requirements": "requirements.lock", "server": "s",
        "methods": {"predict": {"input": taken}}, "libraries": {}, "code": [], "scan": {}, **more,
    }  # fmt: skip
    if sample is not None:
        document["sample"] = "sample.json"
        (folder / "sample.json").write_text(json.dumps({"data": sample}))
    (folder / "model.json").write_text(json.dumps(document))
    return Bundle(folder, "sha256:0")


def bodies(made: Bundle) -> dict[str, tuple[str, Any]]:
    found = {}
    for protocol, command in curl_lines(made, "http://127.0.0.1:8500", "predict"):
        curl, url, _, kind, _, body = shlex.split(command)
        assert (curl, kind) == ("curl", "content-type: application/json")
        found[protocol] = (url.removeprefix("http://127.0.0.1:8500"), json.loads(body))
    return found


def test_a_table_is_asked_by_its_columns_in_every_protocol(tmp_path: Path) -> None:
    columns = [
        {"name": UGLY, "dtype": "float64"}, {"name": "city", "dtype": "str"}, {"name": "plan", "dtype": "int64"},
        {"name": "id", "dtype": "any", "optional": True},
    ]  # fmt: skip
    found = bodies(bundle(tmp_path, {"kind": "dataframe", "columns": columns}, format="mlem"))
    row = {UGLY: 0.0, "city": "text", "plan": 0}
    assert found["Tagboat"] == ("/methods/predict", {"data": [row]})
    path, asked = found["Open Inference"]
    assert path == "/v2/models/nlp%3Abert:predict/infer"
    assert [(each["name"], each["datatype"], each["data"]) for each in asked["inputs"]] == [
        (UGLY, "FP64", [0.0]), ("city", "BYTES", ["text"]), ("plan", "INT64", [0]),
    ]  # fmt: skip
    assert found["SageMaker, MLflow"] == ("/invocations", {"dataframe_records": [row]})
    assert found["MLEM"] == ("/predict", {"data": {"values": [row]}})


def test_a_matrix_is_asked_by_its_rows(tmp_path: Path) -> None:
    found = bodies(bundle(tmp_path, {"kind": "tensor", "dtype": "float64", "shape": [None, 3]}))
    assert found["Tagboat"][1] == {"data": [[0.0, 0.0, 0.0]]}
    assert found["Open Inference"][1]["inputs"] == [
        {"name": "rows", "shape": [1, 3], "datatype": "FP64", "data": [0.0, 0.0, 0.0]}
    ]
    assert found["SageMaker, MLflow"][1] == {"instances": [[0.0, 0.0, 0.0]]}


@pytest.mark.parametrize("sample", [[{"a": 7.5, "b": "Oslo"}], [[7.5, "Oslo"]], {"a": [7.5], "b": ["Oslo"]}])
def test_the_samples_first_row_is_asked_where_there_is_one(tmp_path: Path, sample: Any) -> None:
    taken = {"kind": "dataframe", "columns": [{"name": "a", "dtype": "float64"}, {"name": "b", "dtype": "str"}]}
    assert bodies(bundle(tmp_path, taken, sample=sample))["Tagboat"][1] == {"data": [{"a": 7.5, "b": "Oslo"}]}


def test_nothing_is_shown_where_the_form_is_not_known(tmp_path: Path) -> None:
    assert bodies(bundle(tmp_path, {"kind": "any"})) == {}
