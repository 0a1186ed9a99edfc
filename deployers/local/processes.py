"""Server processes: started so that none is ever unaccounted for, found again, ended. See launch.py for the how."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deployers.errors import ReleaseFailedError
from deployers.wrapping.isolation import ModelUser

LOG_LIMIT = 1_000_000
"""Bytes of one log file; a server has at most two."""

LAUNCHER = Path(__file__).absolute().with_name("launch.py")


class Leash:
    """Holds a server on trial: it dies with us, unless it is let go. Closed by every way out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def let_go(self) -> None:
        """From here on the server lives by itself."""
        if self._descriptor is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._descriptor, b"s")
            self.close()

    def close(self) -> None:
        """End the server, unless it was let go before."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def start(
    folder: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    write_down: Callable[[int], None],
    user: ModelUser | None = None,
) -> Leash:
    """Start a process with ``folder`` as its working directory and its output in ``folder/log``.

    ``write_down`` gets the process id before the process does anything: when it raises, or we are killed meanwhile,
    nothing runs. The process has an environment of its own and none of our open files, and runs as ``user``.
    """
    identity = f"{user.uid}:{user.gid}" if user is not None else "-"
    if user is not None:
        os.chown(folder, user.uid, user.gid)
    with contextlib.ExitStack() as stack:
        alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, alive)
        fcntl.flock(alive, fcntl.LOCK_EX)
        end, hand = os.pipe()
        stack.callback(os.close, end)
        leash = Leash(hand)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(LAUNCHER), str(folder), str(LOG_LIMIT), identity, *command],
                dict(environment),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, _out_of_the_way(end, stack), 3),
                    (os.POSIX_SPAWN_DUP2, _out_of_the_way(alive, stack), 4),
                ],
            )
            write_down(pid)
            os.write(hand, b"g")
        except BaseException:
            leash.close()
            raise
        return leash


def is_alive(folder: Path) -> bool:
    """Whether the process that was started in the folder still lives, by the lock that only it can hold."""
    try:
        descriptor = os.open(folder / "alive", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the server.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def terminate(folder: Path, pid: int) -> None:
    """Ask the server to finish what is open and end, by SIGTERM."""
    if is_alive(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def kill(folder: Path, pid: int, *, within: float = 10.0) -> None:
    """End the server and whatever it started, at once; returns when it is gone.

    The lock is held, so the process id and the group are still the server's. Raises `ReleaseFailedError` when the
    system can't end it (a process that hangs in the kernel).
    """
    was_ours = False
    for _ in waiting(within):
        if not is_alive(folder):
            break
        was_ours = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    else:
        raise ReleaseFailedError(
            f"process {pid} can't be ended",
            where=str(folder),
            hint="It hangs in the system; restart the machine if it stays.",
        )
    if was_ours:
        exit_status(pid)


def exit_status(pid: int, *, within: float = 0.0) -> int | None:
    """How a child of ours ended (minus the signal that ended it); None when it runs, or is no child of ours.

    ``within``: seconds to wait, since a process lets go of its files a moment before it can be waited for. Only for a
    process id that was seen alive in this run: another child may have an old one by now.
    """
    for _ in waiting(within):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended:
            return os.waitstatus_to_exitcode(status)
    return None


def waiting(seconds: float) -> Iterator[float]:
    """Yield the seconds passed, again and again, a little apart, until ``seconds`` are over."""
    began = time.monotonic()
    pause = 0.005
    yield 0.0
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(min(pause, seconds - passed))
        pause = min(pause * 1.5, 0.2)
        yield time.monotonic() - began


def boot_id() -> str:
    """Names this run of the machine; for telling people that it was restarted, proves nothing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()) // 60)


def last_lines(folder: Path, count: int, *, most: int = 32_768) -> list[str]:
    """The end of a server's log, oldest line first; what is not printable is replaced."""
    text = b""
    for name in ("log", "log.1"):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            text = file.read() + text
        if text.count(b"\n") > count:
            break
    lines = text.decode(errors="replace").splitlines()[-count:]
    return ["".join(char if char.isprintable() or char == "\t" else "�" for char in line)[:2000] for line in lines]


def _out_of_the_way(descriptor: int, stack: contextlib.ExitStack) -> int:
    """A duplicate above the numbers that the launcher expects, so that none is overwritten before it is moved."""
    duplicate = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    stack.callback(os.close, duplicate)
    return duplicate
