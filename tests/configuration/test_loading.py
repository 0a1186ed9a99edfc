"""Where the file is read from."""

from __future__ import annotations

import pytest

from entrypoint.configuration import (
    Configuration,
    InvalidConfigurationError,
    NoConfigurationError,
    load,
    load_if_present,
)
from entrypoint.errors import UnsafeContentError


def test_without_a_file_deploying_says_how_to_write_one(tmp_path):
    with pytest.raises(NoConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
    assert "tagboat init" in str(caught.value)


def test_without_a_file_reading_commands_go_by_the_defaults(tmp_path):
    assert load_if_present(tmp_path) == Configuration()


def test_a_wrong_file_is_an_error_for_every_command(tmp_path):
    (tmp_path / "tagboat.yaml").write_text("targts: {}")
    with pytest.raises(InvalidConfigurationError):
        load_if_present(tmp_path)


@pytest.mark.parametrize("path", ["../tagboat.yaml", "/etc/passwd", "link.yaml"])
def test_a_path_out_of_the_checkout_is_refused(tmp_path, path):
    outside = tmp_path / "tagboat.yaml"
    outside.write_text("{}")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "link.yaml").symlink_to(outside)
    with pytest.raises(UnsafeContentError):
        load(checkout, path)


def test_a_folder_in_its_place_is_an_error_and_no_traceback(tmp_path):
    (tmp_path / "tagboat.yaml").mkdir()
    with pytest.raises(UnsafeContentError):
        load(tmp_path)
