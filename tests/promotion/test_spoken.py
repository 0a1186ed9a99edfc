"""What a comment asks for, and what only looks like asking."""

from __future__ import annotations

import pytest

from entrypoint.errors import UsageError
from entrypoint.promotion.spoken import Asked, asked


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/promote", Asked()),
        ("/promote  ", Asked()),
        ("/promote\r\nLooks good to me.", Asked()),
        ("/promote churn", Asked("churn")),
        ("/promote to prod", Asked(stage="prod")),
        ("/promote churn prod", Asked("churn", stage="prod")),
        ("  /promote churn  into  prod", Asked("churn", stage="prod")),
        ("/promote churn to prod", Asked("churn", stage="prod")),
        ("/promote models/nlp:bert@v1.4.0-rc.1 to prod/eu", Asked("models/nlp:bert", "v1.4.0-rc.1", "prod/eu")),
    ],
)
def test_a_command_alone_on_the_first_line_is_understood(body, meant):
    assert asked(body) == meant


@pytest.mark.parametrize(
    "body",
    [
        "",
        "promote",
        "Please /promote",
        "> /promote",
        "`/promote`",
        "/promoted",
        "first\n/promote",
        "/promote\u200b",
        "\n",
    ],
)
def test_anything_else_asks_for_nothing(body):
    assert asked(body) is None


@pytest.mark.parametrize(
    "words",
    ["$(id)", "churn@latest", "churn@1.4.0", "churn@", "../../etc", "churn to prod now", "churn to #prod", "churn to",
     "x" * 5000, "--help", "to prod now", "churn prod dev"],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_said_to_be_so(words):
    with pytest.raises(UsageError):
        asked(f"/promote {words}")


def test_it_covers_what_it_names_and_all_that_it_leaves_open():
    assert Asked("churn", stage="prod").covers("churn", "v1.0.0", "prod")
    assert not Asked("churn", stage="prod").covers("churn", "v1.0.0", "qa")
    assert not Asked("churn", "v1.0.0").covers("churn", "v1.0.1", "prod")
    assert Asked().covers("anything", "v1.0.0", "prod")
