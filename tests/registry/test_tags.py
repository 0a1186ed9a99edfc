"""The grammar: GTO's, but for what is unsafe."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.errors import NotARegistryTagError, TagboatError, UnsafeContentError
from entrypoint.registry.tags import Tag, TagAction, compose, is_artifact, is_stage, is_version, parse

GOOD = [
    ("churn@v1.4.0", Tag("churn@v1.4.0", "churn", TagAction.REGISTER, "v1.4.0")),
    ("churn@v1.4.0#7", Tag("churn@v1.4.0#7", "churn", TagAction.REGISTER, "v1.4.0", None, 7)),
    ("churn@v1.4.0!", Tag("churn@v1.4.0!", "churn", TagAction.DEREGISTER, "v1.4.0")),
    ("churn@v1.4.0!#2", Tag("churn@v1.4.0!#2", "churn", TagAction.DEREGISTER, "v1.4.0", None, 2)),
    ("churn#prod", Tag("churn#prod", "churn", TagAction.ASSIGN, None, "prod")),
    ("churn#prod#3", Tag("churn#prod#3", "churn", TagAction.ASSIGN, None, "prod", 3)),
    ("churn#prod!#4", Tag("churn#prod!#4", "churn", TagAction.UNASSIGN, None, "prod", 4)),
    ("churn@deprecated", Tag("churn@deprecated", "churn", TagAction.DEPRECATE)),
    ("churn@deprecated#9", Tag("churn@deprecated#9", "churn", TagAction.DEPRECATE, None, None, 9)),
    ("churn@created", Tag("churn@created", "churn", TagAction.CREATE)),
    ("models/nlp=bert#eu/prod#1", Tag("models/nlp=bert#eu/prod#1", "models/nlp:bert", TagAction.ASSIGN, None,
                                      "eu/prod", 1)),
    ("a.b/c_d-e=f@v1.0.0-rc.1+build.5", Tag("a.b/c_d-e=f@v1.0.0-rc.1+build.5", "a.b/c_d-e:f", TagAction.REGISTER,
                                            "v1.0.0-rc.1+build.5")),
    ("m#prod#007", Tag("m#prod#007", "m", TagAction.ASSIGN, None, "prod", 7)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tag"), GOOD, ids=[text for text, _ in GOOD])
def test_a_tag_is_taken_apart(text: str, tag: Tag) -> None:
    assert parse(text) == tag


@pytest.mark.parametrize(
    "text",
    ["", "v1.0.0", "release-2026", "churn", "churn@1.0.0", "churn@v1", "churn@v01.0.0", "@scope/pkg@v1.0.0", "churn@",
     "churn#", "churn#prod#x", "churn#prod#1#2", "churn@latest", "churn@v1.0.0!!", "churn!#prod", "a=b=c@v1.0.0",
     "churn#-prod", "churn-#prod", "hello world", "refs/heads/churn#prod#1"],
)  # fmt: skip
def test_any_other_tag_is_told_in_one_line_and_exit_code_2(text: str) -> None:
    with pytest.raises(NotARegistryTagError) as caught:
        parse(text)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@settings(max_examples=400, deadline=None)
@given(
    st.text(alphabet="ab1-_/.=#@!v0:", max_size=24) | st.from_regex(r"[a-z/]{1,5}(=m)?(@v1\.[0-9]\.0|#dev)!?(#[0-9]+)?")
)
def test_the_grammar_is_gtos_but_for_what_is_refused_as_unsafe(text: str) -> None:
    from gto.tag import parse_name

    try:
        gto = parse_name(text, raise_on_fail=False)
    except ValueError:  # Arabic digits
        gto = {}
    try:
        ours = parse(text)
    except UnsafeContentError:
        return
    except NotARegistryTagError:
        assert not gto
        return
    assert gto["name"] == ours.artifact
    assert (gto.get("version"), gto.get("stage"), gto.get("counter")) == (ours.version, ours.stage, ours.counter)
    assert ours.action is TagAction.CREATE or gto["action"].value == ours.action.value


@pytest.mark.parametrize(("text", "tag"), GOOD, ids=[text for text, _ in GOOD])
def test_what_was_taken_apart_can_be_put_together(text: str, tag: Tag) -> None:
    if "007" not in text:
        made = compose(tag.action, tag.artifact, version=tag.version, stage=tag.stage, counter=tag.counter)
        assert made == tag


@pytest.mark.parametrize(
    ("artifact", "version", "stage"),
    [("a#b", "v1.0.0", None), ("a@v1.0.0#x", "v1.0.0", None), ("m", "v1.0.0#3", None), ("m", "v1", None), ("m", None, "a#b"),
     ("m", None, "prod!"), ("a:b:c", "v1.0.0", None), ("../m", "v1.0.0", None), ("", "v1.0.0", None)],
)  # fmt: skip
def test_no_tag_says_something_else_than_it_was_made_for(artifact: str, version: str | None, stage: str | None) -> None:
    action = TagAction.ASSIGN if stage else TagAction.REGISTER
    with pytest.raises(TagboatError):
        compose(action, artifact, version=version, stage=stage)


def test_names_are_judged_alone_as_they_are_in_a_tag() -> None:
    assert is_artifact("models/nlp:bert")
    assert not any(map(is_artifact, ["models/nlp=bert", "-m", "m-", "a..b", "../m", "/m:x", "m\n", "m#prod"]))
    assert is_stage("eu/prod-1")
    assert not any(map(is_stage, ["", "prod!", "prod#1", "prod\n", "a//b", "prod.1"]))
    assert is_version("v1.0.0-rc.1+b")
    assert not any(map(is_version, ["1.0.0", "v1.0", "v1.0.0\n", "v1.0.٢"]))
