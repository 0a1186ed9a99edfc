"""What people write is understood, and what they got wrong is named with its line."""

from __future__ import annotations

import msgspec
import pytest

from entrypoint.configuration import Configuration, InvalidConfigurationError, parse
from tests.configuration.kinds_of_target import KINDS, ClusterSettings, Resources


def test_an_empty_file_is_a_configuration_without_targets(read):
    assert read("") == Configuration()
    assert read("# nothing yet\n") == Configuration()
    assert read("targets:\nstages:\n") == Configuration()


def test_a_targets_own_keys_are_read_by_its_deployers_settings(read):
    target = read("""
        targets:
          eu:
            deployer: cluster
            prune: true
            server: https://${env:CLUSTER}/
            grace: 2m
            resources: {memory: 2GiB, replicas: 3}
            labels: {team: "on", cost: 0777}
    """).targets["eu"]
    assert (target.deployer, target.prune) == ("cluster", True)
    assert target.settings == ClusterSettings(
        server="https://${env:CLUSTER}/",
        grace=120.0,
        resources=Resources(memory=2 * 1024**3, replicas=3),
        labels={"team": "on", "cost": "0777"},
    )


def test_what_a_target_shows_holds_no_defaults_and_no_expanded_variables(read):
    target = read("""
        targets:
          eu: {deployer: cluster, server: "${env:CLUSTER}", namespace: default, resources: {replicas: 2}}
    """).targets["eu"]
    assert target.written == {"server": "${env:CLUSTER}", "resources": {"replicas": 2}}


def test_an_unknown_key_is_named_with_its_line_and_the_key_that_was_meant(mistakes):
    (mistake,) = mistakes("""\
        stages:
          dev:
            targts: [here]
    """)
    assert (mistake.place.line, mistake.place.column, mistake.key) == (3, 5, "stages.dev")
    assert mistake.message == "there is no key 'targts' here"
    assert mistake.hint == "Did you mean 'targets'?"


def test_a_key_with_underscores_is_recognised(mistakes):
    (mistake,) = mistakes("server: {max_body: 1MB}")
    assert mistake.hint == "Did you mean 'max-body'?"


def test_a_key_like_none_of_ours_gets_the_list_of_ours(mistakes):
    (mistake,) = mistakes("server: {xyzzy: 1}")
    assert mistake.hint.startswith("The keys here: max-body, max-header, drain, ")


def test_all_mistakes_are_shown_at_once_in_the_order_of_the_file():
    text = b"targts: {}\nserver: {drain: soon}\npolicies: {scan: never, limits: {files: 0}}\n"
    with pytest.raises(InvalidConfigurationError) as caught:
        parse(text, "conf/tagboat.yaml", KINDS)
    error = caught.value
    assert [mistake.place.line for mistake in error.mistakes] == [1, 2, 3, 3]
    assert error.where == "conf/tagboat.yaml"
    assert error.exit_code == 2
    for expected in (
        "4 mistakes",
        "conf/tagboat.yaml:1:1: ",
        "server.drain: ",
        "policies.limits.files: 0 is less than 1",
    ):
        assert expected in str(error)


