"""Becomes a model's server; started by path as ``python -I -S launch.py FOLDER LOG-LIMIT USER PROGRAM ARGUMENT…``.

No supervisor watches a server, and whoever starts one may be killed at any moment. So:

- Nothing runs that is not written down. The starter writes down our process id and then sends ``g`` through the
  leash, a pipe; when the leash ends before that, we end too.
- A server on trial dies with its starter. Until the starter sends ``s`` (stay), the end of the leash kills it.
- The file ``alive`` is locked by the server as long as it lives (the lock comes along through `exec`): a proof that
  neither a reused process id, nor a changed clock, nor a reboot can forge.
- The log is bounded: log_keeper.py reads the server's output and turns the file over. It holds the leash too.

Only the standard library, and of that little: this runs before the interpreter's site is set up.
"""

import os
import sys

LEASH = 3
ALIVE = 4


def main() -> None:
    """Wait for the word, split off the keeper of the log, and become the server."""
    folder, limit, user, *command = sys.argv[1:]
    os.setsid()
    os.umask(0o077)
    os.chdir(folder)
    if os.read(LEASH, 1) != b"g":
        return
    output, into = os.pipe()
    if os.fork() == 0:
        # Forked twice, so that the server has no child that it does not know.
        if os.fork() == 0:
            os.close(ALIVE)
            os.close(into)
            os.dup2(output, 0)
            keeper = f"{__file__.rpartition('/')[0]}/log_keeper.py"
            os.execv(sys.executable, [sys.executable, "-I", "-S", keeper, limit])  # noqa: S606 - no shell is wanted
        os._exit(0)
    os.wait()
    os.close(LEASH)
    os.dup2(into, 1)
    os.dup2(into, 2)
    os.close(into)
    os.close(output)
    if user != "-":
        # The keeper of the log stays who we were: the leash must be able to end the server.
        uid, gid = map(int, user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # A home of its own: libraries that want one must not find ours by the password file.
    os.mkdir("home", 0o700)  # noqa: PTH102 - no pathlib before the site
    os.environ.setdefault("HOME", f"{folder}/home")
    os.execv(command[0], command)  # noqa: S606 - an argument list, no shell


if __name__ == "__main__":
    main()
