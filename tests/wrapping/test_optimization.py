"""`optimize: onnx` when a model is wrapped: in its own environment, judged by the figures, in the bundle's identity."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import joblib
import pytest

from deployers.errors import ConfigurationError, RefusedError, ReleaseFailedError
from deployers.wrapping import bundle, locking, optimization
from deployers.wrapping.environment import ensure
from deployers.wrapping.optimization import Figures, Optimize, Outcome
from deployers.wrapping.server_wheel import server_wheel
from deployers.wrapping.wrap import WrapSettings
from tests.wrapping.models import COMMIT, SKLEARN, requirements, wrapped

ONNX = WrapSettings(optimize=Optimize())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, and one with a step that no converter knows."""
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    folder = tmp_path_factory.mktemp("models")
    rows, kinds = load_iris(return_X_y=True)
    network = MLPClassifier((8,), max_iter=200, random_state=0, tol=1e-2)
    (folder / "network").mkdir()
    (folder / "function").mkdir()
    joblib.dump(make_pipeline(StandardScaler(), network).fit(rows, kinds), folder / "network" / "iris.joblib")
    joblib.dump(
        make_pipeline(FunctionTransformer(np.abs), network).fit(rows, kinds), folder / "function" / "iris.joblib"
    )
    return folder


def settings(**asked: object) -> WrapSettings:
    return WrapSettings(optimize=Optimize(**asked))  # type: ignore[arg-type]


