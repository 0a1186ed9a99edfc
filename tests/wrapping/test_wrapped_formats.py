"""A model of each library's own format becomes a bundle, and the bundle's server answers as the library did."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployers.base import Request, Surroundings
from deployers.local.preflight import Preflight
from deployers.wrapping.environment import ensure
from deployers.wrapping.locking import LockInputs, lock
from deployers.wrapping.model_formats import needed
from deployers.wrapping.server_wheel import server_wheel
from deployers.wrapping.wrap import ScanPolicy, WrapSettings
from tests.wrapping.models import requirements, wrapped

pytestmark = pytest.mark.slow

LIBRARIES = (
    "catboost==1.2.10",
    "lightgbm==4.7.0",
    "mlflow-skinny==3.17.2",
    "pandas==3.1.1",
    "scikit-learn==1.9.1",
    "xgboost-cpu==3.2.0",
)
"""One environment for all: each format's own extra is met by these already, so that every lock is the same."""

TRAIN = """
import json, warnings
warnings.simplefilter("ignore")
import catboost, lightgbm, mlflow.sklearn, numpy, xgboost
from sklearn.linear_model import LogisticRegression

rows = numpy.random.default_rng(1).normal(size=(120, 3))
kinds = (rows.sum(axis=1) > 0).astype(int)
options = {"n_estimators": 5, "n_jobs": 1}
boosted = xgboost.XGBClassifier(**options).fit(rows, kinds)
boosted.save_model("xgboost/model.json")
forest = lightgbm.LGBMClassifier(**options, verbose=-1).fit(rows, kinds).booster_
forest.save_model("lightgbm/model.txt")
cats = catboost.CatBoostClassifier(iterations=5, thread_count=1, verbose=False, allow_writing_files=False)
cats.fit(rows, kinds).save_model("catboost/model.cbm")
linear = LogisticRegression().fit(rows, kinds)
mlflow.sklearn.save_model(linear, "mlflow/model", serialization_format="cloudpickle")
asked = rows[:5]
print(json.dumps({"rows": asked.tolist(), "answers": {
    "xgboost": boosted.predict(asked).tolist(),
    "lightgbm": forest.predict(asked).tolist(),
    "catboost": cats.predict(asked).tolist(),
    "mlflow": linear.predict(asked).tolist(),
}}))
"""


@pytest.fixture(scope="module")
def trained(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any]]:
    """Models that were trained in the very environment that they are wrapped with."""
    server = server_wheel(shared_cache)
    needs = requirements(*LIBRARIES)
    made = lock(
        LockInputs(
            lines=needs.lines,
            server=needed(server.requirements("xgboost"), {line.name for line in needs.lines}),
            python=needs.python,
            source=needs.source,
        ),
        cache=shared_cache,
        environment=os.environ,
    )
    python = ensure(made, server.path, cache=shared_cache, environment=os.environ).python
    folder = tmp_path_factory.mktemp("trained")
    for name in ("catboost", "lightgbm", "mlflow", "xgboost"):
        (folder / name).mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1",
                   "MLFLOW_DISABLE_TELEMETRY": "true"}  # fmt: skip
    said = subprocess.run([python, "-c", TRAIN], cwd=folder, env=environment, check=True, capture_output=True)
    return folder, json.loads(said.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "model"),
    [("catboost", "model.cbm"), ("lightgbm", "model.txt"), ("mlflow", "model"), ("xgboost", "model.json")],
)
def test_a_bundle_of_each_format_is_made_and_passes_its_preflight(
    name: str, model: str, trained: tuple[Path, Mapping[str, Any]], shared_cache: Path, tmp_path: Path
) -> None:
    folder, told = trained
    settings = WrapSettings(scan=ScanPolicy.REFUSE)
    made = wrapped(
        folder / name, model, requirements(*LIBRARIES), shared_cache, store=tmp_path / "store", settings=settings
    )
    assert made.description.format == name
    assert "\nxgboost==" not in f"\n{made.lock}"
    surroundings = Surroundings(environment=os.environ, state=tmp_path / "state", cache=shared_cache, clock=time.time)
    with Preflight(made, surroundings) as trial:
        trial.wait_until_ready()
        answer = trial.call(Request(body=json.dumps({"data": told["rows"]}).encode()))
        assert answer.status == 200, answer.body
        assert json.loads(answer.body)["predictions"] == told["answers"][name]
