"""Names and labels are valid and unique for every artifact, stage and version that GTO accepts, and for more."""

import re

from hypothesis import given
from hypothesis import strategies as st

from deployers.base import Release, Slot
from deployers.kubernetes import names

DNS = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?\Z")
TEXT = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=1000)
NAMES = st.one_of(st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9/_:.-]{0,200}", fullmatch=True), TEXT)


@given(NAMES, NAMES, NAMES)
def test_a_slots_name_leaves_room_for_every_suffix(artifact, stage, target):
    name = names.slot_name(Slot(artifact=artifact, stage=stage, target=target))
    assert DNS.match(name)
    assert len(name) + len("-candidate") <= 63
    assert len(f"tagboat-{name}-{'0' * names.RELEASE_DIGITS}") <= 63


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
def test_two_slots_never_share_a_name(one, other):
    first, second = (names.slot_name(Slot(artifact=a, stage=s, target="t")) for a, s in (one, other))
    assert (first == second) == (one == other)


def test_T6_long_names_that_begin_alike_differ():
    long = "a" * 1000
    assert names.slot_name(Slot(long + "b", "prod", "t")) != names.slot_name(Slot(long + "c", "prod", "t"))
    assert names.label_value(long + "b") != names.label_value(long + "c")


def test_what_differs_in_its_case_alone_has_another_name():
    assert names.slot_name(Slot("Model", "Prod", "t")) != names.slot_name(Slot("model", "prod", "t"))


@given(NAMES, NAMES, TEXT)
def test_every_label_is_one(artifact, stage, version):
    release = Release(slot=Slot(artifact, stage, "t"), version=version, commit="c" * 40, bundle_digest="sha256:x")
    for name, value in names.release_labels(release).items():
        assert len(value) <= 63, name
        assert LABEL.match(value), name
