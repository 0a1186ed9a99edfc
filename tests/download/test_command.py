"""``tagboat download``, as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.download.projects import Project


def _tagboat(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "entrypoint", "-C", str(project.root), *arguments]
    environment = {**project.environment, "PYTHONPATH": str(Path.cwd())}
    here = project.root.parent
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def registered(project: Project) -> Project:
    project.write("dvc.yaml", "artifacts:\n  iris:\n    path: models/iris.pkl\n")
    project.point("models/iris.pkl", project.store(b"weights"), more="  size: 7\n")
    commit = project.commit()
    project.run("git", "tag", "--annotate", "--message", "One", "iris@v1.0.0", commit)
    project.run("git", "tag", "--annotate", "--message", "Live", "iris#prod#1", commit)
    return project


@pytest.mark.parametrize("ref", ["iris@v1.0.0", "iris#prod", "iris@latest", "refs/tags/iris#prod#1"])
def test_it_downloads_what_a_ref_stands_for_into_a_folder_of_that_name(registered: Project, ref: str) -> None:
    done = _tagboat(registered, "download", ref)
    assert done.returncode == 0, done.stderr
    file = registered.root.parent / "iris-v1.0.0" / "iris.pkl"
    assert file.read_bytes() == b"weights"
    assert "1 file, 7 bytes, verified" in done.stdout
    assert done.stdout.splitlines()[-1] == "iris-v1.0.0/iris.pkl"
    again = _tagboat(registered, "download", ref)
    assert again.returncode == 0
    assert "nothing had to be transferred" in again.stdout


def test_with_json_stdout_is_one_document_of_the_documented_shape(registered: Project, tmp_path: Path) -> None:
    done = _tagboat(registered, "download", "iris#prod", "-o", str(tmp_path / "here"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["artifact", "version", "commit", "folder", "model", "size", "transferred", "files"]
    assert (found["artifact"], found["version"], found["model"]) == ("iris", "v1.0.0", "iris.pkl")
    assert (found["size"], found["transferred"], found["folder"]) == (7, 7, str(tmp_path / "here"))
    assert [sorted(file) for file in found["files"]] == [["md5", "path", "sha256", "size"]]
    documented = Path("docs/remotes.md").read_text()
    assert all(f'"{key}"' in documented for key in (*found, *found["files"][0]))


def test_wrong_bytes_end_with_3_and_a_sentence_and_no_traceback(registered: Project, tmp_path: Path) -> None:
    for file in registered.storage.rglob("*"):
        if file.is_file():
            file.write_bytes(b"w3ights")
    done = _tagboat(registered, "download", "iris#prod", "-o", str(tmp_path / "here"), "--json")
    assert done.returncode == 3
    assert "models/iris.pkl" in json.loads(done.stdout)["error"]["where"]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "here").exists()


def test_without_the_cache_nothing_is_left_in_it(registered: Project, tmp_path: Path) -> None:
    done = _tagboat(registered, "download", "iris#prod", "--no-cache", "-o", str(tmp_path / "here"))
    assert done.returncode == 0, done.stderr
    assert not (Path(registered.environment["HOME"]) / ".cache" / "tagboat").exists()


def test_tagboat_yaml_says_where_the_model_and_its_remote_are(registered: Project, tmp_path: Path) -> None:
    registered.storage.rename(tmp_path / "moved")
    registered.write(
        "tagboat.yaml", f"dvc:\n  remote: mirror\n  remotes:\n    mirror:\n      url: {tmp_path / 'moved'}\n"
    )
    done = _tagboat(registered, "download", "iris#prod", "-o", str(tmp_path / "here"))
    assert done.returncode == 0, done.stderr
