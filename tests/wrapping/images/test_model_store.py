"""A model too large for an image: its files in a store by content, fetched and verified before the server starts."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployers.errors import CapabilityError, ConfigurationError
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.images import fetch_model, model_store
from deployers.wrapping.images.model_layer import ModelPlace
from tests.wrapping.images import parts
from tests.wrapping.images.bundles import small
from tests.wrapping.images.conftest import Yard
from tests.wrapping.images.test_image import members, text

pytestmark = pytest.mark.xdist_group("images")

MODEL = os.urandom(3_000_000)


@pytest.fixture
def large(tmp_path: Path, bundle: Bundle) -> Bundle:
    return small(tmp_path / "large", bundle.lock, model={"iris.joblib": MODEL, "part/two.bin": MODEL[:1000]})


def fetched(folder: Path, wanted: Path, environment: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Run the program as the init container does; its exit code and what it said."""
    command = [sys.executable, "-I", fetch_model.__file__, str(wanted), str(folder)]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True,
                          check=False, timeout=60)  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def test_the_image_has_everything_but_the_model_and_the_pod_gets_it_from_the_store(
    yard: Yard, large: Bundle, s3: Mapping[str, str], registry: parts.RealRegistry, tmp_path: Path
) -> None:
    made = yard.build(large, model=ModelPlace.OBJECT_STORAGE, model_store="s3://models/prod")
    names = members(made, 2).keys()
    assert "opt/tagboat/bundle/model.json" in names
    assert "opt/tagboat/fetch_model.py" in names
    assert not [name for name in names if name.startswith("opt/tagboat/bundle/model/")]
    yard.environment = s3
    pushed = yard.push(made, f"{registry.plain}/acme/large")
    assert pushed.sent > len(MODEL)
    assert yard.push(made, f"{registry.plain}/acme/large").sent == 0
    wanted = tmp_path / "model-files.json"
    wanted.write_text(text(made, 2, "opt/tagboat/bundle/model-files.json"))
    code, said = fetched(tmp_path / "volume", wanted, s3)
    assert code == 0, said
    assert (tmp_path / "volume" / "iris.joblib").read_bytes() == MODEL
    assert (tmp_path / "volume" / "part" / "two.bin").read_bytes() == MODEL[:1000]
    assert [line["event"] for line in fetched(tmp_path / "volume", wanted, s3)[1]] == ["fetched"]


def test_a_store_that_is_not_named_or_of_no_known_kind_is_refused(yard: Yard, large: Bundle) -> None:
    with pytest.raises(CapabilityError, match="no store is named"):
        yard.build(large, model=ModelPlace.OBJECT_STORAGE)
    for store in ("gs://models", "http://x/y", "https://user:password@x/y", "s3://", "/srv"):
        with pytest.raises(ConfigurationError, match="no store for models") as raised:
            yard.build(large, model=ModelPlace.OBJECT_STORAGE, model_store=store)
        assert "password" not in str(raised.value).replace(repr(store), "")


def test_an_unknown_bucket_is_an_error_that_says_which_rights_are_needed(large: Bundle, s3: Mapping[str, str]) -> None:
    from deployers.wrapping.images.model_layer import model_files

    with pytest.raises(ConfigurationError, match="s3:PutObject"):
        model_store.upload(large.folder / "model", model_files(large), "s3://nowhere/x", s3)


def test_a_pod_with_a_web_identity_gets_its_credentials_by_it(s3: Mapping[str, str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    environment = {name: value for name, value in s3.items() if "KEY" not in name}
    environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod"}
    found = fetch_model.credentials(environment, "eu-central-1")
    assert found is not None
    assert all(found[name] for name in ("id", "secret", "token"))
    assert fetch_model.credentials({}, "eu-central-1") is None


def test_the_signature_is_what_botocore_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    environment = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session",
                   "AWS_REGION": "eu-west-1"}  # fmt: skip
    address, headers = fetch_model.signed("s3://models/a b/sha256/ü", {}, environment)
    assert address == "https://models.s3.eu-west-1.amazonaws.com/a%20b/sha256/%C3%BC"
    request = AWSRequest("GET", address, headers={"x-amz-content-sha256": headers["x-amz-content-sha256"]})
    signer = S3SigV4Auth(Credentials("AKID", "secret", "session"), "s3", "eu-west-1")
    now = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime",
        lambda remove_tzinfo=True: now.replace(tzinfo=None) if remove_tzinfo else now,
    )
    signer.add_auth(request)
    assert headers["Authorization"] == request.headers["Authorization"]


