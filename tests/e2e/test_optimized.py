"""`optimize: onnx`, from a pushed tag to answers: the graph serves, with the model's labels."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import pytest

from tests.e2e.world import CONFIGURATION, FLOWER, World, ask


@pytest.mark.slow
def test_an_optimized_model_answers_as_the_model_does(world: World) -> None:
    asked = "artifacts:\n  iris: {optimize: onnx, sample: data/sample.json, requirements: requirements.txt}"
    configuration = CONFIGURATION.replace("artifacts:\n  iris: {requirements: requirements.txt}", asked)
    assert configuration != CONFIGURATION
    world.write("tagboat.yaml", configuration)
    world.write("data/sample.json", json.dumps({"data": [FLOWER]}))
    world.register("v0.1.0", 1, stage="dev")
    verdict = world.tagboat("deploy", "iris#dev").out
    assert verdict["status"] == "live", verdict
    model = joblib.load(world.work / "models" / "iris.joblib")
    flowers = [{**FLOWER, "petal_length": 1 + place / 20} for place in range(100)]
    import pandas

    status, _, answer = ask(verdict["slots"][0]["url"], flowers)
    assert status == 200
    assert answer["predictions"] == model.predict(pandas.DataFrame(flowers)).tolist()
    logs = [path.read_text() for path in Path(world.environment["XDG_STATE_HOME"]).rglob("log")]
    assert any("an onnx graph answers predict" in text for text in logs)


def test_a_sample_that_is_none_is_refused_with_its_place(world: World) -> None:
    configuration = CONFIGURATION.replace("iris: {", "iris: {sample: sample.json, ")
    world.write("tagboat.yaml", configuration)
    world.write("sample.json", '{"rows": []}')
    world.register("v0.1.0", 1, stage="dev")
    verdict = world.tagboat("deploy", "iris#dev").out
    assert verdict["exit_code"] == 2
    failure = verdict["slots"][0]["failure"]
    assert (failure["message"], failure["where"]) == ("the sample has no data", "sample: sample.json")
