"""The lock: hashes for everything, the same one for the same inputs, and credentials for the resolver alone."""

from __future__ import annotations

import concurrent.futures
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError
from deployers.wrapping import locking, requirement_lines
from deployers.wrapping.locking import Index, Lock, LockInputs
from tests.wrapping import indexes

SECRET = "canary-9f1c"


def inputs(*lines: str, **others: object) -> LockInputs:
    read = requirement_lines.from_text("requirements.txt", "\n".join(lines).encode())
    return LockInputs(lines=read, server=(), python="3.11", source="requirements.txt", **others)  # type: ignore[arg-type]


def sha256(file: tuple[str, bytes]) -> str:
    return f"sha256:{hashlib.sha256(file[1]).hexdigest()}"


@pytest.fixture
def lock(tmp_path: Path, alone: Mapping[str, str]):  # type: ignore[no-untyped-def]
    def make(*lines: str, environment: Mapping[str, str] = alone, **others: object) -> Lock:
        return locking.lock(inputs(*lines, **others), cache=tmp_path / "cache", environment=environment)

    return make


def test_every_package_is_locked_by_its_hashes(lock, index: indexes.Index) -> None:  # type: ignore[no-untyped-def]
    one, two = indexes.wheel("one", "1.0"), indexes.wheel("two", "2.0", tag="py2.py3-none-any")
    index.add(one, two)
    text = lock("one", "two").text
    assert f"one==1.0 \\\n    --hash={sha256(one)}" in text
    assert f"two==2.0 \\\n    --hash={sha256(two)}" in text
    assert index.url not in text


def test_the_same_inputs_give_the_same_lock_also_after_a_newer_version_came(lock, index: indexes.Index) -> None:  # type: ignore[no-untyped-def]
    index.add(indexes.wheel("one", "1.0"))
    first = lock("one")
    index.add(indexes.wheel("one", "2.0"))
    asked = len(index.requests)
    assert lock("one") == first
    assert len(index.requests) == asked
    assert "one==2.0" in lock("one>=1").text


def test_two_runs_at_once_come_to_one_lock(lock, index: indexes.Index) -> None:  # type: ignore[no-untyped-def]
    index.add(indexes.wheel("one", "1.0"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        texts = {made.text for made in pool.map(lambda _: lock("one"), range(4))}
    assert len(texts) == 1


def test_only_the_hashes_that_the_author_lists_are_allowed(lock, index: indexes.Index) -> None:  # type: ignore[no-untyped-def]
    one, other = indexes.wheel("one", "1.0"), indexes.wheel("one", "1.0", tag="py2.py3-none-any")
    index.add(one, other)
    text = lock(f"one==1.0 --hash={sha256(one)}").text
    assert sha256(one) in text
    assert sha256(other) not in text
    with pytest.raises(RefusedError, match=r"one==1\.0"):
        lock(f"one==1.0 --hash=sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["none-such"], "no index has a package none-such"),
        (["one==9"], "no index has one==9"),
        (["one<1.0"], "one"),
        (["one==1.0", "one==2.0"], "contradict"),
        (["windows"], "has no wheel for Python 3.11"),
    ],
)
def test_what_cannot_be_had_is_said_plainly(lines: list[str], says: str, lock, index: indexes.Index) -> None:  # type: ignore[no-untyped-def]
    index.add(
        indexes.wheel("one", "1.0"), indexes.wheel("one", "2.0"), indexes.wheel("windows", "1", tag="cp311-cp311-win32")
    )
    with pytest.raises(ConfigurationError) as raised:
        lock(*lines)
    assert says in raised.value.message
    assert raised.value.where == "requirements.txt"
    assert raised.value.hint


def test_an_index_that_does_not_answer_can_be_tried_again(lock, alone: Mapping[str, str]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreachableError):
        lock("one", environment={**alone, "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"})


def test_a_private_index_gets_its_credentials_and_nothing_else_does(
    lock,
    index: indexes.Index,
    alone: Mapping[str, str],
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    index.password = SECRET
    index.add(indexes.wheel("ours", "1.0"))
    private = Index(url=f"http://reader:${{env:INDEX_PASSWORD}}@127.0.0.1:{index.port}/simple/", default=True)
    made = lock("ours", environment={**alone, "INDEX_PASSWORD": SECRET}, indexes=(private,))
    assert "ours==1.0" in made.text
    assert SECRET not in repr(made)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)


def test_refused_credentials_are_named_by_their_variable_and_never_shown(
    lock,
    index: indexes.Index,
    alone: Mapping[str, str],  # type: ignore[no-untyped-def]
) -> None:
    index.password = "another"
    index.add(indexes.wheel("ours", "1.0"))
    private = Index(url=f"http://reader:${{env:INDEX_PASSWORD}}@127.0.0.1:{index.port}/simple/", default=True)
    with pytest.raises(TagboatError) as raised:
        lock("ours", environment={**alone, "INDEX_PASSWORD": SECRET}, indexes=(private,))
    assert SECRET not in f"{raised.value} {raised.value.__cause__!r}"
    with pytest.raises(ConfigurationError, match="INDEX_PASSWORD"):
        lock("ours", indexes=(private,))


def test_no_secret_enters_the_key_of_a_lock(alone: Mapping[str, str]) -> None:
    private = Index(url="https://reader:${env:INDEX_PASSWORD}@example.com/simple/")
    asked = inputs("one", indexes=(private,))
    keys = {
        locking.key(
            asked, {**alone, "UV_INDEX_URL": f"https://u:{secret}@example.com/simple", "INDEX_PASSWORD": secret}
        )
        for secret in ("one", "two")
    }
    assert len(keys) == 1
    others = [inputs("one"), inputs("two"), inputs("one", allow_build=True)]
    assert len({locking.key(other, alone) for other in others}) == 3


def test_the_index_of_pip_counts_where_uv_has_none(lock, index: indexes.Index, alone: Mapping[str, str]) -> None:  # type: ignore[no-untyped-def]
    index.add(indexes.wheel("one", "1.0"))
    environment = {name: value for name, value in alone.items() if name != "UV_DEFAULT_INDEX"}
    assert "one==1.0" in lock("one", environment={**environment, "PIP_INDEX_URL": index.url}).text
