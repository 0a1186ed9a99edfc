"""The graph of promotions: checked when tagboat.yaml is read, and never gone round in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.configuration import InvalidConfigurationError, parse
from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.promotion import graph
from entrypoint.promotion.onward import every_place
from tests.promotion.conftest import KINDS

HEAD = "stages: {dev: {}, staging: {}, prod: {}, pre-prod: {}}\n"


def mistakes(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidConfigurationError) as caught:
        parse((HEAD + text).encode(), kinds=KINDS)
    return [(mistake.key, str(mistake)) for mistake in caught.value.mistakes]


def test_a_rule_has_the_keys_that_people_expect():
    settings = parse(
        (HEAD + """
promotion:
  staging: {from: dev, automatic: true}
  prod:
    from: staging
    artifacts: [churn]
    gates:
      - accuracy >= 0.9
      - f1 >= prod.f1 - 0.01
      - {gate: expression, condition: f1 >= incumbent.f1, without-incumbent: pass}
      - {gate: soak, time: 24h, name: a day in staging}
      - {gate: scan}
      - {gate: signature}
    deploy: dispatch
    workflow: tagboat.yml
    skips: refuse
""").encode(), kinds=KINDS)  # fmt: skip
    rule = settings.promotion["prod"]
    assert isinstance(rule, PromotionRule)
    assert (rule.source, rule.deploy, rule.automatic, rule.skips) == ("staging", "dispatch", False, "refuse")
    assert rule.gates[0] == "accuracy >= 0.9"
    assert rule.gates[3].time == 86400


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("promotion: {prd: {from: dev}}", "promotion.prd", "there is no stage 'prd'"),
        ("promotion: {prod: {from: stagin}}", "promotion.prod.from", "there is no stage 'stagin'"),
        ("promotion: {prod: {from: prod}}", "promotion.prod", "prod → prod"),
        ("promotion: {prod: {from: dev}, dev: {from: prod}}", "promotion.prod", "in a circle: prod → dev → prod"),
        ("promotion: {prod: [{from: dev, artifacts: [a]}, {from: staging}], dev: {from: prod}}", "promotion.prod",
         "in a circle for a:"),
        ("promotion: {prod: {from: dev, gates: [accuracy = 1]}}", "promotion.prod.gates[0]", "         ^"),
        ("promotion: {prod: [{from: dev, gates: [{gate: expression, condition: 'a <'}]}]}",
         "promotion.prod[0].gates[0].condition", "where a value is needed"),
        ("promotion: {prod: {from: dev, gates: ['metric(\"f1\", \"stagng\") > 0']}}", "promotion.prod.gates[0]",
         "there is no stage 'stagng'"),
        ("promotion: {prod: {from: dev, gates: [{gate: soack, time: 1h}]}}", "promotion.prod.gates[0].gate",
         "Did you mean 'soak'?"),
        ("promotion: {prod: {from: dev, gates: [{time: 1h}]}}", "promotion.prod.gates[0]", "'gate' is missing"),
        ("promotion: {prod: {from: dev, gates: [{gate: [soak]}]}}", "promotion.prod.gates[0].gate", "a list is none of"),
        ("promotion: {prod: {from: dev, gates: [{gate: soak, tim: 1h}]}}", "promotion.prod.gates[0]",
         "the key 'time' is missing"),
        ("promotion: {prod: {from: dev, workflow: a.yml}}", "promotion.prod", "deploy: dispatch"),
        ("promotion: {prod: {from: dev, tag-by: api}}\npolicies: {require-signature: {keyring: /ring}}",
         "promotion.prod.tag-by", "signed tags"),
        ("promotion: {prod: {gates: []}}", "promotion.prod", "'from' is missing"),
        ("promotion: {prod: {from: dev, gates: [{gate: expression, without-incumbent: pass, condition: a > 1 and b > prod.b}]}}",
         "promotion.prod.gates[0].condition", "one comparison"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_key(text, key, says):
    ((found, told), *_) = mistakes(text)
    assert found == key
    assert says in told


def test_the_first_rule_about_an_artifact_counts_for_it():
    promotion = {
        "prod": (PromotionRule(source="dev", artifacts=("hotfix",)), PromotionRule(source="staging")),
        "staging": PromotionRule(source="dev"),
    }
    assert graph.ways(promotion, "hotfix") == {"prod": "dev", "staging": "dev"}
    assert graph.ways(promotion, "churn") == {"prod": "staging", "staging": "dev"}
    assert graph.onward(promotion, "hotfix", "dev") == ["prod", "staging"]


# --- properties --------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
RULES = st.builds(lambda source, artifacts: PromotionRule(source=source, artifacts=tuple(artifacts)), NAMES,
                  st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2))  # fmt: skip
GRAPHS = st.dictionaries(NAMES, st.one_of(RULES, st.lists(RULES, min_size=1, max_size=3).map(tuple)), max_size=5)


@settings(deadline=None)
@given(GRAPHS, st.sampled_from(["x", "y", "z"]))
def test_without_circles_every_way_comes_to_an_end_and_with_one_it_is_told(promotion, artifact):
    ways = graph.ways(promotion, artifact)

    def ends(stage: str) -> bool:
        for _ in range(len(ways) + 1):
            if stage not in ways:
                return True
            stage = ways[stage]
        return False

    assert list(graph.cycles(promotion)) or all(ends(stage) for stage in ways)
    for who, circle in graph.cycles(promotion):  # and nothing is told that is none
        into = graph.ways(promotion, who)
        assert all(into[stage] == before for before, stage in zip(circle, [*circle[1:], circle[0]], strict=True))


@settings(deadline=None)
@given(GRAPHS, st.sampled_from(["x", "y", "z"]))
def test_a_stage_is_tried_after_the_one_that_feeds_it(promotion, artifact):
    if list(graph.cycles(promotion)):
        return

    class Settings:
        class configuration:
            pass

    Settings.configuration.promotion = promotion
    order = [stage for _, stage in every_place(Settings, [artifact])]
    ways = graph.ways(promotion, artifact)
    assert sorted(order) == sorted(ways)
    for position, stage in enumerate(order):
        assert ways[stage] not in order[position:]
