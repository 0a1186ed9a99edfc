"""The format is told from names and first bytes, and brings the requirements that its loader has."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.errors import ConfigurationError
from deployers.wrapping import mlflow_metadata, model_formats
from deployers.wrapping.requirements import collect, gather
from deployers.wrapping.server_wheel import server_wheel


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("m.joblib", b"", "sklearn-joblib"),
        ("m.PKL", b"", "sklearn-pickle"),
        ("m.skops", b"", "sklearn-skops"),
        ("m.onnx", b"", "onnx"),
        ("m.cbm", b"", "catboost"),
        ("m.lgb", b"", "lightgbm"),
        ("m.ubj", b"", "xgboost"),
        ("m.pt", b"", "torchscript"),
        ("m.pt2", b"", "torch-export"),
        ("m.mlem", b"", "mlem"),
        ("m.txt", b"tree\nversion=v4\n", "lightgbm"),
        ("m", b"tree\r\nversion=v4\r\n", "lightgbm"),
        ("m.model", b"CBM1\x00", "catboost"),
        ("m.json", b'{"oblivious_trees": [', "catboost"),
        ("m.json", b'{"learner":{"attributes":{', "xgboost"),
        ("m.bst", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost"),
        ("model/MLmodel", b"", "mlflow"),
        ("model/predictor.py", b"", "python"),
    ],
)
def test_the_format_is_told_by_the_name_or_the_first_bytes(
    path: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes(content)
    assert model_formats.tell(tmp_path, path, [path]) == expected
    if "/" in path:
        assert model_formats.tell(tmp_path, "model", [path]) == expected


@pytest.mark.parametrize("path", ["m.h5", "m.json", "m.txt", "folder/weights.bin"])
def test_where_nothing_tells_the_formats_are_listed(path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes(b'{"data": []}')
    with pytest.raises(ConfigurationError) as raised:
        model_formats.tell(tmp_path, path.split("/")[0], [path])
    assert all(name in (raised.value.hint or "") for name in model_formats.FORMATS)


def test_every_extra_of_a_format_is_one_of_the_servers(shared_cache: Path) -> None:
    server = server_wheel(shared_cache)
    plain = set(server.requirements())
    for extra in set(model_formats.EXTRAS.values()):
        assert set(server.requirements(extra)) - plain, extra


def test_a_distribution_that_the_user_has_chosen_is_not_overwritten_by_its_double(shared_cache: Path) -> None:
    extra = server_wheel(shared_cache).requirements("xgboost")
    assert any(line.startswith("xgboost>=") for line in model_formats.needed(extra, {"xgboost"}))
    assert not any("xgboost" in line for line in model_formats.needed(extra, {"xgboost-cpu"}))
    assert len(model_formats.needed(extra, {"xgboost-cpu"})) == len(extra) - 1


def test_a_mlflow_folder_says_packages_and_python_itself() -> None:
    files = {
        "models/churn/requirements.txt": b"mlflow-skinny==3.17.2\nscikit-learn==1.9.1\n",
        "models/churn/python_env.yaml": b"python: 3.10.4\nbuild_dependencies:\n- pip\n",
        ".python-version": b"3.12\n",
    }
    needs = collect(gather(files.get, "models/churn"))
    assert [line.text for line in needs.lines] == ["mlflow-skinny==3.17.2", "scikit-learn==1.9.1"]
    assert (needs.python, needs.python_source) == ("3.10", "models/churn/python_env.yaml")


@pytest.mark.parametrize("text", [b"", b"python: [3]", b"python: $(id)", b"other: 3.10", b"python: 2.7.1"])
def test_a_python_that_is_no_version_is_not_taken_from_it(text: bytes) -> None:
    assert mlflow_metadata.python_version(("python_env.yaml", text)) is None
    assert mlflow_metadata.python_version(None) is None
