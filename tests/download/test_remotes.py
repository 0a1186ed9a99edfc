"""Each kind of remote, by DVC's own client, in fair and in foul weather."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entrypoint.configuration.policy_settings import Limits
from entrypoint.configuration.remotes import Remote
from entrypoint.configuration.schema import Dvc
from entrypoint.download import RemoteSettings
from entrypoint.downloading.remotes import open_remote
from entrypoint.errors import ConfigurationError, RefusedError, UnreachableError
from tests.download.projects import Project, contents
from tests.download.servers import Handler, http_remote, s3_server, ssh_server, whole

pytestmark = [  # dvc-http 2.32 hands credentials to aiohttp in the way of old
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

WEIGHTS = os.urandom(3 * 2**20 + 17)

Make = Callable[..., Project]


def _config(url: str, more: str = "") -> str:
    return f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n{more}"


def _over_http(make_project: Make, project_url: str, more: str = "") -> Project:
    project = make_project(_config(project_url, more))
    project.point("iris.pkl", project.store(WEIGHTS), more=f"  size: {len(WEIGHTS)}\n")
    return project


# HTTP


def test_http_serves_a_model(make_project: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    with http_remote(tmp_path_factory.mktemp("unused")) as remote:
        project = _over_http(make_project, remote.url)
        remote.storage = project.storage
        assert contents(project.download("iris.pkl")) == {"iris.pkl": WEIGHTS}
        value = hashlib.md5(WEIGHTS).hexdigest()
        assert [path for _, path, _ in remote.asked] == [f"/store/files/md5/{value[:2]}/{value[2:]}"]


def test_http_credentials_come_from_the_runner_and_are_shown_to_nobody(make_project: Make, tmp_path: Path) -> None:
    def guarded(handler: Handler, content: bytes) -> None:
        if handler.headers["Authorization"] == "Basic dXM6czNjcmV0LXdvcmQ=":
            whole(handler, content)
        else:
            handler.send_error(401, "Unauthorized")

    with http_remote(tmp_path, guarded) as remote:
        project = _over_http(make_project, remote.url)
        remote.storage = project.storage
        with pytest.raises(ConfigurationError, match="does not let us in"):
            project.download("iris.pkl")
        dvc = Dvc(remotes={"storage": Remote(auth="basic", user="us", password="${env:STORE_PASSWORD}")})
        with pytest.raises(ConfigurationError, match="STORE_PASSWORD"):
            project.download("iris.pkl", remotes=project.settings(dvc))
        project.environment = {**project.environment, "STORE_PASSWORD": "s3cret-word"}
        assert contents(project.download("iris.pkl", remotes=project.settings(dvc))) == {"iris.pkl": WEIGHTS}


def test_a_transfer_that_breaks_off_is_tried_again_and_given_up_at_last(make_project: Make, tmp_path: Path) -> None:
    broken = threading.Semaphore(2)

    def breaking(handler: Handler, content: bytes) -> None:
        if broken.acquire(blocking=False):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2])
            handler.close_connection = True
        else:
            whole(handler, content)

    with http_remote(tmp_path, breaking) as remote:
        project = _over_http(make_project, remote.url)
        remote.storage = project.storage
        found = project.download("iris.pkl")
        assert contents(found) == {"iris.pkl": WEIGHTS}
        assert project.heard[-1].done == len(WEIGHTS)
        broken.release(10)
        (project.cache / "md5").rename(project.cache / "old")
        with pytest.raises(UnreachableError, match="broke off") as caught:
            project.download("iris.pkl", out=tmp_path / "again")
        assert "iris.pkl" in str(caught.value)
        assert list((project.cache / "incoming").iterdir()) == []


def test_a_server_that_sends_other_bytes_is_refused(make_project: Make, tmp_path: Path) -> None:
    def poisoned(handler: Handler, content: bytes) -> None:
        whole(handler, b"\0" + content[1:])

    with http_remote(tmp_path, poisoned) as remote:
        project = _over_http(make_project, remote.url)
        remote.storage = project.storage
        with pytest.raises(RefusedError, match="other bytes") as caught:
            project.download("iris.pkl")
        assert "iris.pkl" in str(caught.value)
        assert not (project.cache / "md5").exists()
        assert not project.out.exists()


def test_a_server_that_never_ends_is_left_when_the_time_is_up(make_project: Make, tmp_path: Path) -> None:
    over = threading.Event()

    def dripping(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:10])
        handler.wfile.flush()
        over.wait(60)
        handler.close_connection = True

    with http_remote(tmp_path, dripping) as remote:
        project = _over_http(make_project, remote.url)
        remote.storage = project.storage
        began = time.monotonic()
        with pytest.raises(RefusedError, match="longer than 2 seconds"):
            project.download("iris.pkl", limits=Limits(time=2.0))
        over.set()
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("claimed", [True, False])
def test_a_compressed_bomb_ends_at_the_limit(make_project: Make, tmp_path: Path, claimed: bool) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9)

    def compressed(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    with http_remote(tmp_path, compressed) as remote:
        project = make_project(_config(remote.url))
        remote.storage = project.storage
        project.point("iris.pkl", project.store(b"x" * 1000), more="  size: 1000\n" if claimed else "")
        with pytest.raises(RefusedError, match="other bytes" if claimed else "limit of 5,000,000"):
            project.download("iris.pkl", limits=Limits(download_size=5_000_000))
        assert list((project.cache / "incoming").iterdir()) == []


def test_a_server_that_is_not_there_is_named_and_safe_to_try_again(make_project: Make) -> None:
    project = _over_http(make_project, "http://user:s3cret-word@127.0.0.1:9/store")
    with pytest.raises(UnreachableError) as caught:
        project.download("iris.pkl")
    assert "127.0.0.1:9" in str(caught.value)
    assert "s3cret-word" not in str(caught.value)


# S3


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


def _on_s3(make_project: Make, address: str, monkeypatch: pytest.MonkeyPatch, bucket: str) -> Project:
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-word")
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    project = make_project(_config(f"s3://{bucket}/models", f"    endpointurl = {address}\n    region = us-east-1\n"))
    project.point("iris.pkl", project.store(WEIGHTS), more=f"  size: {len(WEIGHTS)}\n")
    for file in project.storage.rglob("*"):
        if file.is_file():
            client.upload_file(str(file), bucket, f"models/{file.relative_to(project.storage).as_posix()}")
            file.unlink()
    client.close()
    return project


def test_s3_serves_a_model_with_the_runner_s_credentials(
    make_project: Make, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _on_s3(make_project, s3, monkeypatch, "good")
    assert contents(project.download("iris.pkl")) == {"iris.pkl": WEIGHTS}


def test_s3_without_an_object_or_without_credentials_says_which(
    make_project: Make, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _on_s3(make_project, s3, monkeypatch, "lacking")
    project.point("other.pkl", hashlib.md5(b"never pushed").hexdigest())
    with pytest.raises(ConfigurationError, match="does not have the object"):
        project.download("other.pkl")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="does not let us in") as caught:
        project.download("iris.pkl")
    assert "docs/remotes.md" in str(caught.value)


def test_an_object_changed_on_s3_is_refused(make_project: Make, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    project = _on_s3(make_project, s3, monkeypatch, "poisoned")
    value = hashlib.md5(WEIGHTS).hexdigest()
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.put_object(Bucket="poisoned", Key=f"models/files/md5/{value[:2]}/{value[2:]}", Body=WEIGHTS[:-1] + b"!")
    client.close()
    with pytest.raises(RefusedError, match="other bytes"):
        project.download("iris.pkl")
    assert not (project.cache / "md5").exists()


# SSH


@pytest.fixture
def ssh() -> Iterator[tuple[str, str]]:
    """The address of an SFTP server that lets ``us`` in with ``s3cret-word``, and its line for known_hosts."""
    pytest.importorskip("dvc_ssh", reason="the extra 'ssh' is not installed")
    with ssh_server("us", "s3cret-word") as (port, key):
        yield f"ssh://us@127.0.0.1:{port}", f"[127.0.0.1]:{port} {key}"


def _over_ssh(make_project: Make, address: str, password: str) -> tuple[Project, RemoteSettings]:
    project = make_project()
    project.point("iris.pkl", project.store(WEIGHTS), more=f"  size: {len(WEIGHTS)}\n")
    project.environment = {**project.environment, "STORE_PASSWORD": password}
    dvc = Dvc(remotes={"storage": Remote(url=f"{address}{project.storage}", password="${env:STORE_PASSWORD}")})
    return project, project.settings(dvc)


def test_ssh_serves_a_model_and_its_host_key_is_checked_where_the_runner_knows_one(
    make_project: Make, ssh: tuple[str, str]
) -> None:
    project, settings = _over_ssh(make_project, ssh[0], "s3cret-word")
    known = Path(project.environment["HOME"]) / ".ssh" / "known_hosts"
    known.parent.mkdir()
    known.write_text("[127.0.0.1]:1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQ0MTRmNmQ0ZDI4ZjQ1ZmE4ZmI4ZjQ1ZmE4ZmI4\n")
    with pytest.raises(ConfigurationError, match="does not let us in"):
        project.download("iris.pkl", remotes=settings)
    known.write_text(ssh[1] + "\n")
    assert contents(project.download("iris.pkl", remotes=settings)) == {"iris.pkl": WEIGHTS}


def test_ssh_with_a_wrong_password_asks_nobody_and_says_so(make_project: Make, ssh: tuple[str, str]) -> None:
    project, settings = _over_ssh(make_project, ssh[0], "wr0ng-word")
    with pytest.raises(ConfigurationError, match="does not let us in") as caught:
        project.download("iris.pkl", remotes=settings)
    assert "wr0ng-word" not in str(caught.value)


# The others


class _Failure(Exception):
    """As clients say what befell them: aiohttp has a status, Azure's core a status_code, gcsfs and asyncssh a code."""

    def __init__(self, **said: object) -> None:
        super().__init__("no")
        for name, value in said.items():
            setattr(self, name, value)


