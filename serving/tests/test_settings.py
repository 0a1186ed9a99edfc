"""What the server can be told, and what the documentation says of it."""

import re
from pathlib import Path

import msgspec
import pytest

from tagboat_server.errors import SettingsError
from tagboat_server.spec import Bundle, Settings, read_identity, read_settings

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"


def test_every_setting_is_documented_with_its_default():
    rows = re.findall(r"^\| (`[a-z`, -]+`) \| ([^|]+) \|", DOCS.read_text(), re.MULTILINE)
    told = {}
    for names, defaults in rows:
        named = re.findall(r"`([a-z-]+)`", names)
        told.update(zip(named, [each.strip() for each in defaults.split(",")]))
    fields = {field.encode_name: field.default for field in msgspec.structs.fields(Settings)}
    for name, default in fields.items():
        assert told.get(name) == shown(default), name


def test_every_extra_is_documented():
    project = (DOCS.parents[1] / "serving" / "pyproject.toml").read_text()
    extras = re.search(r"optional-dependencies\]\n(.*?)\n\n", project, re.DOTALL)
    assert extras is not None
    section = DOCS.read_text().partition("\n## Extras\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    told = sorted(name for row in rows for name in re.findall(r"`([a-z]+)`", row))
    assert told == sorted(re.findall(r"^([a-z]+) = ", extras[1], re.MULTILINE))


def shown(default):
    """A default as the page writes it."""
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if type(default) is float else str(default)


def test_a_bundle_without_a_version_has_none():
    bundle = Bundle(schema=1, name="iris", model="iris.joblib", version="")
    assert read_identity(bundle, {}).version is None


@pytest.mark.parametrize(
    "text",
    [
        '{"max-body": 0}',
        '{"max-header": 0}',
        '{"concurrency": 0}',
        '{"workers": 0}',
        '{"workers": "many"}',
        '{"request-timeout": 0}',
        '{"drain": -1}',
        '{"max-boddy": 1}',
        "[]",
        "{",
    ],
)
def test_a_bound_that_bounds_nothing_or_is_misspelt_is_refused(text):
    with pytest.raises(SettingsError):
        read_settings({"TAGBOAT_SETTINGS": text})
