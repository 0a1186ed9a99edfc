"""What was downloaded is kept, shared, and believed only after it was read again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from entrypoint.downloading.cache import Cache, default_cache
from entrypoint.downloading.locking import hold, is_abandoned
from entrypoint.errors import ConfigurationError, RefusedError
from tests.download.projects import Project, contents


def _cached(project: Project) -> list[Path]:
    return sorted(file for file in (project.cache / "md5").rglob("*") if file.is_file())


def test_a_second_download_transfers_nothing(project: Project) -> None:
    project.point("iris.pkl", project.store(b"weights"))
    commit = project.commit()
    assert project.download("iris.pkl", commit).transferred == len(b"weights")
    for file in project.storage.rglob("*"):
        if file.is_file():
            file.unlink()
    again = project.download("iris.pkl", commit, out=project.out.with_name("again"))
    assert again.transferred == 0
    assert contents(again) == {"iris.pkl": b"weights"}


def test_a_damaged_object_in_the_cache_is_downloaded_anew(project: Project) -> None:
    project.point("iris.pkl", project.store(b"weights"))
    commit = project.commit()
    project.download("iris.pkl", commit, link=False)
    (cached,) = _cached(project)
    cached.chmod(0o644)
    cached.write_bytes(b"weighty")
    again = project.download("iris.pkl", commit, out=project.out.with_name("again"))
    assert contents(again) == {"iris.pkl": b"weights"}
    assert again.transferred == len(b"weights")


@pytest.mark.parametrize("planted", ["link", "folder", "fifo"])
def test_what_is_no_plain_file_in_the_cache_is_never_followed(project: Project, tmp_path: Path, planted: str) -> None:
    value = project.store(b"weights")
    project.point("iris.pkl", value)
    place = Cache(project.cache).path_of("md5", value)
    place.parent.mkdir(parents=True)
    if planted == "link":
        (tmp_path / "elsewhere").write_bytes(b"weights")
        place.symlink_to(tmp_path / "elsewhere")
    elif planted == "folder":
        (place / "below").mkdir(parents=True)
    else:
        os.mkfifo(place)
    assert contents(project.download("iris.pkl")) == {"iris.pkl": b"weights"}
    assert place.is_file()
    assert not place.is_symlink()


def test_the_same_bytes_lie_in_the_cache_once_and_are_transferred_once(project: Project) -> None:
    value = project.store(b"same")
    manifest = [{"md5": value, "relpath": f"{number}.bin"} for number in range(20)]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    found = project.download("iris")
    assert len(found.files) == 20
    assert len(_cached(project)) == 2  # the manifest and the one object
    assert found.transferred == len(json.dumps(manifest)) + 4


def test_files_are_read_only_links_into_the_cache_or_copies_of_their_own(project: Project) -> None:
    project.point("iris.pkl", project.store(b"weights"))
    commit = project.commit()
    linked = project.download("iris.pkl", commit).folder / "iris.pkl"
    copied = project.download("iris.pkl", commit, out=project.out.with_name("copy"), link=False).folder / "iris.pkl"
    (cached,) = _cached(project)
    assert linked.samefile(cached)
    assert not copied.samefile(cached)
    assert linked.stat().st_mode & 0o7777 == copied.stat().st_mode & 0o7777 == 0o444


def test_a_folder_that_holds_the_same_already_is_left_alone_and_any_other_is_not_touched(project: Project) -> None:
    project.point("iris.pkl", project.store(b"weights"))
    commit = project.commit()
    project.out.mkdir(parents=True)
    first = project.download("iris.pkl", commit)
    inode = (first.folder / "iris.pkl").stat().st_ino
    assert project.download("iris.pkl", commit, link=False).files == first.files
    assert (first.folder / "iris.pkl").stat().st_ino == inode
    (project.out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds something else"):
        project.download("iris.pkl", commit)
    assert {file.name for file in project.out.iterdir()} == {"iris.pkl", "notes.txt"}
    assert [path.name for path in project.out.parent.iterdir() if ".tagboat-" in path.name] == []


def test_runs_at_the_same_time_do_not_disturb_one_another(project: Project) -> None:
    objects = [os.urandom(200_000) for _ in range(6)]
    manifest = [{"md5": project.store(one), "relpath": f"{number}.bin"} for number, one in enumerate(objects)]
    project.point("iris", project.store(json.dumps(manifest).encode(), folder=True))
    commit, settings, failures = project.commit(), project.settings(), []

    def run(out: Path) -> None:
        try:
            found = project.download("iris", commit, out=out, remotes=settings)
            assert contents(found) == {f"iris/{number}.bin": one for number, one in enumerate(objects)}
        except BaseException as error:
            failures.append(error)

    runs = [threading.Thread(target=run, args=(project.out.with_name(f"out{number % 3}"),)) for number in range(6)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert failures == []
    assert list((project.cache / "incoming").iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from entrypoint.downloading.cache import Cache
from entrypoint.downloading.destination import staged

def endless():
    yield b"half"
    print("there", flush=True)
    sys.stdin.read()

with staged(Path(sys.argv[2]), link=True) as staging:
    Cache(Path(sys.argv[1])).add("md5", "0" * 32, endless())
"""


