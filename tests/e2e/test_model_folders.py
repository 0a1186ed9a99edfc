"""A model that is a folder, kept by DVC: downloaded, wrapped with what it says it needs, served."""

from __future__ import annotations

import pytest

from tests.e2e.world import World, ask

pytestmark = pytest.mark.slow

PREDICTOR = """
import json
from prices import total

def load(folder):
    rates = json.loads((folder / "rates.json").read_text())

    class Pricing:
        def predict(self, amounts: list[float]):
            return [total(amount, rates["vat"]) for amount in amounts]

        def rates(self, _):
            return rates

    return Pricing()
"""


def test_a_folder_with_a_predictor_becomes_a_model_that_answers(world: World):
    world.write("tagboat.yaml", "targets: {here: {deployer: local}}\nstages: {dev: {targets: [here]}}\n"
                "smoke: [{input: {data: [100.0]}}]\n")  # fmt: skip
    world.write("dvc.yaml", "artifacts:\n  pricing:\n    path: models/pricing\n    type: model\n")
    for name, text in (
        ("predictor.py", PREDICTOR),
        ("prices.py", "def total(amount, vat): return amount * (1 + vat)\n"),
        ("rates.json", '{"vat": 0.25}'),
        ("requirements.txt", "msgspec\n"),
    ):
        world.write(f"models/pricing/{name}", text)
    with world.dvc() as dvc:
        dvc.add(str(world.work / "models" / "pricing"))
        dvc.push()
    world.tag("pricing@v1.0.0", world.commit("Price"))
    world.tag("pricing#dev#1", "pricing@v1.0.0^{commit}")
    done = world.tagboat("deploy", "pricing#dev#1")
    assert done.code == 0, done.errors
    (slot,) = done.out["slots"]
    assert slot["status"] == "live"
    assert ask(slot["url"], [100.0, 8.0])[2]["predictions"] == [125.0, 10.0]
    assert ask(slot["url"], None, "rates")[2]["predictions"] == {"vat": 0.25}
    status, _, answer = ask(slot["url"], ["much"])
    assert (status, answer["error"]["path"]) == (422, "data[0]")
    # The bundle is as it was made: importing the folder's own modules has left nothing in it.
    again = world.tagboat("deploy", "pricing#dev#1")
    assert again.out["slots"][0]["status"] == "unchanged"
