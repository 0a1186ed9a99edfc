"""The narrower setting wins; what is not said is inherited."""

from __future__ import annotations

import msgspec
import pytest

from entrypoint.configuration import registration_for, settings_for, wants_grpc

TEXT = """
targets: {a: {deployer: local}, b: {deployer: local}}
server: {max-body: 1MB, drain: 10s}
smoke: [{input: general}]
registration: {assign: dev}
stages:
  dev: {targets: [a]}
  prod: {targets: [a, b], server: {drain: 60s}, smoke: [{input: stage}]}
artifacts:
  iris:
    server: {max-body: 2MB}
    registration: {preflight: false}
    stages:
      prod: {targets: [b], server: {concurrency: 4}}
  quiet: {smoke: [], registration: {assign: null}}
  loud:
    smoke: [{input: artifact}]
    stages: {prod: {smoke: [{input: both}], targets: []}}
"""


def test_server_settings_are_merged_key_by_key_from_wide_to_narrow(read):
    settings = settings_for(read(TEXT), "iris", "prod")
    assert settings.server_document() == {"max-body": 2_000_000, "drain": 60.0, "concurrency": 4}


def test_targets_and_smoke_requests_are_replaced_whole(read):
    configuration = read(TEXT)

    def asked(artifact: str, stage: str) -> list[object]:
        return [smoke.input for smoke in settings_for(configuration, artifact, stage).smoke]

    assert settings_for(configuration, "iris", "prod").targets == ("b",)
    assert settings_for(configuration, "other", "prod").targets == ("a", "b")
    assert settings_for(configuration, "loud", "prod").targets == ()
    assert asked("iris", "dev") == ["general"]
    assert asked("iris", "prod") == ["stage"]
    assert asked("quiet", "dev") == []
    assert asked("loud", "dev") == ["artifact"]
    assert asked("loud", "prod") == ["both"]


def test_a_stage_that_nobody_named_is_deployed_nowhere(read):
    settings = settings_for(read(TEXT), "iris", "unheard-of")
    assert settings.targets == ()
    assert settings.server_document() == {"max-body": 2_000_000, "drain": 10.0}


def test_registration_is_merged_key_by_key(read):
    configuration = read(TEXT)
    assert msgspec.structs.astuple(registration_for(configuration, "iris")) == (False, "dev")
    assert msgspec.structs.astuple(registration_for(configuration, "quiet")) == (True, None)
    assert msgspec.structs.astuple(registration_for(configuration, "other")) == (True, "dev")


def test_the_identity_leaves_out_what_changes_nothing_that_is_served(read):
    one = settings_for(read(TEXT), "iris", "dev").effective({"server": "${env:CLUSTER}"})
    other = settings_for(read(TEXT.replace("general", "changed")), "iris", "dev").effective(
        {"server": "${env:CLUSTER}"}
    )
    assert one == other == {"server": {"max-body": 2_000_000, "drain": 10.0}, "target": {"server": "${env:CLUSTER}"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("server: {threads: 2}", False),
        ("server: {grpc-port: 8501}", True),
        ("artifacts: {iris: {server: {grpc-port: 8501}}}", True),
        ("artifacts: {rose: {server: {grpc-port: 8501}}}", False),
        ("stages: {dev: {}}\nartifacts: {iris: {stages: {dev: {server: {grpc-port: 8501}}}}}", True),
        ("stages: {dev: {server: {grpc-port: 8501}}}", True),
        ("stages: {dev: {server: {grpc-port: null}}}", False),
    ],
)
def test_a_bundle_can_speak_grpc_where_any_stage_of_its_artifact_does(read, text, wanted):
    assert wants_grpc(read(text), "iris") is wanted
