"""What `tagboat serve` is asked to try: a REF or a path, and which files come along."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from entrypoint.errors import ConfigurationError
from entrypoint.request import Command, Request
from entrypoint.trees import WorkingFiles
from entrypoint.trial import _staged, open_workspace, subject
from entrypoint.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with a folder ``models``, where the command is given."""
    checkout = tmp_path / "checkout"
    (checkout / "models").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", checkout], check=True)
    request = Request(command=Command.PLAN, directory=checkout / "models", environment=dict(os.environ))
    return open_workspace(request)


@pytest.mark.parametrize("text", ["churn#prod", "churn@v1.0.0", "churn@latest", "nlp:bert#prod#3"])
def test_what_holds_a_mark_is_a_ref(workspace: Workspace, text: str) -> None:
    assert subject(text, workspace).path is None


def test_a_name_is_a_path_where_there_is_one_and_an_artifact_otherwise(workspace: Workspace) -> None:
    models = workspace.repository.root / "models"
    assert subject("churn", workspace).what == "churn@latest"
    (models / "churn").touch()
    assert subject("churn", workspace).path == "models/churn"
    (models / "churn").rename(models / "churn.mlem")
    assert subject("churn", workspace).path == "models/churn"
    (models / "odd@name").touch()
    assert subject("odd@name", workspace).path is None
    assert subject("./odd@name", workspace).path == "models/odd@name"


@pytest.mark.parametrize("text", ["../..", "/etc/hostname", "../../checkout2/m.joblib", "../../checkout"])
def test_paths_outside_of_the_checkout_are_refused(workspace: Workspace, text: str) -> None:
    with pytest.raises(ConfigurationError, match="outside of the checkout"):
        subject(text, workspace)


def test_a_model_that_dvc_has_not_pulled_is_told(workspace: Workspace) -> None:
    (workspace.repository.root / "models" / "m.joblib.dvc").touch()
    with pytest.raises(ConfigurationError) as told:
        subject("m.joblib", workspace)
    assert told.value.hint == "DVC tracks it: dvc pull m.joblib"


def test_a_model_comes_alone_and_a_mlem_model_as_its_pair(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("m.joblib", "other.joblib", "flowers", "flowers.mlem"):
        (models / name).write_text(name)
    for asked, model, files in (
        ("m.joblib", "m.joblib", ["m.joblib"]),
        ("flowers", "flowers.mlem", ["flowers", "flowers.mlem"]),
        ("flowers.mlem", "flowers.mlem", ["flowers", "flowers.mlem"]),
    ):
        folder = tmp_path / f"of-{asked}"
        folder.mkdir()
        assert _staged(models / asked, folder) == model
        assert sorted(path.name for path in folder.iterdir()) == files


def test_links_of_dvcs_cache_become_files_and_a_read_only_one_is_not_copied(tmp_path: Path) -> None:
    cached = tmp_path / "cached"
    cached.write_text("model")
    cached.chmod(0o444)
    (tmp_path / "m.joblib").symlink_to(cached)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "part").symlink_to(cached)
    folder = tmp_path / "staged"
    folder.mkdir()
    _staged(tmp_path / "m.joblib", folder)
    _staged(tmp_path / "model", folder)
    for file in (folder / "m.joblib", folder / "model" / "part"):
        assert not file.is_symlink()
        assert file.read_text() == "model"
        assert file.stat().st_ino == cached.stat().st_ino


def test_the_working_tree_is_read_as_it_lies_there_and_nothing_outside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "src" / "__pycache__").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a = 1")
    (root / "src" / "__pycache__" / "a.pyc").touch()
    (tmp_path / "secret").write_text("secret")
    (root / "src" / "leak.py").symlink_to(tmp_path / "secret")
    tree = WorkingFiles(root)
    assert list(tree.files("src")) == [("src/a.py", 5)]
    assert list(tree.files("src/a.py")) == [("src/a.py", 5)]
    assert list(tree.files("none")) == []
    assert tree.read("src/a.py") == b"a = 1"
    for path in ("src/leak.py", "../secret", "none", "src"):
        assert tree.read(path) is None
