"""What tagboat.yaml accepts is what the parts behind it take: the server, the download."""

from __future__ import annotations

import re

import msgspec
import pytest
from tagboat_server.formats import OURS
from tagboat_server.spec import Settings as ServerSettings
from tagboat_server.spec import read_settings

from entrypoint.configuration import settings_for
from entrypoint.configuration.remotes import Remote
from entrypoint.configuration.schema import Artifact
from entrypoint.configuration.serving_settings import Server
from entrypoint.configuration.shapes import description, stripped
from entrypoint.downloading.remote_keys import ALLOWED, SECRETS


def keys(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_the_servers_settings_are_those_that_the_server_takes():
    assert keys(Server) == keys(ServerSettings)


def test_what_is_written_for_the_server_reaches_it(read):
    configuration = read("server: {max-body: 4MB, drain: 1m, access-log: false, threads: 2}")
    document = settings_for(configuration, "iris", "dev").server_document()
    there = read_settings({"TAGBOAT_SETTINGS": msgspec.json.encode(document).decode()})
    assert (there.max_body, there.drain, there.access_log, there.threads) == (4_000_000, 60.0, False, 2)


def test_the_defaults_that_are_told_are_the_servers(read):
    here, there = msgspec.structs.fields(Server), ServerSettings()
    for field in here:
        told = re.search(r"Default (\S+)\.$", description(stripped(field.type)[1]) or "")
        assert told, field.encode_name
        given = getattr(read(f"server: {{{field.encode_name}: {told[1]}}}").server, field.name)
        assert given == getattr(there, field.name), field.encode_name


@pytest.mark.parametrize("key", ["max-body", "request-timeout", "keep-alive"])
def test_a_bound_of_nothing_is_refused_before_the_server_would(mistakes, key):
    assert "must be more than 0" in mistakes(f"server: {{{key}: 0}}")[0].message


def test_the_formats_of_the_server_are_told_and_taken(read):
    field = next(field for field in msgspec.structs.fields(Artifact) if field.name == "format")
    told = description(stripped(field.type)[1]) or ""
    for name in OURS:
        assert f"`{name}`" in told
        assert read(f"artifacts: {{iris: {{format: {name}}}}}").artifacts["iris"].format == name


def test_the_keys_of_a_remote_are_those_that_the_download_lets_through():
    assert keys(Remote) - {"url"} <= set().union(*ALLOWED.values())


def test_every_secret_of_a_remote_takes_a_variable_only(mistakes):
    for key in SECRETS & keys(Remote):
        assert "a secret stands in the file" in mistakes(f"dvc: {{remotes: {{r: {{{key}: hunter2}}}}}}")[0].message
    assert keys(Remote) >= SECRETS
