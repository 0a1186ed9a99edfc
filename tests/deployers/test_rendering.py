"""A template is read once and rendered often: nothing of one rendering is in the next."""

from pathlib import Path

import pytest

from deployers.errors import ConfigurationError, RefusedError
from deployers.rendering import Templates

NOWHERE = Path("/nonexistent")
TEXT = 'a: {{ "constant" | tojson }}\nb: {{ value | tojson }}\nc: {{ ("v-" ~ value) | tojson }}\n'


def test_the_same_template_gives_each_rendering_its_own_values():
    templates = Templates(NOWHERE, {"one.yaml.j2": TEXT, "other.yaml.j2": TEXT})
    for value in ("1.0", "on", "two"):
        for name in templates.names():
            assert templates.documents(name, {"value": value}) == [{"a": "constant", "b": value, "c": f"v-{value}"}]


@pytest.mark.parametrize("times", [1, 2])
def test_C6_what_is_refused_once_is_refused_again(times):
    hostile = Templates(NOWHERE, {"x.j2": "a: {{ value.__class__.__mro__ | tojson }}"})
    broken = Templates(NOWHERE, {"x.j2": "a: {{ value | "})
    for _ in range(times):
        with pytest.raises((RefusedError, ConfigurationError)):
            hostile.documents("x.j2", {"value": "x"})
        with pytest.raises(ConfigurationError, match="line 1"):
            broken.documents("x.j2", {"value": "x"})