class _HostKeyNotVerifiableError(_Failure):
    """As asyncssh calls it; its code is SSH's own."""


@pytest.mark.parametrize("said", [{"status": 401}, {"status_code": 403}, {"code": 401}])
def test_a_refusal_is_told_from_a_failure_whichever_client_met_it(project: Project, said: dict[str, object]) -> None:
    remote = open_remote(project.settings(), "storage", {})
    assert isinstance(remote.explain(_Failure(**said), "iris.pkl"), ConfigurationError)
    assert isinstance(remote.explain(_HostKeyNotVerifiableError(code=9), "iris.pkl"), ConfigurationError)
    for failure in ({"status": 503}, {"code": 9}, {"code": "SlowDown"}):
        assert isinstance(remote.explain(_Failure(**failure), "iris.pkl"), UnreachableError)


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("gs://bucket/dvc", "dvc_gs", "gcs"),
        ("azure://container/dvc", "dvc_azure", "azure"),
        ("ssh://host/dvc", "dvc_ssh", "ssh"),
    ],
)
def test_a_remote_whose_extra_is_missing_says_what_to_install(
    make_project: Make, monkeypatch: pytest.MonkeyPatch, url: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    project = _over_http(make_project, url)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        project.download("iris.pkl")
    assert f"pip install 'tagboat[{extra}]'" in str(caught.value)


def test_a_remote_that_nobody_reads_here_says_which_are_read(make_project: Make) -> None:
    project = _over_http(make_project, "webdav://host/dvc")
    with pytest.raises(ConfigurationError, match="webdav://") as caught:
        project.download("iris.pkl")
    assert "s3" in str(caught.value)
