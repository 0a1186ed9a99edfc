"""The order of versions is semver's, as GTO's library has it."""

from __future__ import annotations

import semver
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.registry.tags import SEMVER
from entrypoint.registry.versions import Bump, bump, precedence

VERSIONS = st.from_regex(SEMVER, fullmatch=True).filter(lambda text: len(text) < 60)


@settings(max_examples=500, deadline=None)
@given(VERSIONS, VERSIONS)
def test_two_versions_compare_as_in_gtos_library(one: str, other: str) -> None:
    theirs = semver.Version.parse(one[1:]).compare(other[1:])
    ours = (precedence(one) > precedence(other)) - (precedence(one) < precedence(other))
    assert ours == theirs


@settings(max_examples=200, deadline=None)
@given(VERSIONS, st.sampled_from(Bump))
def test_the_next_version_is_the_one_gto_would_choose(version: str, part: Bump) -> None:
    from gto.versions import SemVer

    theirs = {Bump.MAJOR: SemVer.bump_major, Bump.MINOR: SemVer.bump_minor, Bump.PATCH: SemVer.bump_patch}
    assert bump(version, part) == theirs[part](SemVer(version)).version
