"""Names and tags are valid for AWS, and unique for every artifact, stage, target, version and content."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployers.base import Release, Slot
from deployers.sagemaker import names

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z")
TEXT = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=400)
NAMES = st.one_of(st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9/_:.-]{0,200}", fullmatch=True), TEXT)


def release_of(artifact="model", stage="prod", version="v1.0.0"):
    return Release(slot=Slot(artifact, stage, "t"), version=version, commit="c" * 40, bundle_digest="sha256:x")


@settings(max_examples=40)
@given(NAMES, NAMES, TEXT)
def test_every_name_is_one_of_sagemakers(artifact, stage, version):
    release = release_of(artifact, stage, version)
    for name in (names.slot_name(release.slot), names.content_name(release, {"a": 1})):
        assert NAME.match(name)
        assert len(name) <= names.LONGEST


@settings(max_examples=40)
@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_two_slots_never_share_a_name(one, other):
    assert (names.slot_name(Slot(*one)) == names.slot_name(Slot(*other))) == (one == other)


@pytest.mark.parametrize("other", [Slot("a#b", "c", "t"), Slot("A", "B#C", "T"), Slot("a", "b", "#ct")])
def test_where_one_part_of_a_slot_ends_makes_a_difference(other):
    assert names.slot_name(Slot("a", "b#c", "t")) != names.slot_name(other)


def test_names_that_aws_takes_for_one_whatever_their_case_differ_in_more_than_that():
    one, other = (names.slot_name(Slot(name, "prod", "t")) for name in ("Model", "model"))
    assert one.lower() != other.lower()


def test_T6_long_names_that_begin_alike_differ():
    long = "a" * 1000
    assert names.slot_name(Slot(long + "b", "prod", "t")) != names.slot_name(Slot(long + "c", "prod", "t"))
    assert names.tag_value(long + "b") != names.tag_value(long + "c")


def test_other_content_has_another_name_and_the_same_content_the_same():
    release = release_of()
    assert names.content_name(release, {"a": 1, "b": 2}) == names.content_name(release, {"b": 2, "a": 1})
    assert names.content_name(release, {"a": 1}) != names.content_name(release, {"a": 2})


@settings(max_examples=40)
@given(NAMES, NAMES, TEXT)
def test_every_tag_is_one(artifact, stage, version):
    for key, value in names.release_tags(release_of(artifact, stage, version)).items():
        assert len(key) <= 128
        assert len(value) <= 256
        assert not names.NOT_IN_TAGS.search(value)


def test_what_tags_cannot_hold_still_makes_a_difference():
    assert names.tag_value("a#b") != names.tag_value("a!b")
    assert names.tag_value("models/nlp:bert") == "models/nlp:bert"