def test_a_killed_run_leaves_nothing_half_there_and_the_next_one_cleans_up(project: Project) -> None:
    arguments = [sys.executable, "-c", KILLED, str(project.cache), str(project.out)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        cache = Cache(project.cache)
        cache.sweep()
        (arriving,) = (project.cache / "incoming").iterdir()  # in work: left alone
        os.utime(arriving, (0, 0))
        cache.sweep()
        assert arriving.exists()  # however old it looks
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not project.out.exists()
    assert not (project.cache / "md5").exists()
    for leftover in (*project.out.parent.glob(".*.tagboat-*"), arriving):
        os.utime(leftover, (0, 0))
    project.point("iris.pkl", project.store(b"weights"))
    project.download("iris.pkl")
    assert list((project.cache / "incoming").iterdir()) == []
    assert [path.name for path in project.out.parent.iterdir() if ".tagboat-" in path.name] == []


def test_a_new_file_is_never_taken_for_an_abandoned_one(tmp_path: Path) -> None:
    file = tmp_path / "new"
    file.touch()
    assert not is_abandoned(file)
    os.utime(file, (0, 0))
    assert is_abandoned(file)
    with file.open() as held:
        hold(held.fileno())
        assert not is_abandoned(file)


def test_progress_ends_at_the_total_and_never_passes_it(project: Project) -> None:
    project.point("iris.pkl", project.store(b"w" * 3_000_000), more="  size: 3000000\n")
    project.download("iris.pkl")
    done = [heard.done for heard in project.heard]
    assert done == sorted(done)
    assert {heard.total for heard in project.heard} == {3_000_000}
    assert done[-1] == 3_000_000
    assert project.heard[-1].file == "iris.pkl"


def test_an_error_leaves_no_destination_and_no_staging(project: Project) -> None:
    value = project.store(b"weights")
    (project.storage / "files" / "md5" / value[:2] / value[2:]).write_bytes(b"wEights")
    project.point("iris.pkl", value)
    with pytest.raises(RefusedError):
        project.download("iris.pkl", out=project.out / "deep" / "er")
    assert list(project.out.rglob("*")) == []


def test_a_place_that_cannot_be_written_to_is_named(project: Project, tmp_path: Path) -> None:
    project.point("iris.pkl", project.store(b"weights"))
    commit = project.commit()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written to") as caught:
        project.download("iris.pkl", commit, out=tmp_path / "file" / "out")
    assert str(tmp_path / "file" / "out") in str(caught.value)
    project.cache = tmp_path / "file"
    with pytest.raises(ConfigurationError, match="cannot be written to"):
        project.download("iris.pkl", commit)


def test_the_default_cache_is_the_user_s_own(tmp_path: Path) -> None:
    assert default_cache({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/tagboat")
    assert default_cache({"XDG_CACHE_HOME": "relative", "HOME": "/h"}) == Path("/h/.cache/tagboat")
