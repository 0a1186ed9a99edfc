"""A few lines of merge keys cost a few milliseconds to refuse, and not the memory that they ask for."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployers.errors import ConfigurationError
from deployers.rendering import Templates
from deployers.yaml_merges import merged_size
from entrypoint.errors import UnsafeContentError
from entrypoint.registry.templating import parse_yaml


def nine_of_nine(levels):
    """Each level merges the one before nine times."""
    lines = [f"a{level}: &a{level}\n  <<: [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels + 1)]
    return "\n".join(["a0: &a0 {x: 1, y: 2}", *lines]) + "\n"


def test_entries_are_counted_as_often_as_they_are_copied():
    assert merged_size(yaml.compose(nine_of_nine(9))) > 9**9
    assert merged_size(yaml.compose("a: {b: 1, c: {d: 2}}")) == 4


def test_a_dvc_yaml_that_merges_without_end_is_refused_before_it_is_read():
    with pytest.raises(UnsafeContentError, match="merges more values"):
        parse_yaml(nine_of_nine(12).encode(), "dvc.yaml")


def test_a_template_that_merges_without_end_is_refused(tmp_path):
    templates = Templates(tmp_path, {"mine.yaml.j2": nine_of_nine(12)})
    with pytest.raises(ConfigurationError, match="merge keys"):
        templates.documents("mine.yaml.j2", {})


def test_honest_merges_are_followed():
    read = parse_yaml(b"a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: {<<: [*a, {z: 3}]}\n", "dvc.yaml")
    assert read["b"] == {"x": 1, "y": 2}
    assert read["c"] == {"x": 1, "z": 3}


@given(st.text(alphabet="ab<*&: []{},-\n?'", max_size=60))
def test_no_text_ends_in_anything_but_a_document_or_a_refusal(text):
    try:
        parse_yaml(text.encode(), "dvc.yaml")
    except (ConfigurationError, UnsafeContentError):
        return
