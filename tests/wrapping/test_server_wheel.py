"""The server's wheel: the same bytes everywhere, never stale, and inside Tagboat's own wheel."""

from __future__ import annotations

import email.parser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from deployers.errors import TagboatError
from deployers.wrapping import uv, wheel_writing
from deployers.wrapping.server_wheel import server_wheel

ROOT = Path(__file__).resolve().parent.parent.parent
SERVING = ROOT / "serving"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what Tagboat is built from."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc", ".*cache")
    for name in ("entrypoint", "deployers", "templates", "serving"):
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "hatch_build.py"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        return email.parser.BytesParser().parsebytes(archive.read(name))


def test_the_same_sources_make_the_same_bytes_wherever_and_whenever_they_lie(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for path in (checkout / "serving").rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    one = wheel_writing.write(SERVING, tmp_path / "one")
    two = wheel_writing.write(checkout / "serving", tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_the_wheel_says_what_hatchling_would_say(checkout: Path, tmp_path: Path) -> None:
    ours = wheel_writing.write(SERVING, tmp_path)
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "theirs")]
    subprocess.run(command, cwd=checkout / "serving", check=True, capture_output=True)
    theirs = next((tmp_path / "theirs").glob("*.whl"))
    assert ours.name == theirs.name
    with zipfile.ZipFile(ours) as one, zipfile.ZipFile(theirs) as two:
        assert set(one.namelist()) == set(two.namelist())
        same = [name for name in one.namelist() if ".dist-info/" not in name or name.endswith("entry_points.txt")]
        assert all(one.read(name).split() == two.read(name).split() for name in same)
        assert one.testzip() is None
    for header in ("Name", "Version", "Summary", "License-Expression", "Requires-Python"):
        assert metadata_of(ours)[header] == metadata_of(theirs)[header]
    for header in ("Requires-Dist", "Provides-Extra"):
        assert sorted(metadata_of(ours).get_all(header)) == sorted(metadata_of(theirs).get_all(header))


def test_a_pyproject_that_asks_for_more_is_an_error_not_another_wheel(checkout: Path, tmp_path: Path) -> None:
    pyproject = checkout / "serving" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("[project]", '[project]\ndynamic = ["classifiers"]'))
    with pytest.raises(ValueError, match="dynamic"):
        wheel_writing.write(checkout / "serving", tmp_path)


def test_a_changed_server_is_packed_anew_and_its_sources_are_left_alone(checkout: Path, tmp_path: Path) -> None:
    package = checkout / "deployers" / "wrapping"
    first = server_wheel(tmp_path / "cache", package=package)
    assert server_wheel(tmp_path / "cache", package=package) == first
    (checkout / "serving" / "tagboat_server" / "new.py").write_text("NEW = 1\n")
    before = files_of(checkout / "serving")
    second = server_wheel(tmp_path / "cache", package=package)
    assert second.sha256 != first.sha256
    assert "tagboat_server/new.py" in zipfile.ZipFile(second.path).namelist()
    assert files_of(checkout / "serving") == before


def test_an_extra_adds_its_requirements_and_no_other_extras(tmp_path: Path) -> None:
    wheel = server_wheel(tmp_path)
    plain, mlem = wheel.requirements(), wheel.requirements("mlem")
    assert not any("extra" in line for line in [*plain, *mlem])
    assert "mlem==0.4.14" in mlem
    assert "mlem==0.4.14" not in plain
    assert not any(line.startswith("onnxruntime") for line in mlem)


def test_several_extras_add_theirs(tmp_path: Path) -> None:
    both = server_wheel(tmp_path).requirements("onnx", "grpc")
    assert {"onnxruntime", "grpcio", "protobuf"} <= {re.split("[^a-z]", line)[0] for line in both}
    assert not any("extra" in line or line.startswith("mlem") for line in both)


def test_an_installation_without_the_wheel_says_so(tmp_path: Path) -> None:
    with pytest.raises(TagboatError, match="0 wheels"):
        server_wheel(tmp_path, package=tmp_path / "site-packages" / "deployers" / "wrapping")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["wheel", "sdist"])
def test_an_installed_tagboat_finds_the_server_in_itself(way: str, checkout: Path, tmp_path: Path) -> None:
    build = [uv.program(), "build", "--no-config", "--no-build-isolation", "--python", sys.executable]
    only = ["--wheel"] if way == "wheel" else []  # with neither, uv builds the wheel from the sdist, as `build` does
    subprocess.run([*build, *only, "--out-dir", tmp_path / "dist", checkout], check=True, capture_output=True)
    wheel = next((tmp_path / "dist").glob("tagboat-*.whl"))
    site = tmp_path / "site"
    install = [uv.program(), "pip", "install", "--no-config", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    ask = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from deployers.wrapping.server_wheel import server_wheel\n"
        "found = server_wheel(Path(sys.argv[2])); print(json.dumps([str(found.path), found.sha256]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", ask, site, tmp_path / "cache"], cwd=tmp_path, check=True, capture_output=True
    )
    path, sha256 = json.loads(done.stdout)
    assert path.startswith(str(site))
    assert sha256 == server_wheel(tmp_path / "cache").sha256
