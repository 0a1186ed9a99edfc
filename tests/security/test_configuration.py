"""SECURITY.md C7, C11 and C15, as far as tagboat.yaml is concerned."""

from __future__ import annotations

import time

import pytest

from deployers.errors import ConfigurationError
from deployers.settings import expand
from entrypoint.configuration import InvalidConfigurationError, parse, settings_for
from entrypoint.configuration.documents import MAXIMUM_SIZE
from tests.configuration.kinds_of_target import KINDS


def read(text: str):
    return parse(text.encode(), kinds=KINDS)


def refused(content: str | bytes) -> str:
    with pytest.raises(InvalidConfigurationError) as caught:
        parse(content if isinstance(content, bytes) else content.encode(), kinds=KINDS)
    return str(caught.value)


@pytest.mark.parametrize(
    "word", ["on", "yes", "no", "1.0", "0777", "1e3", "3.10", "true", "2024-01-01", "1_000", ".5", "0x1F"]
)
def test_C7_a_text_stays_the_text_that_was_written(word):
    configuration = read(f"targets: {{a: {{deployer: cluster, server: x, namespace: {word}, labels: {{k: {word}}}}}}}")
    assert configuration.targets["a"].settings.namespace == word
    assert configuration.targets["a"].written["labels"] == {"k": word}


@pytest.mark.parametrize("name", ["on", "off", "no", "1", "0777", "1e3", "true"])
def test_C7_a_name_stays_the_name_that_was_written(name):
    configuration = read(
        f"targets: {{a: {{deployer: local}}}}\nstages: {{{name}: {{targets: [a]}}}}\nartifacts: {{{name}: {{}}}}"
    )
    assert list(configuration.stages) == [name]
    assert settings_for(configuration, name, name).targets == ("a",)


@pytest.mark.parametrize("word", ["null", "~", ""])
def test_C7_nothing_is_not_taken_for_a_text(word):
    assert "there is nothing here" in refused(f"targets: {{a: {{deployer: cluster, server: {word}}}}}")
    assert read("artifacts: {a: {path: 'null'}}").artifacts["a"].path == "null"


@pytest.mark.parametrize(
    ("word", "value"),
    [("null", None), ("true", True), ("1e3", 1000.0), ("1.0", 1.0), ("-7", -7), ("on", "on"), ("yes", "yes"),
     ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), ("12:30:45", "12:30:45"), ("'0777'", "0777"), ('"1"', "1")],
)  # fmt: skip
def test_C7_open_values_are_what_json_says(word, value):
    given = read(f"smoke: [{{input: [{word}]}}]").smoke[0].input[0]
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    "word",
    ["0777", "0o17", "0x1F", ".5", "+1", "1.", ".nan", ".inf", "-.inf", "True", "NULL", "1e999", "9" * 30 + "e300"],
)
def test_C7_what_two_readers_would_take_for_two_things_is_refused(word):
    refused(f"smoke: [{{input: [{word}]}}]")


@pytest.mark.parametrize("word", ["yes", "on", "True", "1", "'true'"])
def test_C7_only_true_and_false_are_truth_values(word):
    refused(f"policies: {{allow-build: {word}}}")


def test_C11_a_billion_laughs_cost_nothing():
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"{new}: &{new} [{', '.join(['*' + old] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    begun = time.monotonic()
    assert "anchors and aliases" in refused("\n".join(lines))
    assert time.monotonic() - begun < 5


def test_C11_a_file_of_100_MB_is_refused_unread(tmp_path):
    from entrypoint.configuration import load

    with (tmp_path / "tagboat.yaml").open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(InvalidConfigurationError, match="larger than 256 KiB"):
        load(tmp_path, kinds=KINDS)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_C11_deep_nesting_is_refused_and_exhausts_no_stack(opening):
    refused("smoke:\n  " + opening * ((MAXIMUM_SIZE - 100) // len(opening)))


def test_C11_many_values_are_refused():
    assert "more than 20000 values" in refused("smoke: [" + "1," * 30_000 + "1]")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "smoke: !!python/name:os.system ''",
        "smoke: [{input: !!binary aGk=}]",
        "smoke: [{input: ! text}]",
        "server: {<<: {drain: 3s}}",
        "server: {}\nserver: {}",
        "--- {}\n--- {}",
        "{[a]: b}",
        "a: b: c",
        "\tserver: {}",
        "server: {drain: \x01}",
        "%YAML 9.9\n---\n{}",
        "[",
        "- ",
        "text",
    ],
)
def test_C11_what_yaml_can_do_beyond_texts_lists_and_mappings_is_refused(text):
    refused(text)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"server: \x00", b"a: \xed\xa0\x80", "server: {}".encode("utf-16")]
)
def test_C11_bytes_that_are_no_text_are_refused(content):
    refused(content)


