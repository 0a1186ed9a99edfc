"""C5, C12 (uv and pip), C14: what wrapping meets in a hostile repository, model or package."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployers.errors import RefusedError, ReleaseFailedError
from deployers.wrapping import environment, isolation, locking, uv
from deployers.wrapping.isolation import child_environment
from deployers.wrapping.locking import Index
from deployers.wrapping.scan import Severity, scan
from deployers.wrapping.server_wheel import server_wheel
from deployers.wrapping.wrap import WrapSettings
from tests.wrapping import indexes
from tests.wrapping.conftest import alone, index, shared_cache  # noqa: F401  (fixtures)
from tests.wrapping.models import ugly, wrapped
from tests.wrapping.test_locking import inputs

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-7b3e"
SECRETS = {
    "GITHUB_TOKEN": CANARY, "INPUT_TOKEN": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "ACTIONS_RUNTIME_TOKEN": CANARY,
    "UV_INDEX_URL": f"https://user:{CANARY}@example.com/simple", "PIP_INDEX_URL": f"https://u:{CANARY}@example.com/",
    "HTTPS_PROXY": f"http://user:{CANARY}@proxy:3128", "UV_INDEX_OURS_PASSWORD": CANARY, "SOMETHING_ELSE": CANARY,
    "UV_KEYRING_PROVIDER": CANARY, "NETRC": CANARY, "HOME": f"/home/{CANARY}", "MLFLOW_TRACKING_PASSWORD": CANARY,
}  # fmt: skip


class System:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


class Exec:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import os; os.system('touch pwned')",)


class Nested:
    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (pickle.dumps(System()),)


REBUILT = (
    b"\x80\x04\x8c\x05types\x8c\x0aModuleType\x93\x8c\x01m\x85R"  # a module made on the spot
    b"\x94}\x8c\x01f\x8c\x08builtins\x8c\x04eval\x93sb"  # eval put into it
    b"h\x00."
)
MEMO = b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94\x8c\x05clean\x94000h\x01h\x00\x93\x8c\x0btouch pwned\x85R."


@pytest.mark.parametrize(
    ("name", "content", "payload"),
    [
        ("system", pickle.dumps(System()), "posix.system"),
        ("exec", pickle.dumps(Exec()), "builtins.exec"),
        ("nested", pickle.dumps(Nested()), "posix.system"),
        ("nested-loader", pickle.dumps(Nested()), "_pickle.loads"),
        ("rebuilt", REBUILT, "builtins.eval"),
        ("memo", MEMO, "os.system"),
    ],
)
def test_C5_a_payload_is_found_and_never_unpickled(
    name: str, content: bytes, payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / f"{name}.pkl").write_bytes(content)
    findings = scan(tmp_path / "model").findings
    assert payload in {finding.detail for finding in findings if finding.severity is Severity.DANGEROUS}
    assert not (tmp_path / "pwned").exists()


def test_C5_the_scan_and_the_wrapping_of_a_model_import_nothing_that_unpickles() -> None:
    script = (
        "import sys; from pathlib import Path; import deployers.wrapping.wrap as w\n"
        "from deployers.wrapping import scan; scan.scan(Path(sys.argv[1]))\n"
        "print(sorted({'joblib', 'numpy', 'sklearn', 'cloudpickle', 'dill', 'tagboat_server'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, ROOT / "deployers"], cwd=ROOT, check=True, capture_output=True)
    assert done.stdout.split() == [b"[]"]


def test_C5_the_environment_of_model_code_holds_no_credential_by_any_name(tmp_path: Path) -> None:
    made = child_environment({**SECRETS, "PATH": "/usr/bin", "LC_ALL": "C", "SSL_CERT_FILE": "/ca"}, home=tmp_path)
    assert CANARY not in json.dumps(made)
    assert made["HOME"] == str(tmp_path)
    assert (made["PATH"], made["LC_ALL"], made["SSL_CERT_FILE"]) == ("/usr/bin", "C", "/ca")


def test_C5_model_code_sees_nothing_of_ours(
    shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, folder = tmp_path / "seen.json", tmp_path / "model"
    folder.mkdir()
    look = (
        "import json\n"
        "fds = [os.readlink(f'/proc/self/fd/{fd}') for fd in '3456789' if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        f"open({str(seen)!r}, 'w').write(json.dumps({{'environ': dict(os.environ), 'cwd': os.getcwd(), 'fds': fds}}))\n"
        "raise SystemExit(7)"
    )
    secret = tmp_path / "secret"
    secret.write_text(CANARY)
    with secret.open() as held, pytest.raises(ReleaseFailedError):
        os.set_inheritable(held.fileno(), True)
        environment = {**os.environ, "GITHUB_TOKEN": CANARY, "AWS_SESSION_TOKEN": CANARY, "ANYTHING": CANARY}
        wrapped(folder, "ugly.pkl", ugly(folder, look), shared_cache, store=tmp_path / "store", environment=environment)
    found = json.loads(seen.read_text())
    assert CANARY not in json.dumps(found["environ"])
    assert found["environ"]["HOME"] == found["cwd"]
    assert found["cwd"] not in {os.getcwd(), os.path.expanduser("~")}
    assert str(secret) not in found["fds"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_C5_a_child_cannot_read_the_environment_of_the_process_that_holds_credentials() -> None:
    script = (
        "import os, pwd, sys; from pathlib import Path\n"
        "from deployers.wrapping.children import run; from deployers.wrapping.isolation import ModelUser, conceal\n"
        "command = ['/bin/cat', f'/proc/{os.getpid()}/environ']\n"
        "nobody = pwd.getpwnam('nobody')\n"
        "user = ModelUser(nobody.pw_uid, nobody.pw_gid) if os.geteuid() == 0 else None\n"
        "before = run(command, Path('/'), {}, None, 60)\n"
        "conceal()\n"
        "after = run(command, Path('/'), {}, user, 60)\n"
        "assert os.environ['GITHUB_TOKEN'] in before[1], 'otherwise this test shows nothing'\n"
        "assert after[0] != 0 and os.environ['GITHUB_TOKEN'] not in after[1], after\n"
    )
    variables = {**os.environ, "GITHUB_TOKEN": CANARY}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=variables, check=True)


def test_C5_a_user_without_a_way_to_the_files_is_noticed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        assert isolation.model_user("nobody") is None
        return
    nobody = isolation.model_user("nobody")
    assert nobody is not None
    tmp_path.chmod(0o700)
    (tmp_path / "file").touch()
    assert not isolation.reaches(nobody, Path(sys.executable), tmp_path / "file")
    assert isolation.model_user("no-such-user-here") is None


def test_C5_a_model_that_never_ends_is_ended_with_all_it_started(tmp_path: Path) -> None:
    from deployers.wrapping.children import run

    grandchild = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); time.sleep(1000)"
    code, log = run([sys.executable, "-c", grandchild], tmp_path, dict(os.environ), None, 1.5)
    assert code is None
    with pytest.raises(ProcessLookupError):
        os.kill(_living(int(log)), 0)


def _living(pid: int) -> int:
    """The process id, or one that cannot be where it is only waiting to be collected by init."""
    state = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux" and state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
        return 2**22
    return pid


HOSTILE = {
    "uv.toml": 'index-url = "{evil}"\n[pip]\nindex-url = "{evil}"\n',
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n[tool.uv]\nindex-url = "{evil}"\n[tool.uv.pip]\nindex-url = "{evil}"\n',
    "pip.conf": "[global]\nindex-url = {evil}\n",
    ".python-version": "2.7\n",
    ".env": "UV_DEFAULT_INDEX={evil}\n",
    "sitecustomize.py": "open('pwned', 'w')\n",
    "usercustomize.py": "open('pwned', 'w')\n",
    "msgspec.py": "open('pwned', 'w')\n",
    "uv.py": "open('pwned', 'w')\n",
    "deployers/__init__.py": "open('pwned', 'w')\n",
    "tagboat_server/__init__.py": "open('pwned', 'w')\n",
}


def test_C12_nothing_in_the_checkout_steers_uv_or_python(
    tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    checkout = tmp_path / "checkout"
    index.add(indexes.wheel("one", "1.0"))
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "import os; from pathlib import Path\n"
        "from deployers.wrapping import environment, locking, requirement_lines\n"
        "from deployers.wrapping.server_wheel import server_wheel\n"
        "cache = Path(sys.argv[1]); lines = requirement_lines.from_text('r.txt', b'one')\n"
        "inputs = locking.LockInputs(lines=lines, server=(), python='3.11', source='r.txt')\n"
        "lock = locking.lock(inputs, cache=cache, environment=os.environ)\n"
        "environment.ensure(lock, server_wheel(cache).path, cache=cache, environment=os.environ)\n"
        "print(lock.text)"
    )
    with indexes.serving() as evil:
        evil.add(indexes.wheel("one", "6.6.6"))
        for name, text in HOSTILE.items():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_text(text.format(evil=evil.url))
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, tmp_path / "cache", ROOT],
            cwd=checkout, env=dict(alone), check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert evil.requests == []
    assert "one==1.0" in done.stdout
    assert not list(checkout.rglob("pwned"))


def test_C12_variables_that_name_a_configuration_do_not_reach_uv() -> None:
    named = {
        "UV_CONFIG_FILE": "x", "UV_ENV_FILE": "x", "UV_PROJECT": "x", "UV_OVERRIDE": "x", "UV_CONSTRAINT": "x",
        "UV_PYTHON": "x", "UV_NO_VERIFY_HASHES": "1", "VIRTUAL_ENV": "x", "PYTHONPATH": "x", "GITHUB_TOKEN": "x",
    }  # fmt: skip
    assert uv.allowed(named) == {}


# C14

BACKEND = r"""
import json, os, pathlib, zipfile
seen = pathlib.Path({seen!r})
def parent():
    try: return pathlib.Path(f"/proc/{{os.getppid()}}/environ").read_text()
    except OSError as error: return type(error).__name__
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    seen.write_text(json.dumps({{"environ": dict(os.environ), "uv": parent()}}))
    name = "built-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        archive.writestr("built.py", "")
        archive.writestr("built-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: built\nVersion: 1.0\n")
        archive.writestr("built-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("built-1.0.dist-info/RECORD", "")
    return name
"""


def test_C14_an_sdist_is_refused_and_nothing_of_it_runs(
    tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    index.add(indexes.sdist("built", "1.0", BACKEND.format(seen=str(tmp_path / "seen"))))
    with pytest.raises(Exception, match="no wheel") as raised:
        locking.lock(inputs("built"), cache=tmp_path, environment=alone)
    assert "allow-build" in str(raised.value)
    assert not (tmp_path / "seen").exists()


def test_C14_an_address_is_refused(tmp_path: Path, alone: Mapping[str, str]) -> None:
    with pytest.raises(RefusedError, match="address"):
        locking.lock(inputs("x @ https://example.com/x-1.0.tar.gz"), cache=tmp_path, environment=alone)


def test_C14_where_builds_are_allowed_they_see_no_credential(
    tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    index.add(indexes.sdist("built", "1.0", BACKEND.format(seen=str(tmp_path / "seen"))))
    secrets = {name: value for name, value in SECRETS.items() if name not in {"HOME", "HTTPS_PROXY"}}
    variables = {**secrets, **alone, "HTTPS_PROXY": f"http://user:{CANARY}@proxy:3128"}
    lock = locking.lock(inputs("built", allow_build=True), cache=tmp_path / "cache", environment=variables)
    environment.ensure(lock, server_wheel(tmp_path / "cache").path, cache=tmp_path / "cache", environment=variables)
    seen = (tmp_path / "seen").read_text()
    assert "PATH" in seen
    assert CANARY not in seen


def test_C14_builds_and_an_index_with_credentials_do_not_go_together(tmp_path: Path, alone: Mapping[str, str]) -> None:
    private = Index(url="https://reader:${env:INDEX_PASSWORD}@example.com/simple/")
    with pytest.raises(RefusedError, match="credentials"):
        locking.lock(
            inputs("one", allow_build=True, indexes=(private,)),
            cache=tmp_path,
            environment={**alone, "INDEX_PASSWORD": CANARY},
        )
    assert WrapSettings().allow_build is False
