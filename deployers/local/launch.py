"""Becomes a model's server; started by path as ``python -I -S launch.py FOLDER LOG-LIMIT USER PROGRAM ARGUMENT…``.

No supervisor watches a server, and whoever starts one may be killed at any moment. So:

- Nothing runs that is not written down. The starter writes down our process id and then sends ``g`` through the
  leash, a pipe; when the leash ends before that, we end too.
- A server on trial dies with its starter. Until the starter sends ``s`` (stay), the end of the leash kills it.
- The file ``alive`` is locked by the server as long as it lives (the lock comes along through `exec`): a proof that
  neither a reused process id, nor a changed clock, nor a reboot can forge.
- The log is bounded. A fork of ours reads the server's output and turns the file over; it holds the leash too.

Only the standard library, and of that little: this runs before the interpreter's site is set up.
"""

import os
import select
import signal
import sys

LEASH = 3
ALIVE = 4


def main() -> None:
    """Wait for the word, split off the keeper of the log, and become the server."""
    folder, limit, user, *command = sys.argv[1:]
    os.setsid()
    os.umask(0o077)
    os.chdir(folder)  # noqa: PTH208,RUF100
    if os.read(LEASH, 1) != b"g":
        return
    output, into = os.pipe()
    if os.fork() == 0:
        # Forked twice, so that the server has no child that it does not know.
        if os.fork() == 0:
            os.close(ALIVE)
            os.close(into)
            keep_log(output, int(limit))
        os._exit(0)
    os.wait()
    os.close(LEASH)
    os.dup2(into, 1)
    os.dup2(into, 2)
    os.close(into)
    os.close(output)
    # A home of its own: libraries that want one must not find ours by the password file.
    os.environ.setdefault("HOME", folder)
    if user != "-":
        # The keeper of the log stays who we were: the leash must be able to end the server.
        uid, gid = map(int, user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.execv(command[0], command)  # noqa: S606 - an argument list, no shell


def keep_log(output: int, limit: int) -> None:
    """Write what the server says to ``log``, at most twice ``limit`` bytes with the file before it."""
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    watched = [output, LEASH]
    written = limit
    log = -1
    while True:
        ready, _, _ = select.select(watched, [], [])
        if LEASH in ready:
            if os.read(LEASH, 1) == b"":
                os.killpg(os.getpgrp(), signal.SIGKILL)
            watched.remove(LEASH)
            os.close(LEASH)
        if output not in ready:
            continue
        text = os.read(output, 65536)
        if not text:
            return
        try:
            if written + len(text) > limit:
                if log >= 0:
                    os.close(log)
                    os.replace("log", "log.1")  # noqa: PTH105
                log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                written = 0
            written += os.write(log, text)
        except OSError:
            # A full disk costs the log, not the server.
            log, written = -1, limit


if __name__ == "__main__":
    main()
