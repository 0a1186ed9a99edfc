"""A plan tells what would change against what serves, what it costs first, and stands for what it saw."""

from typing import ClassVar

import pytest

from deployers.base import Action
from deployers.conformance.subject import deploy
from deployers.errors import ConfigurationError, RefusedError
from deployers.sagemaker import names
from tests.deployers.sagemaker.subjects import AwsSubject


@pytest.fixture
def subject(subject_with):
    return subject_with()


def plan_of(subject, version):
    return subject.deployer().plan(*subject.release(subject.slot(), version))


def changed(change):
    """The lines of a diff that tell a difference."""
    return [line for line in change.diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def by_kind(plan):
    return {change.object.partition(" ")[0].rstrip(":"): change for change in plan.changes}


def test_the_first_plan_makes_everything_and_says_what_it_will_cost(subject):
    plan = plan_of(subject, "v1.0.0")
    assert [change.action for change in plan.changes] == [Action.CREATE] * 4
    assert plan.changes[0].object == "COST: main: nothing → 1 × ml.m5.large"
    assert list(by_kind(plan)) == ["COST", "Model", "EndpointConfig", "Endpoint"]


def test_what_costs_the_same_is_no_change_of_costs(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    assert "COST" not in by_kind(plan_of(subject, "v2.0.0"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"instance-type": "ml.c5.xlarge"}, "COST: main: 1 × ml.m5.large → 1 × ml.c5.xlarge"),
        ({"instance-count": 3}, "COST: main: 1 × ml.m5.large → 3 × ml.m5.large"),
    ],
)
def test_what_costs_more_stands_in_front(subject, settings, told):
    deploy(subject, subject.slot(), "v1.0.0")
    subject.written |= settings
    plan = plan_of(subject, "v2.0.0")
    assert plan.changes[0].object == told
    assert changed(plan.changes[0])
    config = by_kind(plan)["EndpointConfig"]
    assert any(str(next(iter(settings.values()))) in line for line in changed(config))


def test_a_diff_shows_what_changes_against_what_serves_and_none_of_awss_defaults(aws, subject):
    old = deploy(subject, subject.slot(), "v1.0.0")
    plan = plan_of(subject, "v2.0.0")
    new, _ = subject.release(subject.slot(), "v2.0.0")
    model, config, endpoint = (by_kind(plan)[kind] for kind in ("Model", "EndpointConfig", "Endpoint"))
    assert [each.action for each in (model, config, endpoint)] == [Action.CREATE, Action.CREATE, Action.UPDATE]
    assert f"-    TAGBOAT_RELEASE: {old.id}" in model.diff.splitlines()
    assert f"+    TAGBOAT_RELEASE: {new.id}" in model.diff.splitlines()
    assert len(changed(model)) == 6, "name, image and release"
    assert len(changed(config)) == 4, "its name, and its model's"
    assert [line.split(":")[0] for line in changed(endpoint)] == ["-EndpointConfigName", "+EndpointConfigName"]
    for noise in ("ModelArn", "ConfigArn", "CreationTime", "EnableNetworkIsolation", "Tags"):
        assert noise not in model.diff + config.diff + endpoint.diff


def test_a_plan_stands_for_the_state_that_it_saw(subject):
    deploy(subject, subject.slot(), "v1.0.0")
    one, other = plan_of(subject, "v2.0.0"), plan_of(subject, "v2.0.0")
    assert one == other
    deploy(subject, subject.slot(), "v1.5.0")
    assert plan_of(subject, "v2.0.0").fingerprint != one.fingerprint


def test_what_aws_would_refuse_is_refused_before_the_first_call(aws, subject):
    subject.written["env"] = {f"N{number}": "x" for number in range(200)}
    with pytest.raises(ConfigurationError, match="Environment"):
        plan_of(subject, "v1.0.0")
    subject.written["env"] = {"LONG": "x" * 1025}
    with pytest.raises(ConfigurationError, match="1024"):
        plan_of(subject, "v1.0.0")
    assert not [call for call in aws.sagemaker.calls if call.operation.startswith("Create")]


class Templated(AwsSubject):
    """A target whose repository has templates of its own."""

    theirs: ClassVar[dict] = {}

    def deployer(self, **more):
        made = super().deployer(**more)
        surroundings = made.surroundings
        made.surroundings = type(surroundings)(
            environment=surroundings.environment, state=surroundings.state, cache=surroundings.cache,
            clock=surroundings.clock, templates=lambda kind: self.theirs if kind == "sagemaker" else {},
        )  # fmt: skip
        return made


@pytest.fixture
def templated(aws, tmp_path):
    return Templated(tmp_path, aws)


CONFIG = """
ProductionVariants:
  - VariantName: {{ variant | tojson }}
    ModelName: {{ model_name | tojson }}
    InstanceType: ml.m5.large
    InitialInstanceCount: 1
    VolumeSizeInGB: 64
"""


def test_a_template_of_the_repository_stands_in_for_ours_and_still_carries_our_tags(aws, templated):
    templated.theirs = {"endpoint-config.json.j2": CONFIG}
    deploy(templated, templated.slot(), "v1.0.0")
    ((_, config),) = [each for each in aws.sagemaker.state.objects.items() if each[0][0] == "endpoint-config"]
    assert config.given["ProductionVariants"][0]["VolumeSizeInGB"] == 64
    assert config.tags[names.SLOT] == names.slot_name(templated.slot())


@pytest.mark.parametrize(
    ("template", "text", "told"),
    [
        ("lambda.json.j2", "{}", "makes nothing that is known here"),
        ("endpoint.json.j2", '{"EndpointName": "another", "EndpointConfigName": {{ config_name | tojson }}}', "another"),
        ("endpoint-config.json.j2", CONFIG + "---" + CONFIG.replace("64", "65"), "make 2 objects"),
        ("endpoint-config.json.j2", CONFIG.replace("Volume", "Volumes"), "VolumesSizeInGB"),
    ],
)  # fmt: skip
def test_C8_a_template_that_makes_something_else_is_refused(templated, template, text, told):
    templated.theirs = {template: text}
    with pytest.raises((RefusedError, ConfigurationError), match=told):
        plan_of(templated, "v1.0.0")