@pytest.mark.parametrize(
    "text",
    [
        "smoke: [{input: {a: ['${env:TOKEN}']}}]",
        "smoke: [{input: {'${env:TOKEN}': 1}}]",
        "smoke: [{content-type: '${env:TOKEN}'}]",
        "artifacts: {iris: {path: '${env:TOKEN}'}}",
        "artifacts: {iris: {requirements: ['x @ https://${env:TOKEN}@h/x.whl']}}",
        "targets: {a: {deployer: cluster, server: x, namespace: '${env:TOKEN}'}}",
        "targets: {a: {deployer: cluster, server: x, labels: {a: '${env:TOKEN}'}}}",
    ],
)
def test_C15_variables_are_named_in_connection_settings_only(text):
    assert "${env:NAME}" in refused(text)


def test_C15_connection_settings_keep_the_name_and_never_the_value():
    configuration = read("""
        indexes: [{url: "https://u:${env:CANARY}@example.org/simple"}]
        targets: {a: {deployer: cluster, server: "${env:CANARY}", token: "${env:CANARY}"}}
    """)
    assert configuration.indexes[0].url == "https://u:${env:CANARY}@example.org/simple"
    assert configuration.targets["a"].written == {"server": "${env:CANARY}", "token": "${env:CANARY}"}
    assert expand(configuration.indexes[0].url, {"CANARY": "s3cret"}) == "https://u:s3cret@example.org/simple"


@pytest.mark.parametrize("environment", [{}, {"CANARY": ""}])
def test_C15_a_variable_that_is_not_set_is_named(environment):
    with pytest.raises(ConfigurationError, match="CANARY"):
        expand("${env:CANARY}", environment, where="indexes[0].url")


def test_C15_a_value_with_a_variable_in_it_is_not_expanded_again():
    assert expand("${env:A}", {"A": "${env:B}", "B": "secret"}) == "${env:B}"


@pytest.mark.parametrize("text", ["${CANARY}", "${env:}", "${env:A-B}", "${{ secrets.X }}", "x${env:A", "${ENV:A}"])
def test_C15_what_only_looks_like_a_variable_is_refused(text):
    assert "names no variable" in refused(f"indexes: [{{url: '{text}'}}]")


def test_C15_a_secret_key_takes_a_variable_and_nothing_else():
    said = refused("targets: {a: {deployer: cluster, server: x, token: hunter2}}")
    assert "a secret stands in the file" in said
    assert "hunter2" not in said
    assert "hunter2" not in refused("dvc: {remotes: {a: {secret_access_key: 'hunter2${env:X}'}}}")


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "github_pat_" + "a1" * 20,
        "glpat-" + "x" * 20,
        "xoxb-" + "1" * 12,
        "hf_" + "A" * 34,
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "https://user:hunter2" + "@example.org/simple",
    ],
)
@pytest.mark.parametrize(
    "place", ["indexes: [{{url: '{}'}}]", "server: {{}}  # {}", "stages: {{dev: {{}}}}\nsmoke: [{{input: '{}'}}]"]
)
def test_C15_what_looks_like_a_secret_is_refused_and_not_repeated(secret, place):
    said = refused(place.format(secret))
    assert "this looks like" in said
    assert secret not in said


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../b", "-rf", "a\\b", "a\nb", "a/..", ".."])
@pytest.mark.parametrize("key", ["path", "requirements", "code"])
def test_T3_paths_stay_inside_the_repository(key, path):
    import json

    value = json.dumps([path] if key == "code" else path)
    refused(f"artifacts: {{iris: {{{key}: {value}}}}}")


def test_T15_signers_do_not_come_from_the_checkout():
    assert "relative" in refused("policies: {require-signature: {allowed-signers: keys/signers}}")
    assert read("policies: {require-signature: {allowed-signers: '${env:RUNNER_TEMP}/signers'}}")


def test_a_message_shows_hostile_text_on_one_line():
    said = refused('"a\\nerror: b\\u202e\\e[31m": 1')
    assert "\n  error" not in said
    assert "\x1b" not in said
    assert "\u202e" not in said
