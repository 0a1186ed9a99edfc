"""SECURITY.md, content: what a hostile commit or a hostile remote brings in the way of a model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.configuration.policy_settings import Limits
from entrypoint.configuration.remotes import Remote
from entrypoint.configuration.schema import Dvc
from entrypoint.downloading.limits import Budget
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.errors import ConfigurationError, RefusedError, TagboatError, UnsafeContentError
from tests.download.fixtures import make_project, nobody_s_credentials, project  # noqa: F401 - fixtures
from tests.download.projects import Project, contents
from tests.download.servers import Handler, http_remote, s3_server, whole

Make = Callable[..., Project]


def _config(url: str, more: str = "") -> str:
    return f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n{more}"


def _refused(project: Project, path: str = "iris", *, kind: type[TagboatError] = UnsafeContentError) -> str:
    """The message of the refusal; nothing was written, in or outside of the destination."""
    with pytest.raises(kind) as caught:
        project.download(path)
    assert not project.out.exists()
    assert list(project.out.parent.glob(".*.tagboat-*")) == []
    return str(caught.value)


# C1: hostile .dvc/config


def test_C1_an_aws_file_of_the_commit_with_a_program_in_it_is_never_read(
    make_project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    canary = tmp_path / "canary"
    with s3_server() as address:
        more = f"    endpointurl = {address}\n    configpath = ../aws.cfg\n"
        project = make_project(_config("s3://bucket/dvc", more))
        project.write("aws.cfg", f"[default]\ncredential_process = /bin/sh -c 'touch {canary}'\n")
        project.point("iris", project.store(b"weights"))
        assert "credential_process" in _refused(project, kind=RefusedError)
    assert not canary.exists()
    assert "AWS_CONFIG_FILE" not in os.environ


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://bucket/dvc", "credentialpath = /tmp/credentials"),
        ("s3://bucket/dvc", "surprise = 1"),
        ("https://127.0.0.1:9/dvc", "ask_password = true"),
        ("https://127.0.0.1:9/dvc", "ssl_verify = certificates/ours.pem"),
        ("https://127.0.0.1:9/dvc", "cert_path = x.pem"),
        ("gs://bucket/dvc", "credentialpath = ../stolen.json"),
        ("ssh://127.0.0.1/dvc", "keyfile = key"),
        ("ssh://127.0.0.1/dvc", "ask_passphrase = true"),
        ("s3://bucket/dvc", "version_aware = true"),
    ],
)
def test_C1_keys_off_the_list_are_refused_by_name(make_project: Make, url: str, line: str) -> None:
    project = make_project(_config(url, f"    {line}\n"))
    project.point("iris", project.store(b"weights"))
    message = _refused(project, kind=RefusedError)
    assert line.partition(" ")[0] in message or "cloud-versioned" in message


@pytest.mark.parametrize(("key", "url"), [("password", "https://host/dvc"), ("secret_access_key", "s3://bucket/dvc")])
def test_C1_secrets_in_a_file_of_the_repository_are_refused_and_not_repeated(
    make_project: Make, key: str, url: str
) -> None:
    project = make_project(_config(url, f"    {key} = s3cret-word\n"))
    project.point("iris", project.store(b"weights"))
    message = _refused(project, kind=RefusedError)
    assert "s3cret-word" not in message
    assert "${env:NAME}" in message


def test_C1_the_runner_s_own_untracked_file_may_hold_secrets_but_a_committed_one_is_no_such_file(
    make_project: Make, tmp_path: Path
) -> None:
    project = make_project(_config("https://host/dvc"))
    project.write(".gitignore", "config.local\n")
    project.write(".dvc/config.local", "['remote \"storage\"']\n    password = s3cret-word\n")
    project.commit()
    settings = project.settings()
    assert settings.resolve("storage", {})["password"] == "s3cret-word"
    project.run("git", "add", "--force", ".dvc/config.local")
    project.commit()
    assert "password" not in project.settings().resolve("storage", {})


def test_C1_the_tagged_commit_s_remotes_are_not_contacted(make_project: Make, tmp_path: Path) -> None:
    """A remote of the commit on another host, one of the same name with another address: neither counts."""
    with http_remote(tmp_path, whole) as hostile:
        project = make_project()
        trusted = RemoteSettings.at_commit(project.repository, project.commit(), "iris", root=project.root)
        hostile.storage = project.storage
        project.write(".dvc/config", _config(hostile.url, f"['remote \"theirs\"']\n    url = {hostile.url}\n"))
        project.point("iris", project.store(b"weights"), more="  remote: theirs\n")
        found = project.download("iris", remotes=trusted)
        assert contents(found) == {"iris": b"weights"}
        assert hostile.asked == []


def test_C1_the_commit_may_name_one_of_our_remotes(make_project: Make, tmp_path: Path) -> None:
    other = tmp_path / "other"
    project = make_project(_config("/nowhere", f"['remote \"Mirror\"']\n    url = {other}\n"))
    project.point("iris", project.store(b"weights"), more="  remote: mirror\n")
    shutil.move(project.storage, other)
    assert contents(project.download("iris")) == {"iris": b"weights"}


def test_C1_remotes_that_refer_to_others_are_checked_with_them(make_project: Make) -> None:
    project = make_project(
        "[core]\n    remote = outer\n"
        "['remote \"inner\"']\n    url = s3://bucket/dvc\n    configpath = aws.cfg\n"
        "['remote \"outer\"']\n    url = remote://inner/below\n"
    )
    project.point("iris", project.store(b"weights"))
    assert "configpath" in _refused(project, kind=RefusedError)
    project.write(".dvc/config", "[core]\nremote = a\n['remote \"a\"']\nurl = remote://a/x\n")
    assert "circle" in _refused(project, kind=ConfigurationError)


@pytest.mark.parametrize(
    "config",
    [
        "['remote \"storage\"'\n    s3cret-word\n",
        "['remote \"storage\"']\n    s3cret-word\n",
        "[core]\n    remote = storage, other\n",
        "['remote \"storage\"']\n    url = a, b\n",
        "['remote \"storage\"']\n    url = %(url)s\n[[deep]]\n[[[er]]]\n",
        "x" * 2_000_000,
        "['remote \"storage\"']\n    url = http://127.0.0.1:9/x\n    auth = digest\n    user = x\n",
        "['remote \"storage\"']\n    url = s3://bucket/x\n    read_timeout = soon\n",
    ],
)
def test_C1_settings_that_make_no_sense_are_an_error_and_no_traceback(make_project: Make, config: str) -> None:
    project = make_project(config)
    project.point("iris", project.store(b"weights"))
    assert "s3cret-word" not in _refused(project, kind=TagboatError)


# C2: poisoned objects


def test_C2_a_poisoned_object_stops_the_run_names_the_file_and_leaves_the_cache_clean(project: Project) -> None:
    good, bad = project.store(b"good"), project.store(b"bad")
    manifest = [{"md5": good, "relpath": "good.bin"}, {"md5": bad, "relpath": "deep/bad.bin"}]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    (project.storage / "files" / "md5" / bad[:2] / bad[2:]).write_bytes(b"b@d")
    assert "iris/deep/bad.bin" in _refused(project, kind=RefusedError)
    assert not (project.cache / "md5" / bad[:2] / bad[2:]).exists()
    assert list((project.cache / "incoming").iterdir()) == []


def test_C2_a_poisoned_manifest_is_never_read(project: Project) -> None:
    value = project.store(b"[]", folder=True)
    (project.storage / "files" / "md5" / value[:2] / value[2:]).write_text('[{"md5": "x", "relpath": "../../escape"}]')
    project.point("iris", value)
    assert "other bytes" in _refused(project, kind=RefusedError)


# C3: paths, links, modes


@pytest.mark.parametrize(
    "relpath",
    [
        "../escape",
        "/etc/escape",
        "a/../../escape",
        "",
        ".",
        "a//b",
        "nul\0byte",
        "line\nbreak",
        ".git/hooks/x",
        ".GIT/x",
        "a/.git./config",
        "git~1/config",
        "C:/escape",
        "..\\escape",
        "a" * 300,
        "x/" * 2000 + "x",
        "\ud800",
    ],
)
def test_C3_a_manifest_cannot_write_elsewhere(project: Project, relpath: str) -> None:
    manifest = [{"md5": project.store(b"x"), "relpath": relpath}]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    _refused(project)
    assert not (project.out.parent / "escape").exists()


@pytest.mark.parametrize(
    "paths",
    [["a", "a"], ["a", "A"], ["a", "a/b"], ["a/b", "A/c"], ["caf\u00e9", "cafe\u0301"], ["ﬁ/x", "fi"]],
)
def test_C3_a_manifest_cannot_have_one_file_overwrite_another(project: Project, paths: list[str]) -> None:
    manifest = [{"md5": project.store(b"x"), "relpath": path} for path in paths]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    _refused(project)


@pytest.mark.parametrize("manifest", ["{}", "[1]", "nonsense", '[{"md5": "../x", "relpath": "a"}]', "[" * 100_000])
def test_C3_a_manifest_that_is_none_is_refused(project: Project, manifest: str) -> None:
    project.point("iris", project.store(manifest.encode(), folder=True))
    _refused(project)


@pytest.mark.parametrize(
    "name", ["../../escape", "/etc/passwd", "a/../../../x", "s3://bucket/x", ".git/config", '"a\\0b"', "remote://s/x"]
)
def test_C3_a_pointer_cannot_name_a_file_outside_the_repository(project: Project, name: str) -> None:
    project.point("iris", project.store(b"x"), name=name)
    _refused(project)


@pytest.mark.parametrize("wdir", ["../..", "/etc", "s3://bucket"])
def test_C3_a_pointer_cannot_work_outside_the_repository(project: Project, wdir: str) -> None:
    project.point("iris", project.store(b"x"), top=f"wdir: {wdir}\n")
    _refused(project)


@pytest.mark.parametrize("value", ["../../../../etc/passwd", "0" * 31, "g" * 32, "0" * 32 + ".dir/x", "''"])
def test_C3_an_object_s_name_is_a_sum_and_nothing_else(project: Project, value: str) -> None:
    project.point("iris", value)
    _refused(project)


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../x", "C:\\x", "a\0b", ".git/config", "."])
def test_C3_an_artifact_s_path_stays_in_the_repository(project: Project, path: str) -> None:
    _refused(project, path)


def test_C3_links_and_submodules_in_git_are_no_part_of_a_model(project: Project) -> None:
    project.write("model/weights.bin", "x")
    (project.root / "model" / "link").symlink_to("/etc/passwd")
    assert "symbolic link" in _refused(project, "model")
    assert "symbolic link" in _refused(project, "model/link")
    (project.root / "model" / "link").unlink()
    commit = project.commit()
    project.run("git", "update-index", "--add", "--cacheinfo", f"160000,{commit},model/sub")
    project.run("git", "commit", "--quiet", "--message", "Submodule")
    with pytest.raises(UnsafeContentError, match="submodule"):
        project.download("model", project.run("git", "rev-parse", "HEAD").strip())


def test_C3_a_pointer_behind_a_link_is_not_followed(project: Project, tmp_path: Path) -> None:
    (project.root / "iris.dvc").symlink_to("/etc/hostname")
    _refused(project, kind=ConfigurationError)


def test_C3_modes_of_the_remote_and_of_the_commit_are_dropped(project: Project) -> None:
    value = project.store(b"#!/bin/sh")
    (project.storage / "files" / "md5" / value[:2] / value[2:]).chmod(0o6777)
    project.point("iris", value, more="  isexec: true\n")
    found = project.download("iris")
    assert (found.folder / "iris").stat().st_mode & 0o7777 == 0o444


def test_C3_a_destination_that_is_a_link_is_not_written_through(project: Project, tmp_path: Path) -> None:
    project.point("iris", project.store(b"weights"))
    victim = tmp_path / "victim"
    victim.mkdir()
    project.out.parent.mkdir(exist_ok=True)
    project.out.symlink_to(victim)
    with pytest.raises(ConfigurationError):
        project.download("iris")
    assert list(victim.iterdir()) == []


# C4: too much


def test_C4_a_model_over_the_limit_is_refused_before_anything_is_asked_for(make_project: Make, tmp_path: Path) -> None:
    with http_remote(tmp_path) as remote:
        project = make_project(_config(remote.url))
        project.point("iris", "0" * 32, more="  size: 10000000001\n")
        assert "10,000,000,001" in _refused(project, kind=RefusedError)
        assert remote.asked == []


def test_C4_a_model_that_lies_about_its_size_is_cut_off(project: Project) -> None:
    value = project.store(b"\0" * 50_000_000)
    project.point("iris", value, more="  size: 10\n")
    assert "other bytes" in _refused(project, kind=RefusedError)
    project.point("iris", value)
    with pytest.raises(RefusedError, match="limit of 1,000,000"):
        project.download("iris", limits=Limits(download_size=1_000_000))
    assert list((project.cache / "incoming").iterdir()) == []


def test_C4_many_small_files_count_together(project: Project) -> None:
    manifest = [{"md5": project.store(bytes([n]) * 400_000), "relpath": str(n)} for n in range(5)]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    commit = project.commit()
    with pytest.raises(RefusedError, match="limit of 1,000,000"):
        project.download("iris", commit, limits=Limits(download_size=1_000_000))
    with pytest.raises(RefusedError, match="5 files, more than the limit of 4"):
        project.download("iris", commit, limits=Limits(files=4))
    for n in range(5):
        project.write(f"plain/{n}", "x" * 400_000)
    commit = project.commit()
    with pytest.raises(RefusedError, match="2,000,000 bytes, more than the limit of 1,000,000"):
        project.download("plain", commit, limits=Limits(download_size=1_000_000))
    with pytest.raises(RefusedError, match="more than the limit of 4"):
        project.download("plain", commit, limits=Limits(files=4))


def test_C4_a_disk_without_room_stops_the_download_before_it_is_full() -> None:
    free = [10 * 10**9]
    budget = Budget(Limits(), Path(tempfile.gettempdir()), free=lambda _: free[0])
    budget.claim(9 * 10**9, missing=9 * 10**9)
    with pytest.raises(RefusedError, match="bytes left"):
        budget.claim(10 * 10**9, missing=10 * 10**9)
    budget.claim(10 * 10**9, missing=0)
    free[0] = 10**8
    with pytest.raises(RefusedError, match="bytes left"):
        budget.spend(100 * 2**20)


def test_C4_time_that_is_up_stops_the_download() -> None:
    now = [0.0]
    budget = Budget(Limits(time=10), Path(tempfile.gettempdir()), clock=lambda: now[0])
    budget.spend(1)
    now[0] = 10.5
    with pytest.raises(RefusedError, match="longer than 10 seconds"):
        budget.spend(1)


# C11: YAML


@pytest.mark.parametrize("file", ["iris.dvc", "dvc.lock", "iris.mlem"])
@pytest.mark.parametrize("bomb", ["aliases", "depth", "tag", "size", "binary", "nonsense"])
def test_C11_yaml_bombs_in_dvc_s_and_mlem_s_files_are_refused_at_once(project: Project, file: str, bomb: str) -> None:
    aliases = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 200)}]\n" for n in range(1, 20))
    project.write(
        file,
        {
            "aliases": aliases.encode(),
            "depth": b"[" * 200_000,
            "tag": b"!!python/object/apply:os.system ['touch canary']\n",
            "size": b"# " + b"x" * (33 * 2**20),
            "binary": b"\xff\xfe\0\0\x01",
            "nonsense": b"outs: [1, {path: [x]}]\nstages: 5\nschema: 2\nartifacts: [x]\nwdir: {}\n",
        }[bomb],
    )
    _refused(project, kind=TagboatError)
    assert not (project.root / "canary").exists()


# C13: imports


@pytest.mark.parametrize(
    "dependency",
    [
        "- path: model.pkl\n  repo:\n    url: {url}\n    rev_lock: 0123456789012345678901234567890123456789\n",
        "- path: {url}/model.pkl\n  etag: abc\n",
        "- path: /etc/passwd\n",
        "- path: model.pkl\n  repo:\n    url: /\n",
    ],
)
def test_C13_an_import_is_never_followed(project: Project, tmp_path: Path, dependency: str) -> None:
    with http_remote(tmp_path) as elsewhere:
        top = "frozen: true\ndeps:\n" + dependency.format(url=elsewhere.url)
        project.point("iris", hashlib.md5(b"weights").hexdigest(), top=top)
        assert "import" in _refused(project, kind=RefusedError)
        project.store(b"weights")
        assert contents(project.download("iris")) == {"iris": b"weights"}
        assert elsewhere.asked == []


@pytest.mark.parametrize("uri", ["https://host/x", "s3://bucket/x", "../../escape", "/etc/passwd"])
def test_C13_data_of_a_mlem_model_that_lies_elsewhere_is_not_fetched(project: Project, uri: str) -> None:
    project.write("iris.mlem", f"artifacts:\n  data:\n    uri: {uri}\n")
    _refused(project, kind=RefusedError)


# C15: a secret of the runner


def test_C15_a_secret_of_the_runner_is_in_no_message_no_file_and_no_progress(
    make_project: Make, tmp_path: Path
) -> None:
    secret = "canary-3f9c1e"

    def echoing(handler: Handler, content: bytes) -> None:
        handler.send_error(403, f"no {handler.headers['X-Token']}")

    with http_remote(tmp_path, echoing) as remote:
        project = make_project(_config(f"{remote.url}?sig={secret}"))
        remote.storage = project.storage
        project.point("iris", project.store(b"weights"))
        project.environment = {**project.environment, "TOKEN": secret}
        dvc = Dvc(
            remotes={
                "storage": Remote(
                    url=f"{remote.url}", auth="custom", custom_auth_header="X-Token", password="${env:TOKEN}"
                )
            }
        )
        settings = project.settings(dvc)
        with pytest.raises(TagboatError) as caught:
            project.download("iris", remotes=settings)
        assert any(secret in headers.get("x-token", "") for _, _, headers in remote.asked)
        remote.answer = whole
        found = project.download("iris", remotes=settings)
    told = [str(caught.value), repr(caught.value), repr(settings), repr(found), repr(project.heard)]
    assert not any(secret in text for text in told)
    for file in (*project.cache.rglob("*"), *project.out.rglob("*")):
        assert secret not in str(file)
        assert not file.is_file() or secret.encode() not in file.read_bytes()
