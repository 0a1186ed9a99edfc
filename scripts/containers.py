"""Install what the tests of images need, from Debian: podman, runc, skopeo, docker-registry, debootstrap.

    sudo python3 scripts/containers.py

Does nothing where everything is there. The tests skip where something is missing, with this command as the reason;
with CI=true they fail instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
    "debootstrap": "debootstrap",
}
"""Program → package. runc, since crun 1.8 does not start on hybrid cgroups."""

SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing() -> list[str]:
    """The packages whose programs are not here."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program, path=SEARCHED) is None]


def main() -> None:
    """Install what is missing; says so where that can't be done."""
    packages = missing()
    if not packages:
        return
    apt = shutil.which("apt-get")
    if sys.platform != "linux" or apt is None or os.geteuid() != 0:
        sys.exit(f"containers: {', '.join(packages)} missing; on Debian: sudo python3 scripts/containers.py")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"containers: installing {', '.join(packages)}", flush=True)
    subprocess.run([apt, "update", "-qq"], check=True, env=environment)
    install = [apt, "install", "-qq", "--yes", "--no-install-recommends"]
    subprocess.run([*install, *packages], check=True, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
