"""The model's environment: exactly what is locked, made once, whole or not at all."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping import environment, locking
from deployers.wrapping.environment import MARKER, ModelEnvironment
from deployers.wrapping.locking import Lock
from deployers.wrapping.server_wheel import server_wheel
from tests.wrapping import indexes
from tests.wrapping.test_locking import inputs


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return server_wheel(tmp_path / "cache").path


@pytest.fixture
def locked(tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]) -> Lock:
    index.add(indexes.wheel("one", "1.0"))
    return locking.lock(inputs("one"), cache=tmp_path / "cache", environment=alone)


def installed(made: ModelEnvironment) -> dict[str, str]:
    ask = (
        "import json; from importlib import metadata\n"
        "print(json.dumps({found.name: found.version for found in metadata.distributions()}))"
    )
    return dict(json.loads(subprocess.run([made.python, "-I", "-c", ask], check=True, capture_output=True).stdout))


def test_it_holds_what_is_locked_and_the_server_and_nothing_else(
    locked: Lock, server: Path, tmp_path: Path, alone: Mapping[str, str]
) -> None:
    made = environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    assert installed(made) == {"one": "1.0", "tagboat-server": server_wheel(tmp_path / "cache").version}
    assert environment.ensure(locked, server, cache=tmp_path / "cache", environment={}) == made


def test_runs_that_ask_at_once_make_it_once(
    locked: Lock, server: Path, tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    def ask(_: int) -> ModelEnvironment:
        return environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)

    index.requests.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert sum(path.endswith(".whl") for path in index.requests) == 1


def test_an_unfinished_one_is_made_anew(locked: Lock, server: Path, tmp_path: Path, alone: Mapping[str, str]) -> None:
    made = environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    (made.folder / MARKER).unlink()
    left = made.folder / "lib" / "left-behind.txt"
    left.write_text("half")
    environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    assert not left.exists()
    assert "one" in installed(made)


def test_one_whose_interpreter_was_uninstalled_is_made_anew(
    locked: Lock, server: Path, tmp_path: Path, alone: Mapping[str, str]
) -> None:
    made = environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    made.python.unlink()
    made.python.symlink_to(tmp_path / "gone")
    environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    assert "one" in installed(made)


def test_a_killed_run_leaves_nothing_half_and_its_orphaned_uv_keeps_the_next_one_out(
    locked: Lock, server: Path, tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    index.gate.clear()
    index.downloading.clear()
    script = (
        "import sys, os, msgspec; from pathlib import Path\n"
        "from deployers.wrapping import environment; from deployers.wrapping.locking import Lock\n"
        "lock = msgspec.json.decode(sys.argv[1], type=Lock)\n"
        "environment.ensure(lock, Path(sys.argv[2]), cache=Path(sys.argv[3]), environment=os.environ)"
    )
    # A uv cache of its own: the lock's has the wheel's metadata, not the wheel.
    variables = {**alone, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    arguments = [msgspec.json.encode(locked).decode(), str(server), str(tmp_path / "cache")]
    run = subprocess.Popen([sys.executable, "-P", "-c", script, *arguments], env=variables)
    assert index.downloading.wait(60)
    run.send_signal(signal.SIGKILL)
    run.wait()
    folder = tmp_path / "cache" / "environments" / environment.key(locked, server)
    assert folder.exists()
    assert not (folder / MARKER).exists()
    with folder.with_suffix(".lock").open() as held, pytest.raises(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    index.gate.set()
    made = environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    assert "one" in installed(made)


def test_a_python_that_is_not_to_be_had_is_an_error_never_a_substitute(
    locked: Lock, server: Path, tmp_path: Path, alone: Mapping[str, str]
) -> None:
    other = msgspec.structs.replace(locked, python="3.9.0")
    with pytest.raises(ConfigurationError, match=r"Python 3\.9\.0.* not to be had"):
        environment.ensure(other, server, cache=tmp_path / "cache", environment=alone)
    folder = tmp_path / "cache" / "environments" / environment.key(other, server)
    assert not (folder / MARKER).exists()


def test_other_bytes_under_a_locked_name_are_refused(
    locked: Lock, server: Path, tmp_path: Path, index: indexes.Index, alone: Mapping[str, str]
) -> None:
    index.files = dict([indexes.wheel("one", "1.0", {"one.py": "import os; os.system('id')"})])
    with pytest.raises(RefusedError, match="not the one that was locked"):
        environment.ensure(
            locked, server, cache=tmp_path / "cache", environment={**alone, "UV_CACHE_DIR": str(tmp_path / "empty")}
        )


def test_another_server_python_or_lock_is_another_environment(locked: Lock, server: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    other.write_bytes(server.read_bytes() + b"\0")
    keys = {
        environment.key(locked, server),
        environment.key(locked, other),
        environment.key(msgspec.structs.replace(locked, python="3.12"), server),
        environment.key(msgspec.structs.replace(locked, text="two==1\n"), server),
    }
    assert len(keys) == 4


def test_the_server_is_found_neither_in_the_working_directory_nor_by_pythonpath(
    locked: Lock, server: Path, tmp_path: Path, alone: Mapping[str, str]
) -> None:
    made = environment.ensure(locked, server, cache=tmp_path / "cache", environment=alone)
    for name in ("tagboat_server", "msgspec"):
        (tmp_path / f"{name}.py").write_text("print('hijacked')")
    done = subprocess.run(
        made.command("--version"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert b"hijacked" not in done.stdout + done.stderr
