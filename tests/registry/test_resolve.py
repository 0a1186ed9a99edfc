"""From a REF to a release, and from an event to the slots that it touches."""

from __future__ import annotations

import pytest

from entrypoint.errors import ConfigurationError, NotARegistryTagError, RefusedError, UnsafeContentError
from entrypoint.registry.resolve import Resolution, current, resolve, slots_touched
from entrypoint.registry.state import read
from tests.registry.conftest import opened
from tests.repositories import GitRepository


@pytest.fixture
def churn(clone: GitRepository) -> GitRepository:
    """v1.0.0 and v1.1.0; v1.0.0 in prod, both once in dev, v1.1.0 there now."""
    clone.register("churn", "v1.0.0")
    clone.assign("churn", "dev")
    clone.assign("churn", "prod")
    clone.commit({"model.txt": "two"})
    clone.register("churn", "v1.1.0")
    clone.assign("churn", "dev")
    return clone


def found(git: GitRepository, ref: str) -> Resolution:
    repository = opened(git)
    return resolve(repository, read(repository), ref)


@pytest.mark.parametrize(
    ("ref", "version", "stage", "event"),
    [
        ("churn#prod", "v1.0.0", "prod", "assignment"),
        ("churn#dev", "v1.1.0", "dev", "assignment"),
        ("churn@latest", "v1.1.0", None, "registration"),
        ("churn@greatest", "v1.1.0", None, "registration"),
        ("churn@v1.0.0", "v1.0.0", None, "registration"),
        ("refs/tags/churn@v1.0.0", "v1.0.0", None, "registration"),
        ("churn#dev#1", "v1.0.0", "dev", "assignment"),
        ("refs/tags/churn#dev#1", "v1.0.0", "dev", "assignment"),
    ],
)
def test_a_ref_stands_for_a_release(
    churn: GitRepository, ref: str, version: str, stage: str | None, event: str
) -> None:
    resolution = found(churn, ref)
    assert (resolution.artifact, resolution.version, resolution.stage, resolution.event) == (
        "churn", version, stage, event,
    )  # fmt: skip
    assert resolution.commit == churn.git("rev-parse", f"churn@{version}^{{commit}}")


def test_after_an_unassignment_the_version_before_comes_back(churn: GitRepository) -> None:
    tag = churn.unassign("churn", "dev")
    resolution = found(churn, "churn#dev")
    assert resolution.version == "v1.0.0"
    assert resolution.tag is not None
    assert resolution.tag.name == tag, "the unassignment had the last word, and is what a target must remember"
    assert [event.tag.name for event in resolution.behind] == ["churn#dev#1", "churn@v1.0.0", tag]


def test_a_monorepo_name_is_written_with_a_colon_or_as_its_tag(clone: GitRepository) -> None:
    clone.register("models/nlp:bert", "v1.0.0")
    clone.assign("models/nlp:bert", "prod")
    for ref in ("models/nlp:bert#prod", "models/nlp=bert#prod", "models/nlp:bert@latest", "models/nlp=bert@v1.0.0"):
        assert found(clone, ref).artifact == "models/nlp:bert"


def test_a_registration_made_again_counts_for_the_shortcut(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.deregister("m", "v1.0.0")
    with pytest.raises(RefusedError):
        found(clone, "m@v1.0.0")
    second = clone.commit()
    clone.tag("m@v1.0.0#9")
    assert found(clone, "m@v1.0.0").commit == second
    with pytest.raises(RefusedError, match="deregistered"):
        found(clone, "refs/tags/m@v1.0.0")


def test_a_version_on_two_commits_is_no_release(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.commit()
    clone.tag("m@v1.0.0#2")
    with pytest.raises(RefusedError, match="two commits"):
        found(clone, "m@v1.0.0")


@pytest.mark.parametrize("ref", ["churn#qa", "churn@v9.9.9", "churn#prod#99", "nothing#prod", "nothing@latest"])
def test_what_the_registry_does_not_have_is_told(churn: GitRepository, ref: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(churn, ref)
    assert caught.value.hint


def test_the_nearest_name_is_suggested(churn: GitRepository) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'churn'"):
        found(churn, "chum#prod")


@pytest.mark.parametrize(("ref", "error"), [("hello", NotARegistryTagError), ("@latest", NotARegistryTagError),
                                            ("a b@latest", NotARegistryTagError), ("../x=m#prod", UnsafeContentError),
                                            ("churn#prod\n", UnsafeContentError), ("", NotARegistryTagError)])  # fmt: skip
def test_a_text_that_is_no_ref_is_refused(churn: GitRepository, ref: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        found(churn, ref)


def test_a_deprecated_artifact_is_in_no_stage(churn: GitRepository) -> None:
    churn.deprecate("churn")
    repository = opened(churn)
    assert current(repository, read(repository), "churn", "prod") is None
    with pytest.raises(ConfigurationError):
        found(churn, "churn@latest")


def test_nothing_in_a_stage_is_none_and_an_unknown_artifact_too(churn: GitRepository) -> None:
    repository = opened(churn)
    assert current(repository, read(repository), "churn", "qa") is None
    assert current(repository, read(repository), "nobody", "prod") is None


def test_a_stage_event_touches_its_stage_alone(churn: GitRepository) -> None:
    assert touched(churn, "churn#prod#2") == ["prod"]
    assert touched(churn, churn.unassign("churn", "dev")) == ["dev"]


def test_a_deregistration_touches_every_stage_that_its_version_was_put_in(churn: GitRepository) -> None:
    tag = churn.deregister("churn", "v1.0.0", "churn@v1.0.0^{commit}")
    assert touched(churn, tag) == ["dev", "prod"]


def test_a_deprecation_and_the_event_that_revives_touch_all_stages(churn: GitRepository) -> None:
    assert touched(churn, churn.deprecate("churn")) == ["dev", "prod"]
    assert touched(churn, churn.assign("churn", "qa")) == ["dev", "prod", "qa"]
    assert touched(churn, churn.assign("churn", "qa")) == ["qa"]


def test_a_first_registration_touches_nothing(churn: GitRepository) -> None:
    churn.commit()
    assert touched(churn, churn.register("churn", "v2.0.0")) == []


def test_a_registration_that_gives_an_assigned_commit_its_version_touches_the_stage(clone: GitRepository) -> None:
    clone.assign("m", "prod")
    assert touched(clone, clone.register("m", "v1.0.0")) == ["prod"]


def test_a_shortcut_means_its_stage_alone(churn: GitRepository) -> None:
    churn.deregister("churn", "v1.1.0")
    assert touched(churn, "churn#dev") == ["dev"]


def test_a_tag_that_is_gone_touches_what_it_would_have(churn: GitRepository) -> None:
    churn.git("tag", "-d", "churn#dev#3")
    assert touched(churn, "churn#dev#3") == ["dev"]
    assert touched(churn, "churn@v3.0.0!") == ["dev", "prod"]


def touched(git: GitRepository, ref: str) -> list[str]:
    return [stage for _, stage in slots_touched(read(opened(git)), ref)]