# The program against a store that misbehaves


class Store:
    """Serves one file; breaks off after ``cut`` bytes as often as ``cuts`` says; or serves ``content`` instead."""

    def __init__(self) -> None:
        self.content = MODEL
        self.cuts = 0
        self.statuses: list[int] = []
        self.ranges: list[str | None] = []
        self.port = 0

    def file(self, folder: Path, **more: Any) -> dict[str, Any]:
        return {"path": "iris.joblib", "sha256": hashlib.sha256(MODEL).hexdigest(), "size": len(MODEL),
                "url": f"http://127.0.0.1:{self.port}/x", **more}  # fmt: skip


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            store.ranges.append(asked)
            if store.statuses:
                self.send_response(store.statuses.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(asked[6:].rstrip("-")) if asked else 0
            body = store.content[start:]
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if store.cuts > 0:
                store.cuts -= 1
                body = body[:1_000_000]
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield store
        server.shutdown()
        thread.join()


def test_a_broken_line_is_gone_on_with_where_it_broke(store: Store, tmp_path: Path) -> None:
    store.cuts = 2
    fetch_model.fetch(store.file(tmp_path), tmp_path, {}, pause=0)
    assert (tmp_path / "iris.joblib").read_bytes() == MODEL
    assert store.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_busy_store_is_asked_again_and_a_missing_file_is_not(store: Store, tmp_path: Path) -> None:
    store.statuses = [503, 429]
    fetch_model.fetch(store.file(tmp_path), tmp_path, {}, pause=0)
    assert len(store.ranges) == 3
    store.statuses = [404]
    with pytest.raises(ValueError, match="404"):
        fetch_model.fetch(store.file(tmp_path, path="other"), tmp_path, {}, pause=0)


def test_C2_other_bytes_never_become_the_model(store: Store, tmp_path: Path) -> None:
    for content in (MODEL[:-1] + b"x", MODEL + b"more"):
        store.content = content
        if content[: len(MODEL)] == MODEL:
            fetch_model.fetch(store.file(tmp_path), tmp_path, {}, pause=0)  # what is beyond its size is not read
            assert (tmp_path / "iris.joblib").stat().st_size == len(MODEL)
        else:
            with pytest.raises(ValueError, match="not the file that was released"):
                fetch_model.fetch(store.file(tmp_path), tmp_path, {}, pause=0)
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x"])
def test_C3_a_path_that_leaves_the_volume_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="leaves the folder"):
        fetch_model.fetch(store.file(tmp_path, path=path), tmp_path, {}, pause=0)
    assert store.ranges == []


def test_a_failure_is_one_line_of_json_and_exit_1(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.json"
    wanted.write_text(
        json.dumps({"files": [{"path": "x", "sha256": "0" * 64, "size": 1, "url": "file:///etc/passwd"}]})
    )
    code, said = fetched(tmp_path / "volume", wanted, {})
    assert (code, said[0]["event"]) == (1, "failed")
    assert "of no kind that is fetched" in said[0]["message"]


def test_the_program_is_one_that_the_oldest_supported_python_reads() -> None:
    text = Path(fetch_model.__file__).read_text()
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {node.names[0].name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)}
    imported |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_an_image_whose_bundle_is_mounted_has_the_environment_and_the_server_alone(yard: Yard, bundle: Bundle) -> None:
    made = yard.build(bundle, model=ModelPlace.MOUNTED)
    whole = yard.build(bundle)
    (image,), (other,) = made.images, whole.images
    assert image.layers == other.layers[:2]
    assert not [name for place in range(2) for name in members(made, place) if name.startswith("opt/tagboat/bundle")]
    history = json.loads(image.config)["history"]
    assert sum(1 for one in history if not one.get("empty_layer")) == len(
        json.loads(image.config)["rootfs"]["diff_ids"]
    )
    assert made.inputs != whole.inputs
