"""action.yml, Dockerfile and workflows hold together with the code, and with GitHub's rules."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from entrypoint.github.inputs import Task, read_inputs
from entrypoint.report.outputs import NAMES
from entrypoint.request import ConfigRef
from scripts import release

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml")) + sorted(
    (ROOT / "examples" / "workflows").glob("*.yml")
)


class Recorded(Mapping[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_every_input_is_read_and_every_input_read_is_declared(tmp_path: Path) -> None:
    recorded = Recorded()
    read_inputs(recorded, tmp_path)
    assert recorded.asked == {f"INPUT_{name.upper()}" for name in ACTION["inputs"]}


def test_every_output_is_written_and_every_output_written_is_declared() -> None:
    assert tuple(ACTION["outputs"]) == NAMES


def test_the_defaults_of_action_yml_are_the_codes_own(tmp_path: Path) -> None:
    declared = {f"INPUT_{name.upper()}": one["default"] for name, one in ACTION["inputs"].items()}
    assert declared.pop("INPUT_TOKEN") == "${{ github.token }}"
    assert msgspec.structs.asdict(read_inputs(declared, tmp_path)) == msgspec.structs.asdict(read_inputs({}, tmp_path))


def test_no_input_is_required_since_a_pushed_tag_says_it_all() -> None:
    assert not [name for name, one in ACTION["inputs"].items() if one["required"]]


def test_every_choice_is_named_where_it_is_offered() -> None:
    for task in Task:
        assert task.value in ACTION["inputs"]["command"]["description"]
    for ref in (ConfigRef.DEFAULT_BRANCH, ConfigRef.TAG):
        assert ref.value in ACTION["inputs"]["config-ref"]["description"]


@pytest.mark.parametrize("name", [*ACTION["inputs"], *ACTION["outputs"]])
def test_everything_is_documented(name: str) -> None:
    described = ACTION["inputs"].get(name) or ACTION["outputs"].get(name)
    assert described["description"].strip()
    assert f"| `{name}` |" in (ROOT / "docs" / "action.md").read_text(encoding="utf-8")


class TestDockerfile:
    TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    def test_hadolint_finds_nothing(self) -> None:
        done = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")

    def test_it_starts_isolated_from_the_checkout_as_root_and_without_a_shell(self) -> None:
        entry = re.search(r"(?m)^ENTRYPOINT (\[.*\])$", self.TEXT)
        assert entry is not None
        command = yaml.safe_load(entry[1])
        assert Path(command[0]).is_absolute()
        assert command[1:] == ["-I", "-m", "entrypoint", "action"]
        assert not re.search(r"(?m)^(USER|CMD|SHELL)\b", self.TEXT)

    def test_every_stage_stands_on_the_base_that_an_argument_names(self) -> None:
        assert set(re.findall(r"(?m)^FROM (\S+)", self.TEXT)) == {"${BASE}"}
        assert "ARG BASE=" in self.TEXT

    def test_everything_it_copies_is_let_through_by_dockerignore_and_exists(self) -> None:
        allowed = set(re.findall(r"(?m)^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8")))
        copied = set()
        for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", self.TEXT):
            copied |= set(sources.split())
        assert copied == allowed
        assert [name for name in copied if not (ROOT / name).exists()] == []

    def test_every_requirement_is_installed_with_its_hash(self) -> None:
        for line in re.sub(r"\\\n", "", self.TEXT).splitlines():
            for install in re.findall(r"pip [^&]*\binstall\b[^&]*", line):
                assert "--require-hashes" in install or "--no-deps" in install


class TestWorkflows:
    def test_there_are_ours_and_some_to_copy(self) -> None:
        assert {path.name for path in WORKFLOWS} >= {
            "ci.yml",
            "release.yml",
            "deploy.yml",
            "reconcile.yml",
            "rollback.yml",
        }

    def test_actionlint_finds_nothing(self) -> None:
        done = subprocess.run([TOOLS / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS],
                              capture_output=True, text=True, cwd=ROOT, check=False)  # fmt: skip
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_zizmor_finds_nothing(self) -> None:
        files = [ROOT / "action.yml", *WORKFLOWS]
        done = subprocess.run([TOOLS / "zizmor", "--offline", "--no-progress", "--quiet", "--format", "plain", *files],
                              capture_output=True, text=True, cwd=ROOT, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_nothing_from_outside_reaches_a_shell_line(self, path: Path) -> None:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_permissions_are_the_least_and_checkouts_keep_no_credentials(self, path: Path) -> None:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False

    def test_a_workflow_that_listens_to_tags_matches_names_with_slashes(self) -> None:
        for path in WORKFLOWS:
            triggers = yaml.safe_load(path.read_text(encoding="utf-8"))[True]
            tags = (triggers.get("push") or {}).get("tags") if isinstance(triggers, dict) else None
            assert tags in (None, ["**"]), path


class TestRelease:
    IMAGE = "ghcr.io/octo-org/tagboat"
    DIGEST = "sha256:" + "a" * 64

    def test_the_released_action_runs_the_published_image_by_digest_and_is_otherwise_the_same(self) -> None:
        text = (ROOT / "action.yml").read_text(encoding="utf-8")
        pinned = yaml.safe_load(release.pinned(text, self.IMAGE, self.DIGEST))
        assert pinned["runs"] == {"using": "docker", "image": f"docker://{self.IMAGE}@{self.DIGEST}"}
        assert {**pinned, "runs": None} == {**ACTION, "runs": None}

    @pytest.mark.parametrize(
        ("image", "digest"),
        [("ghcr.io/octo-org/tagboat", ""), ("ghcr.io/octo-org/tagboat", "sha256:abc"), ("", "sha256:" + "a" * 64),
         ("ghcr.io/x/y\n  image: evil", "sha256:" + "a" * 64)],
    )  # fmt: skip
    def test_anything_but_an_image_by_digest_is_refused(self, image: str, digest: str) -> None:
        with pytest.raises(SystemExit, match="no image by digest"):
            release.pinned("runs:\n  image: Dockerfile\n", image, digest)

    def test_an_action_that_is_pinned_already_is_refused(self) -> None:
        with pytest.raises(SystemExit, match="exactly once"):
            release.pinned("runs:\n  image: docker://x\n", self.IMAGE, self.DIGEST)

    def test_the_version_must_be_the_projects_own(self) -> None:
        release.check_version("0.1.0", '[project]\nversion = "0.1.0"\n')
        with pytest.raises(SystemExit, match=r"0\.1\.0"):
            release.check_version("0.2.0", '[project]\nversion = "0.1.0"\n')