def test_a_single_mistake_is_the_error_itself():
    with pytest.raises(InvalidConfigurationError) as caught:
        parse(b"stages:\n  dev: {targets: [here]}\n", kinds=KINDS)
    assert caught.value.where == "tagboat.yaml:2:19"
    assert caught.value.message == "stages.dev.targets[0]: there is no target 'here'"


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("targets: [here]", "targets", "a mapping (key: value) is needed here, and this is a list"),
        ("smoke: {input: 1}", "smoke", "a list is needed here, and this is a mapping"),
        ("stages: {dev: {targets: here}}", "stages.dev.targets", "a list is needed here, and this is 'here'"),
        ("dvc: {remote: [a]}", "dvc.remote", "a text is needed here, and this is a list"),
        ("dvc: {remote: ''}", "dvc.remote", "it is empty"),
        ("artifacts: {iris: {python: two}}", "artifacts.iris.python", "'two' does not have the form"),
        ("artifacts: {iris: {format: My Own}}", "artifacts.iris.format", "'My Own' does not have the form"),
        ("artifacts: {iris: {requirements: [[a]]}}", "artifacts.iris.requirements[0]", "a text is needed here"),
        ("policies: {scan: warning}", "policies.scan", "'warning' is none of: warn, refuse"),
        ("policies: {allow-build: 'true'}", "policies.allow-build", "true or false is needed here, not 'true'"),
        ("policies: {limits: {files: 1.5}}", "policies.limits.files", "a whole number is needed here"),
        ("policies: {limits: {time: 5 fortnights}}", "policies.limits.time", "a duration is needed here"),
        ("policies: {limits: {download-size: -1}}", "policies.limits.download-size", "a size is needed here"),
        ("smoke: [{expect: {status: 99}}]", "smoke[0].expect.status", "99 is less than 100"),
        ("smoke: [{method: a, path: /b}]", "smoke[0]", "method and path exclude each other"),
        ("smoke: [{input: null, input-file: a}]", "smoke[0]", "input and input-file exclude each other"),
        ("policies: {require-signature: {}}", "policies.require-signature", "exactly one of"),
        ("indexes: [{default: true}]", "indexes[0]", "the key 'url' is missing"),
        ("targets: {a: {prune: true}}", "targets.a", "the key 'deployer' is missing"),
        ("targets: {a: {deployer: lokal}}", "targets.a.deployer", "there is no deployer 'lokal'"),
        ("targets: {a: {deployer: local, prot: 1}}", "targets.a", "there is no key 'prot' here"),
        ("targets: {Über: {deployer: local}}", "targets['Über']", "'Über' does not have the form"),
        ("stages: {'a b': {}}", "stages['a b']", "does not have the form"),
        ("dvc: {remotes: {s3: {configpath: x}}}", "dvc.remotes.s3", "there is no key 'configpath' here"),
    ],
)
def test_each_kind_of_mistake_names_its_key(mistakes, text, key, said):
    (mistake,) = mistakes(text)
    assert mistake.key == key
    assert said in mistake.message


def test_sizes_and_durations_take_units(read):
    limits = read("policies: {limits: {download-size: 1.5GB, time: 90m}}").policies.limits
    assert (limits.download_size, limits.time) == (1_500_000_000, 5400.0)
    server = read("server: {max-body: 16MiB, drain: 500ms}").server
    assert (server.max_body, server.drain) == (16 * 1024**2, 0.5)
    assert read("server: {max-body: 1024, drain: 3}").server.max_body == 1024


def test_requirements_are_a_file_or_a_list(read):
    artifacts = read("artifacts: {a: {requirements: req.txt}, b: {requirements: [numpy<2, pandas]}}").artifacts
    assert artifacts["a"].requirements == "req.txt"
    assert artifacts["b"].requirements == ("numpy<2", "pandas")


def test_an_absent_input_is_not_the_input_null(read):
    absent, null = read("smoke: [{}, {input: null}]").smoke
    assert absent.input is msgspec.UNSET
    assert null.input is None


def test_a_stage_override_of_an_unknown_stage_needs_targets_of_its_own(read, mistakes):
    targets = "targets: {here: {deployer: local}}\nstages: {prod: {}}\n"
    (mistake,) = mistakes(targets + "artifacts: {iris: {stages: {porod: {smoke: []}}}}")
    assert mistake.hint == "Did you mean 'prod'?"
    assert read(targets + "artifacts: {iris: {stages: {canary: {targets: [here]}}}}").artifacts["iris"].stages


def test_registration_assigns_to_stages_that_exist(mistakes):
    (mistake,) = mistakes("stages: {dev: {}}\nregistration: {assign: deb}")
    assert (mistake.key, mistake.hint) == ("registration.assign", "Did you mean 'dev'?")


def test_a_configuration_is_the_same_after_a_round_trip_through_json(read):
    configuration = read("""
        stages: {dev: {server: {drain: 5s}}}
        artifacts: {iris: {smoke: [{input: {data: [[1, 2.5, null]]}, expect: {approximate: {value: 1}}}]}}
        policies: {scan: refuse}
        indexes: [{url: "https://${env:USER}@example.org/simple"}]
        dvc: {remotes: {s3: {url: "s3://b", secret_access_key: "${env:KEY}"}}}
    """)
    assert msgspec.convert(msgspec.to_builtins(configuration), Configuration) == configuration
