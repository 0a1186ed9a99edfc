"""What the server can be told, and what the documentation says of it."""

import re
from pathlib import Path

import msgspec
import pytest

from tagboat_server.errors import SettingsError
from tagboat_server.spec import Settings, read_settings

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


def shown(default):
    """A default as the page writes it."""
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if type(default) is float else str(default)


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
