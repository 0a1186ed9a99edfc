"""What a comment asks for, and what only looks like asking."""

from __future__ import annotations

import pytest

from entrypoint.promotion.spoken import Asked, asked


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/promote", Asked()),
        ("/promote  ", Asked()),
        ("/promote\r\nLooks good to me.", Asked()),
        ("/promote churn", Asked("churn")),
        ("/promote to prod", Asked(stage="prod")),
        ("/promote churn to prod", Asked("churn", stage="prod")),
        ("/promote models/nlp:bert@v1.4.0-rc.1 to prod/eu", Asked("models/nlp:bert", "v1.4.0-rc.1", "prod/eu")),
    ],
)
def test_a_command_alone_on_the_first_line_is_understood(body, meant):
    assert asked(body) == meant


@pytest.mark.parametrize(
    "body",
    ["", "promote", "Please /promote", "> /promote", "`/promote`", " /promote", "/promoted", "/promote churn prod",
     "first\n/promote", "/promote $(id)", "/promote churn@latest", "/promote churn@1.4.0", "/promote ../../etc",
     "/promote churn to prod now", "/promote churn to #prod", "/promote\u200b", "/promote " + "x" * 5000],
)  # fmt: skip
def test_anything_else_asks_for_nothing(body):
    assert asked(body) is None


def test_it_covers_what_it_names_and_all_that_it_leaves_open():
    assert Asked("churn", stage="prod").covers("churn", "v1.0.0", "prod")
    assert not Asked("churn", stage="prod").covers("churn", "v1.0.0", "qa")
    assert not Asked("churn", "v1.0.0").covers("churn", "v1.0.1", "prod")
    assert Asked().covers("anything", "v1.0.0", "prod")
