"""How many processors this process may use: what its affinity names, and what its cgroup's quota pays for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def allowed(root: Path = ROOT) -> int:
    """Whole processors, at least one; a quota of one and a half is one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *(int(quota) for quota in quotas(root))]))


def quotas(root: Path = ROOT) -> Iterator[float]:
    """Processors by the quota of our cgroup and of each cgroup around it, versions 1 and 2 (proc(5), cgroups(7))."""
    for folder in folders(root):
        # Version 2 has both numbers in one file. No limit is `max` there, and -1 in version 1.
        numbers = " ".join(
            line for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us") for line in lines(folder / name)
        ).split()
        if len(numbers) == 2 and all(number.isdecimal() and int(number) for number in numbers):
            yield int(numbers[0]) / int(numbers[1])


def folders(root: Path) -> Iterator[Path]:
    """The folders of our cgroups that may have a quota, innermost first, as far as they are mounted here."""
    memberships = [line.split(":", 2) for line in lines(root / "proc/self/cgroup") if line.count(":") >= 2]
    for line in lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(), "", "", ""][:3]
        if len(before.split()) < 5 or kind not in {"cgroup", "cgroup2"}:
            continue
        mounted, point = before.split()[3:5]
        for _, controllers, path in memberships:
            of_this_mount = (
                controllers == "" if kind == "cgroup2" else "cpu" in controllers.split(",") and has_cpu(options)
            )
            if of_this_mount:
                # A container may see a path of the host's, though its own cgroup is what is mounted.
                inner = path[len(mounted.rstrip("/")) :] if path.startswith(mounted) else ""
                relative = PurePosixPath(inner.strip("/"))
                for part in (relative, *relative.parents):
                    yield root / point.lstrip("/") / part


def has_cpu(options: str) -> bool:
    """Whether a mount of version 1 is the one of the processors' controller."""
    return "cpu" in options.split(",")


def lines(file: Path) -> list[str]:
    """A file's lines; none where it cannot be read, as on systems without cgroups."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
