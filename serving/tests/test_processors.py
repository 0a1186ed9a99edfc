"""How many workers `auto` is, and how soon one that has died is started again."""

import os

import pytest

from tagboat_server.cli import workers_of
from tagboat_server.processors import allowed, quotas
from tagboat_server.restarts import SLOWEST, TOO_MANY, WINDOW, Restarts
from tagboat_server.spec import Settings

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"
V1 = "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"


@pytest.fixture
def machine(tmp_path):
    """Makes a file system with cgroups."""

    def make(membership, mount, **files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(membership + "\n")
        (tmp_path / "proc/self/mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n" + mount + "\n")
        for name, text in files.items():
            file = tmp_path / "sys/fs/cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        return tmp_path

    return make


def test_the_narrowest_quota_of_version_2_counts(machine):
    files = {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000", "cpu.max": "400000 100000"}
    root = machine("0::/a/b", V2, **files)
    assert sorted(quotas(root)) == [1.5, 4.0]
    assert allowed(root) == 1


def test_a_container_of_version_2_sees_its_own_quota_at_the_root(machine):
    assert list(quotas(machine("0::/", V2, **{"cpu.max": "200000 100000"}))) == [2.0]


def test_a_container_of_version_1_finds_its_quota_below_the_mounts_own_root(machine):
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    root = machine("5:cpu,cpuacct:/docker/1f\n1:name=systemd:/", V1.format(root="/docker/1f"), **files)
    assert list(quotas(root)) == [0.5]
    assert allowed(root) == 1


def test_no_limit_is_no_quota(machine):
    files = {"cpu,cpuacct/x/cpu.cfs_quota_us": "-1", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"}
    root = machine("5:cpu,cpuacct:/x", V1.format(root="/"), **files)
    assert list(quotas(root)) == []
    assert allowed(root) == len(os.sched_getaffinity(0))


def test_a_system_without_cgroups_has_what_it_has(tmp_path):
    assert allowed(tmp_path) == len(os.sched_getaffinity(0))


def test_workers_leave_room_for_the_threads_of_each():
    processors = allowed()
    assert workers_of(Settings(), {}) is None
    assert workers_of(Settings(workers=1), {}) is None
    assert workers_of(Settings(workers=3), {}) == 3
    assert workers_of(Settings(workers="auto"), {}) == processors
    assert workers_of(Settings(workers="auto", threads=processors), {}) == 1
    assert workers_of(Settings(workers="auto", blas_threads=2 * processors), {}) == 1
    assert workers_of(Settings(workers="auto"), {"OMP_NUM_THREADS": str(processors)}) == 1
    with pytest.raises(ValueError, match="workers"):
        Settings(workers=0)


def test_a_crash_now_and_then_is_mended_at_once_and_more_of_them_ever_more_slowly():
    now = [1000.0]
    restarts = Restarts(lambda: now[0])
    restarts.note()
    assert restarts.due
    pauses = []
    for _ in range(TOO_MANY - 1):
        restarts.note()
        pauses.append(restarts.next - now[0])
        now[0] = restarts.next
        assert restarts.due
    assert pauses == sorted(pauses)
    assert pauses[-1] == SLOWEST
    assert restarts.too_many
    now[0] += WINDOW
    restarts.note()
    assert restarts.due
    assert not restarts.too_many
