"""The Action's inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.errors import UnsafeContentError, UsageError
from entrypoint.github.inputs import Task, read_inputs
from entrypoint.request import ConfigRef


def test_nothing_given_means_the_defaults(tmp_path: Path) -> None:
    inputs = read_inputs({}, tmp_path)
    assert inputs.command is Task.AUTO
    assert inputs.config == "tagboat.yaml"
    assert inputs.config_ref is ConfigRef.DEFAULT_BRANCH
    assert (inputs.ref, inputs.token, inputs.cache_dir) == (None, None, None)
    assert (inputs.dry_run, inputs.retry, inputs.no_tag) == (False, False, False)
    assert inputs.working_directory == tmp_path.resolve()


def test_an_empty_value_is_no_value(tmp_path: Path) -> None:
    inputs = read_inputs({"INPUT_REF": "", "INPUT_DRY-RUN": "", "INPUT_CONFIG-REF": ""}, tmp_path)
    assert inputs.ref is None
    assert inputs.dry_run is False


def test_names_keep_their_hyphens(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    given = {
        "INPUT_WORKING-DIRECTORY": "models",
        "INPUT_CACHE-DIR": ".tagboat-cache",
        "INPUT_DRY-RUN": "true",
        "INPUT_CONFIG-REF": "tag",
        "INPUT_DRY_RUN": "false",
    }
    inputs = read_inputs(given, tmp_path)
    assert inputs.working_directory == (tmp_path / "models").resolve()
    assert inputs.cache_dir == (tmp_path / ".tagboat-cache").resolve()
    assert inputs.dry_run is True
    assert inputs.config_ref is ConfigRef.TAG


@pytest.mark.parametrize("value", ["yes", "1", "tRue", "on", " true"])
def test_a_switch_is_true_or_false(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match="neither true nor false") as caught:
        read_inputs({"INPUT_DRY-RUN": value}, tmp_path)
    assert caught.value.where == "input 'dry-run'"


def test_a_near_miss_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_inputs({"INPUT_COMMAND": "recncile"}, tmp_path)
    assert caught.value.hint == "Did you mean 'reconcile'?"
    with pytest.raises(UsageError) as caught:
        read_inputs({"INPUT_CONFIG-REF": "working-tree"[:3]}, tmp_path)
    assert "default-branch" in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["..", "/etc", "a/../../b", "link"])
def test_a_folder_stays_inside_the_workspace_links_followed(tmp_path: Path, path: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    for name in ("WORKING-DIRECTORY", "CACHE-DIR"):
        with pytest.raises(UnsafeContentError, match="leads out of the workspace"):
            read_inputs({f"INPUT_{name}": path}, workspace)


def test_a_link_in_a_circle_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UsageError):
        read_inputs({"INPUT_WORKING-DIRECTORY": "a"}, tmp_path)


@pytest.mark.parametrize("path", ["../tagboat.yaml", "/etc/passwd", "a/../../b.yaml", "..\\b.yaml"])
def test_the_configuration_stays_inside_the_repository(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnsafeContentError):
        read_inputs({"INPUT_CONFIG": path}, tmp_path)


def test_a_missing_folder_names_the_checkout(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_inputs({"INPUT_WORKING-DIRECTORY": "models"}, tmp_path)
    assert "actions/checkout" in (caught.value.hint or "")


def test_the_token_is_never_shown(tmp_path: Path) -> None:
    assert "ghs_secret" not in repr(read_inputs({"INPUT_TOKEN": "ghs_secret"}, tmp_path))
