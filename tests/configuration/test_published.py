"""The schema for editors, the reference and the loader say the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml

from entrypoint.configuration import parse
from entrypoint.configuration.kinds import InstalledKinds
from entrypoint.configuration.published import BEGIN, DOCUMENTATION, SCHEMA_FILE, embedded, json_schema, outputs
from entrypoint.configuration.reference import keys
from entrypoint.configuration.schema import Configuration
from entrypoint.publication import SCHEMA_URL


def test_what_is_published_is_up_to_date():
    for file, content in outputs(InstalledKinds()):
        assert file.read_text(encoding="utf-8") == content, "run: python -P -m entrypoint.configuration.published"


def test_the_schema_is_a_schema():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == SCHEMA_URL


def test_every_key_of_the_schema_is_in_the_reference():
    told = DOCUMENTATION.read_text(encoding="utf-8").split(BEGIN)[1]
    kinds = [Configuration, *embedded(InstalledKinds()).values()]
    missing = {key for kind in kinds for key in keys(kind) if f"| `{key}` |" not in told}
    assert missing == set()


def test_every_key_has_a_description():
    lines = [line for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert lines
    assert [line for line in lines if line.rstrip("| ").endswith("|") or re.search(r"\|\s+\|$", line)] == []


def test_every_example_of_the_documentation_is_accepted_by_loader_and_schema():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    schema = json_schema(embedded(InstalledKinds()))
    assert examples
    assert f"$schema={SCHEMA_URL}" in examples[0]
    for example in examples:
        parse(example.encode())
        jsonschema.validate(yaml.safe_load(example), schema)


@pytest.mark.parametrize("page", ["kubernetes.md", "promotion.md"])
def test_every_example_of_the_pages_of_targets_and_promotion_is_accepted(page):
    text = (DOCUMENTATION.parent / page).read_text(encoding="utf-8")
    examples = [found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "stages:" in found
                or "targets:" in found]  # fmt: skip
    assert examples
    for example in examples:
        parse(example.encode())


@pytest.mark.parametrize(
    "text",
    [
        "targts: {}",
        "targets: {a: {deployer: local, prot: 1}}",
        "server: {drain: soon}",
        "policies: {scan: never}",
        "artifacts: {iris: {path: ../model}}",
        "smoke: [{method: 'a/b'}]",
    ],
)
def test_the_schema_marks_what_the_loader_refuses(mistakes, text):
    assert mistakes(text)
    schema = json_schema(embedded(InstalledKinds()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema)


def test_the_schemas_types_do_not_corrupt_memory():
    """msgspec 0.22 frees a union of a list and a patterned text twice; nothing of ours may hold one."""
    code = "import msgspec; from entrypoint.configuration.schema import Configuration as C; msgspec.json.schema(C)"
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
