"""`serve` alone, as SageMaker and images start the server: the environment says the rest."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tagboat_server.container import read_container
from tagboat_server.errors import SettingsError
from tagboat_server.spec import read_settings

SERVE = [sys.executable, "-P", "-m", "tagboat_server", "serve"]


def clean(**variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAGBOAT_", "SAGEMAKER_", "SM_"))}
    return {**kept, **variables}


def free_port():
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(folder, *arguments, **variables):
    """A server started by `serve` alone, once it says that it is ready; its port."""
    port = free_port()
    environment = clean(SAGEMAKER_BIND_TO_PORT=str(port), **variables)
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen([*SERVE, *arguments], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            events = []
            for line in process.stderr:
                log.write(line)
                events.append(json.loads(line))
                if events[-1]["event"] in {"ready", "failed"}:
                    break
            yield process, port, events
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(60)
            process.stderr.close()


def answer(port, method, path, body=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"content-type": "application/json"} if body else {})
    response = connection.getresponse()
    found = response.status, response.read(), dict(response.getheaders())
    connection.close()
    return found


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_serve_alone_serves_the_bundle_that_sagemaker_has_unpacked(tmp_path, forest_bundle):
    before = listing(forest_bundle)
    variables = {
        "SM_MODEL_DIR": str(forest_bundle),
        "SAGEMAKER_SAFE_PORT_RANGE": "21000-22000",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "40",
        "TAGBOAT_RELEASE": "r7",
    }
    with started(tmp_path, **variables) as (process, port, events):
        assert events[-1]["listening"] == [f"http://0.0.0.0:{port}"]
        assert answer(port, "GET", "/ping")[0] == 200
        status, body, headers = answer(port, "POST", "/invocations", b"[[5.1, 3.5, 1.4, 0.2]]")
        assert (status, body) == (200, b'{"predictions":["setosa"]}')
        assert headers["x-amzn-sagemaker-custom-attributes"] == "tagboat-release=r7"
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line)["event"] for line in process.stderr]
        assert process.wait(60) == 0
    # No access log: SAGEMAKER_CONTAINER_LOG_LEVEL says that warnings are enough.
    assert rest == ["draining", "drained", "ended"]
    assert listing(forest_bundle) == before


def test_the_command_line_counts_over_the_environment(tmp_path, forest_bundle):
    with started(tmp_path, "--host", "127.0.0.1", "--port", "0", TAGBOAT_BUNDLE=str(forest_bundle)) as started_server:
        _, port, events = started_server
        (address,) = events[-1]["listening"]
        assert address.startswith("http://127.0.0.1:")
        assert address != f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("variables", "where", "words"),
    [
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "SAGEMAKER_MULTI_MODEL", "one model"),
        ({"TAGBOAT_BUNDLE": "/nowhere"}, "/nowhere/model.json", "no bundle"),
        ({"SM_MODEL_DIR": "/nowhere"}, None, "no model.json in /nowhere or /opt/tagboat/bundle"),
    ],
)
def test_what_cannot_be_served_ends_with_2_and_says_why(tmp_path, variables, where, words):
    with started(tmp_path, **variables) as (process, _, events):
        assert process.wait(60) == 2
    assert events[-1]["event"] == "failed"
    assert events[-1]["error"]["where"] == where
    assert words in events[-1]["error"]["message"]


def test_serve_with_a_bundle_still_needs_an_address(forest_bundle):
    done = subprocess.run([*SERVE, str(forest_bundle)], capture_output=True, text=True, env=clean(), check=False)
    assert done.returncode == 2
    assert "nowhere to listen" in done.stderr


@pytest.fixture
def bundles(tmp_path):
    folders = {}
    for name in ("named", "unpacked", "image"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "model.json").write_text("{}")
    return folders


def test_the_bundle_is_the_one_that_is_named_then_sagemakers_then_the_images(bundles):
    environment = {"TAGBOAT_BUNDLE": str(bundles["named"]), "SM_MODEL_DIR": str(bundles["unpacked"])}
    assert read_container(environment, bundles["image"]).bundle == bundles["named"]
    del environment["TAGBOAT_BUNDLE"]
    assert read_container(environment, bundles["image"]).bundle == bundles["unpacked"]
    # An image that was built with its bundle is given an empty folder where SageMaker has nothing to unpack.
    (bundles["unpacked"] / "model.json").unlink()
    assert read_container(environment, bundles["image"]).bundle == bundles["image"]


def test_without_variables_it_listens_on_8080_for_everybody():
    found = read_container({"TAGBOAT_BUNDLE": "/bundle"})
    assert found[:3] == (Path("/bundle"), "0.0.0.0", 8080)


def test_a_container_drains_in_less_than_the_30_seconds_after_which_it_is_killed():
    environment = {"TAGBOAT_BUNDLE": "/bundle"}
    assert read_settings(environment, read_container(environment).settings).drain == 25
    environment["TAGBOAT_SETTINGS"] = '{"drain": 50}'
    assert read_settings(environment, read_container(environment).settings).drain == 50


def test_sagemakers_variables_become_settings_where_ours_say_nothing():
    environment = {
        "TAGBOAT_BUNDLE": "/bundle",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "20",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        "TAGBOAT_SETTINGS": '{"workers": 2}',
    }
    settings = read_settings(environment, read_container(environment).settings)
    assert settings.access_log is False
    assert (settings.workers, settings.request_timeout, settings.default_accept) == (2, 20.0, "text/csv")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("SAGEMAKER_BIND_TO_PORT", "65536"),
        ("SAGEMAKER_BIND_TO_PORT", "٨٠٨٠"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "21000"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "22000-21000"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "1-99999"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "loud"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "many"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "-1"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused_by_its_name(name, value):
    with pytest.raises(SettingsError) as refused:
        read_container({"TAGBOAT_BUNDLE": "/bundle", name: value})
    assert refused.value.where == name


@pytest.mark.parametrize("word", ["false", "False", "0", ""])
def test_no_multi_model_endpoint_is_what_the_variable_may_say(word):
    assert read_container({"TAGBOAT_BUNDLE": "/bundle", "SAGEMAKER_MULTI_MODEL": word}).port == 8080
