"""What fits no model is refused by MLEM's own REST too, in the two forms that MLEM's server has."""

import json
import math
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@pytest.fixture(scope="module")
def server(serve_module, bundle_around, models, mlem):
    bundle = bundle_around(models, "frame", format="mlem")
    environment = {"PYTHONPATH": str(ROOT / "serving")}
    return serve_module(bundle, python=mlem, environment=environment, settings={"max-body": 100_000})


def refused(answer, statuses):
    assert answer.status in statuses, answer.body
    assert len(answer.json) == 1
    assert set(answer.json) <= {"detail", "error"}
    assert "Traceback" not in answer.body.decode()
    return answer


def values(rows):
    return json.dumps({"data": {"values": rows}}).encode()


def test_a_good_question_is_answered(server):
    assert server.post("/predict", values([FLOWER])).json == ["setosa"]


@pytest.mark.parametrize(
    "cell", [None, "1.4x", "1.4", True, math.nan, math.inf, [1.4], {"a": 1}], ids=lambda cell: repr(cell)
)
def test_cells_that_are_no_numbers_are_refused(server, cell):
    refused(server.post("/predict", values([FLOWER, {**FLOWER, "petal_length": cell}])), {400, 422})


@pytest.mark.parametrize(
    "rows",
    [[], [{**FLOWER, "more": 1}], [{"sepal_length": 5.1}], [FLOWER, {"sepal_length": 5.1}], [list(FLOWER.values())]],
    ids=["none", "wide", "narrow", "ragged", "no records"],
)
def test_rows_that_do_not_fit_are_refused(server, rows):
    refused(server.post("/predict", values(rows)), {400, 422})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"3", b"null", b"{}", b"[" * 5000, b'{"date": 1}'])
def test_what_is_no_question_is_refused(server, body):
    refused(server.post("/predict", body), {400, 422})


def test_a_body_beyond_the_limit_is_refused(server):
    refused(server.post("/predict", values([FLOWER] * 1500)), {413})