def test_the_graph_stands_in_the_bundle_with_its_figures_and_in_the_digest(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    steps: list[str] = []
    warnings: list[str] = []
    made = wrapped(folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path / "store",
                   settings=ONNX, steps=steps, warnings=warnings)  # fmt: skip
    assert steps[-3:] == ["optimize", "environment", "inspect"]
    assert warnings == []
    document = json.loads((made.folder / "model.json").read_text())
    found = document["optimized"]
    assert found["to"] == "onnx"
    assert found["rows"] == 1000
    assert found["methods"]["predict"] == {
        "rows": 1000, "differing": 0, "largest_difference": None, "passed": True,
    }  # fmt: skip
    assert found["methods"]["predict_proba"]["largest_difference"] < 1e-9
    assert found["tolerance"] == {"rtol": 1e-5, "atol": 1e-6, "labels": 0.0}
    assert found["converters"]["skl2onnx"]
    assert (made.folder / found["graph"]).stat().st_mode & 0o777 == 0o444
    assert "\nskl2onnx==" in made.lock
    assert bundle.load(made.folder) == made
    graph = made.folder / found["graph"]
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(RefusedError, match="changed"):
        bundle.load(made.folder)


def test_the_same_model_has_the_same_digest_and_is_converted_once(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    first = wrapped(
        folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path / "1", settings=ONNX
    )
    steps: list[str] = []
    again = wrapped(folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path / "1",
                    settings=ONNX, steps=steps)  # fmt: skip
    assert again == first
    assert not {"optimize", "environment", "inspect"} & set(steps)
    for kept in (shared_cache / "optimized").iterdir():
        kept.rename(tmp_path / kept.name)  # as on another machine
    other = wrapped(
        folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path / "2", settings=ONNX
    )
    assert other.digest == first.digest
    plain = wrapped(folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path / "2")
    assert plain.digest != first.digest
    assert "skl2onnx" not in plain.lock
    assert plain.description.optimized is None


def test_a_graph_out_of_tolerance_is_refused_with_the_figures_or_left_out_with_a_warning(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    strict = {"rtol": 0.0, "atol": 0.0, "rows": 200}
    with pytest.raises(RefusedError, match=r"predict_proba: \d+ of 200 rows are out of tolerance, the largest") as told:
        wrapped(
            folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path, settings=settings(**strict)
        )
    assert told.value.where == "tagboat.yaml: artifacts.iris.optimize"
    assert "rtol" in (told.value.hint or "")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    warnings: list[str] = []
    made = wrapped(folder / "network", "iris.joblib", requirements(), shared_cache, store=tmp_path, warnings=warnings,
                   settings=settings(**strict, required=False))  # fmt: skip
    assert "predict_proba: " in warnings[0]
    assert warnings[0].endswith("the model itself answers predict_proba")
    found = made.description.optimized
    assert found is not None
    assert found["methods"]["predict"]["passed"]
    assert not found["methods"]["predict_proba"]["passed"]
    assert (made.folder / found["graph"]).exists()


def test_a_model_that_cannot_be_converted_says_why(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds anything, as far as the model tells") as told:
        wrapped(folder / "function", "iris.joblib", requirements(), shared_cache, store=tmp_path, settings=ONNX)
    assert "required: false" in (told.value.hint or "")
    warnings: list[str] = []
    made = wrapped(folder / "function", "iris.joblib", requirements(), shared_cache, store=tmp_path, warnings=warnings,
                   settings=settings(required=False))  # fmt: skip
    assert warnings[-1].endswith("the model itself answers")
    assert made.description.optimized is not None
    assert "graph" not in made.description.optimized


def test_the_sample_is_compared_on_and_must_fit(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    from deployers.wrapping.wrap import wrap

    def with_sample(sample: bytes) -> bundle.Bundle:
        return wrap(folder / "network", "iris.joblib", name="iris", version="v1.0.0", commit=COMMIT,
                    requirements=requirements(), settings=ONNX, store=tmp_path, cache=shared_cache,
                    environment=os.environ, sample=sample)  # fmt: skip

    made = with_sample(b'{"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}')
    assert made.description.optimized is not None
    assert made.description.optimized["of_sample"] == 2
    assert made.description.sample == "sample.json"
    assert bundle.load(made.folder) == made
    with pytest.raises(ReleaseFailedError, match="expected a number, got text") as told:
        with_sample(b'{"data": [[5.1, 3.5, 1.4, "wide"]]}')
    assert told.value.where == "the sample: data[0][3]"


def test_model_code_sees_no_secret_while_it_is_converted(shared_cache: Path, tmp_path: Path) -> None:
    """A model whose loading writes its environment down; the conversion fails, and says what it printed."""
    from tests.wrapping.models import ugly

    (tmp_path / "model").mkdir()
    needs = ugly(tmp_path / "model", "print(sorted(os.environ), os.getcwd(), flush=True); os._exit(3)")
    secret = {**os.environ, "AWS_SECRET_ACCESS_KEY": "canary"}
    with pytest.raises(ReleaseFailedError, match="exit code 3") as told:
        wrapped(tmp_path / "model", "ugly.pkl", needs, shared_cache, store=tmp_path / "store", settings=ONNX,
                environment=secret)  # fmt: skip
    assert "'HOME'" in str(told.value)
    assert "AWS_SECRET_ACCESS_KEY" not in str(told.value)


LIBRARIES = (*SKLEARN, "xgboost-cpu==3.2.0", "lightgbm==4.7.0")
TRAIN = """
import joblib, sys
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import lightgbm, xgboost
rows, kinds = load_iris(return_X_y=True)
for name, classifier in (
    ("cast", xgboost.XGBClassifier(n_estimators=10, n_jobs=1)),
    ("double", lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1)),
):
    joblib.dump(make_pipeline(StandardScaler(), classifier).fit(rows, kinds), f"{name}/iris.joblib")
"""


def test_gradient_boosting_of_other_libraries_becomes_a_graph_inside_a_pipeline(
    shared_cache: Path, tmp_path: Path
) -> None:
    """XGBoost compares in float32: the graph that casts behind the scaler is the near one. LightGBM compares doubles."""
    needs = requirements(*LIBRARIES)
    server = server_wheel(shared_cache)
    inputs = locking.LockInputs(lines=needs.lines, server=server.requirements(optimization.EXTRA), python=needs.python,
                                source="tests")  # fmt: skip
    lock = locking.lock(inputs, cache=shared_cache, environment=os.environ)
    python = ensure(lock, server.path, cache=shared_cache, environment=os.environ)
    for numbers in ("cast", "double"):
        (tmp_path / numbers).mkdir()
    subprocess.run([python.python, "-I", "-c", TRAIN], cwd=tmp_path, check=True)
    for numbers in ("cast", "double"):
        made = wrapped(tmp_path / numbers, "iris.joblib", needs, shared_cache, store=tmp_path / "store", settings=ONNX)
        found = made.description.optimized
        assert found is not None
        assert found["numbers"] == numbers
        assert list(found["methods"]) == ["predict", "predict_proba"]
        assert all(figures["passed"] for figures in found["methods"].values())


# What is decided about an outcome


def test_ranges_that_nothing_tells_are_a_warning() -> None:
    warnings: list[str] = []
    passed = {"predict": Figures(rows=10, differing=0, passed=True)}
    outcome = Outcome(to="onnx", methods=passed, guessed=("a", "b"))
    optimization.judge(outcome, Optimize(), "iris", warnings.append)
    assert "the range of a, b" in warnings[0]
    assert "sample:" in warnings[0]


def test_a_link_in_a_graphs_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "secret")
    assert optimization._read_graph(tmp_path / "model.onnx") is None
