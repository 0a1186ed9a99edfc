"""Whatever way a model is kept at a commit, its files come, whole and verified."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from entrypoint.errors import ConfigurationError
from tests.download.projects import Project, contents


@pytest.fixture
def dvc(project: Project) -> Project:
    """A project in which the real DVC may run."""
    (project.root / ".dvc" / "config").unlink()
    project.run("dvc", "init", "--quiet", "--force")
    project.run("dvc", "remote", "add", "--quiet", "--default", "storage", str(project.storage))
    return project


def test_a_file_that_dvc_tracks_comes_from_the_remote(dvc: Project) -> None:
    dvc.write("models/iris.pkl", b"weights")
    dvc.run("dvc", "add", "--quiet", "models/iris.pkl")
    dvc.run("dvc", "push", "--quiet")
    commit = dvc.commit()
    found = dvc.download("models/iris.pkl", commit)
    assert contents(found) == {"iris.pkl": b"weights"}
    assert found.model == Path("iris.pkl")
    assert [(file.path, file.size, file.md5, file.sha256) for file in found.files] == [
        ("iris.pkl", 7, hashlib.md5(b"weights").hexdigest(), hashlib.sha256(b"weights").hexdigest())
    ]


def test_a_folder_that_dvc_tracks_comes_whole_and_a_path_inside_it_comes_alone(dvc: Project) -> None:
    dvc.write("models/iris/weights/1.bin", b"one")
    dvc.write("models/iris/weights/2.bin", b"two")
    dvc.write("models/iris/config.json", b"{}")
    dvc.run("dvc", "add", "--quiet", "models/iris")
    dvc.run("dvc", "push", "--quiet")
    commit = dvc.commit()
    whole = dvc.download("models/iris", commit)
    assert contents(whole) == {
        "iris/weights/1.bin": b"one",
        "iris/weights/2.bin": b"two",
        "iris/config.json": b"{}",
    }
    assert whole.model == Path("iris")
    part = dvc.download("models/iris/weights", commit, out=dvc.out.with_name("part"))
    assert contents(part) == {"weights/1.bin": b"one", "weights/2.bin": b"two"}
    single = dvc.download("models/iris/config.json", commit, out=dvc.out.with_name("single"))
    assert contents(single) == {"config.json": b"{}"}


def test_outputs_of_a_pipeline_come_by_its_lock_wherever_its_stages_work(dvc: Project) -> None:
    dvc.write("pipelines/make.py", "import sys, pathlib\npathlib.Path(sys.argv[1]).write_text(sys.argv[2])\n")
    dvc.write(
        "pipelines/dvc.yaml",
        "stages:\n"
        "  train:\n    cmd: python make.py model.pkl trained\n    outs: [model.pkl]\n"
        "  elsewhere:\n    wdir: ../models\n"
        "    cmd: python ../pipelines/make.py other.pkl other\n    outs: [other.pkl]\n"
        "  kept:\n    cmd: python make.py kept.txt kept\n    outs:\n    - kept.txt:\n        cache: false\n"
        "  each:\n    foreach: [de, fr]\n    do:\n      wdir: ../models\n"
        "      cmd: python ../pipelines/make.py ${item}.pkl ${item}\n      outs: ['${item}.pkl']\n",
    )
    (dvc.root / "models").mkdir()
    dvc.run("dvc", "repro", "--quiet", "pipelines/dvc.yaml")
    dvc.run("dvc", "push", "--quiet")
    commit = dvc.commit()
    for path, content in (
        ("pipelines/model.pkl", b"trained"),
        ("models/other.pkl", b"other"),
        ("pipelines/kept.txt", b"kept"),
        ("models/fr.pkl", b"fr"),
    ):
        found = dvc.download(path, commit, out=dvc.out / path)
        assert contents(found) == {Path(path).name: content}


def test_a_stage_s_folder_may_be_a_template(project: Project) -> None:
    project.write("params.yaml", "region: north\n")
    project.write(
        "dvc.yaml",
        "vars:\n- where: models\n"
        "stages:\n"
        "  train:\n    wdir: ${where}/${region}\n    cmd: 'true'\n    outs: [iris.pkl]\n"
        "  each:\n    foreach: [de, fr]\n    do:\n      wdir: models/${item}\n"
        "      cmd: 'true'\n      outs: [iris.pkl]\n"
        "  grid:\n    matrix:\n      size: [s, l]\n    wdir: models/${item.size}\n"
        "    cmd: 'true'\n    outs: [iris.pkl]\n",
    )
    lock = "schema: '2.0'\nstages:\n"
    for stage in ("train", "each@de", "each@fr", "grid@s", "grid@l"):
        value = project.store(stage.encode())
        lock += f"  {stage}:\n    cmd: 'true'\n    outs:\n    - path: iris.pkl\n      hash: md5\n      md5: {value}\n"
    project.write("dvc.lock", lock)
    commit = project.commit()
    for path, stage in (("north", "train"), ("fr", "each@fr"), ("l", "grid@l")):
        found = project.download(f"models/{path}/iris.pkl", commit, out=project.out / path)
        assert contents(found) == {"iris.pkl": stage.encode()}


def test_the_release_s_commit_counts_and_not_the_working_tree(dvc: Project) -> None:
    dvc.write("iris.pkl", b"old")
    dvc.run("dvc", "add", "--quiet", "iris.pkl")
    dvc.run("dvc", "push", "--quiet")
    old = dvc.commit()
    dvc.write("iris.pkl", b"new")
    dvc.run("dvc", "add", "--quiet", "iris.pkl")
    dvc.commit()
    assert contents(dvc.download("iris.pkl", old)) == {"iris.pkl": b"old"}


def test_pointers_of_dvc_before_3_are_verified_by_their_own_kind_of_sum(project: Project) -> None:
    text = b"coefficients\r\n1.0\r\n" * 200_000  # more than one of DVC's chunks of 1 MiB
    named = hashlib.md5(b"".join(_as_dvc_2_hashed(text))).hexdigest()
    assert named != hashlib.md5(text).hexdigest()
    (project.storage / named[:2]).mkdir()
    (project.storage / named[:2] / named[2:]).write_bytes(text)
    project.write("iris.txt.dvc", f"outs:\n- md5: {named}\n  size: {len(text)}\n  path: iris.txt\n")
    assert contents(project.download("iris.txt")) == {"iris.txt": text}
    again = project.download("iris.txt", out=project.out.with_name("again"))
    assert again.transferred == 0


def _as_dvc_2_hashed(text: bytes) -> list[bytes]:
    return [text[at : at + 2**20].replace(b"\r\n", b"\n") for at in range(0, len(text), 2**20)]


def test_our_legacy_sum_is_dvc_s_own(tmp_path: Path) -> None:
    from dvc_data.hashfile.hash import file_md5

    from entrypoint.downloading.hashing import Sums

    samples = [b"", b"a\r\nb", b"\0binary\r\n" * 10, b"text\r\n" * 300_000, b"text\r\n" * 200_000 + b"\0\r\n" * 400_000]
    for number, sample in enumerate(samples):
        file = tmp_path / str(number)
        file.write_bytes(sample)
        sums = Sums("md5-dos2unix")
        for at in range(0, len(sample), 70_001):
            sums.update(sample[at : at + 70_001])
        assert sums.agree_with(file_md5(str(file), name="md5-dos2unix"))


def test_models_plain_in_git_come_from_git_as_files_or_folders(project: Project) -> None:
    project.write("models/iris/model.bin", b"\r\nraw\0")
    project.write("models/iris/tool.sh", "#!/bin/sh\n").chmod(0o755)
    project.write("models/iris/.gitignore", "*.tmp\n")
    project.write(".gitattributes", "* text=auto eol=crlf\n")
    found = project.download("models/iris")
    assert contents(found) == {"iris/model.bin": b"\r\nraw\0", "iris/tool.sh": b"#!/bin/sh\n"}
    assert found.transferred == 0
    assert {file.stat().st_mode & 0o7777 for file in found.folder.rglob("*") if file.is_file()} == {0o444}


def test_a_folder_of_git_brings_the_files_that_dvc_tracks_in_it(project: Project) -> None:
    project.write("models/iris/config.json", "{}")
    project.point("models/iris/model.pkl", project.store(b"weights"))
    project.write("models/iris/.gitignore", "/model.pkl\n")
    found = project.download("models/iris/")
    assert contents(found) == {"iris/config.json": b"{}", "iris/model.pkl": b"weights"}


@pytest.mark.parametrize("named", ["models/iris", "models/iris.mlem"])
@pytest.mark.parametrize("kept", ["git", "dvc", "both dvc"])
def test_a_mlem_model_comes_with_its_data_whichever_of_the_two_is_named(
    project: Project, named: str, kept: str
) -> None:
    description = "artifacts:\n  data:\n    hash: 1\n    size: 4\n    uri: iris\nobject_type: model\n"
    if kept == "both dvc":
        project.point("models/iris.mlem", project.store(description.encode()))
    else:
        project.write("models/iris.mlem", description)
    if kept == "git":
        project.write("models/iris", "data")
    else:
        project.point("models/iris", project.store(b"data"))
    found = project.download(named)
    assert contents(found) == {"iris": b"data", "iris.mlem": description.encode()}
    assert found.model == Path("iris.mlem")


def test_a_mlem_model_of_several_files_comes_with_all_of_them(project: Project) -> None:
    manifest = [{"md5": project.store(b"a"), "relpath": "a.bin"}, {"md5": project.store(b"b"), "relpath": "sub/b.bin"}]
    project.point("models/net", project.store(json.dumps(manifest).encode(), folder=True))
    project.write("models/net.mlem", "artifacts:\n  a: {uri: net/a.bin}\n  b: {uri: net/sub/b.bin}\n")
    assert set(contents(project.download("models/net"))) == {"net.mlem", "net/a.bin", "net/sub/b.bin"}


def test_a_git_lfs_pointer_is_named_as_such_and_nothing_is_written(project: Project) -> None:
    project.write("iris.pkl", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n")
    with pytest.raises(ConfigurationError, match="Git LFS"):
        project.download("iris.pkl")
    assert not project.out.exists()


def test_a_path_with_nothing_at_it_says_so_and_where_to_look(project: Project) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing at 'models/iris\.pkl'") as caught:
        project.download("models/iris.pkl")
    assert "dvc.yaml" in str(caught.value)
    with pytest.raises(ConfigurationError, match="nothing says where"):
        project.download(None)


def test_an_object_that_was_never_pushed_is_asked_for_with_dvc_push(project: Project) -> None:
    project.point("iris.pkl", hashlib.md5(b"here only").hexdigest())
    with pytest.raises(ConfigurationError, match="does not have the object") as caught:
        project.download("iris.pkl")
    assert "dvc push" in str(caught.value)
    assert "iris.pkl" in str(caught.value)


def test_the_answer_is_what_dvc_get_gives(dvc: Project) -> None:
    dvc.write("models/iris/weights.bin", b"w" * 100_000)
    dvc.write("models/iris/names.txt", b"a\r\nb\r\n")
    dvc.run("dvc", "add", "--quiet", "models/iris")
    dvc.run("dvc", "push", "--quiet")
    commit = dvc.commit()
    reference = dvc.out.with_name("reference")
    dvc.run("dvc", "get", "--quiet", "--rev", commit, str(dvc.root), "models/iris", "--out", str(reference))
    found = dvc.download("models/iris", commit)
    assert subprocess.run(["diff", "-r", str(reference), str(found.folder / "iris")], check=False).returncode == 0
