"""Which shared libraries the wheels need from the base; a missing one is named before anything is pushed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from deployers.errors import ConfigurationError
from deployers.wrapping.images import elf
from deployers.wrapping.images.documents import Platform
from deployers.wrapping.images.installed import Installed
from deployers.wrapping.images.listing import Listing

DRIVERS = re.compile(
    r"lib(cuda|cudadebugger|nvcuvid|nvidia-[a-z0-9-]+|nvoptix|hsa-runtime64)\.so(\.[0-9.]+)?", re.ASCII
)
"""What a driver of the machine brings into a container when it starts."""

DEBIAN = {
    "libgomp.so.1": "libgomp1", "libstdc++.so.6": "libstdc++6", "libgcc_s.so.1": "libgcc-s1", "libz.so.1": "zlib1g",
    "libgfortran.so.5": "libgfortran5", "libquadmath.so.0": "libquadmath0", "libopenblas.so.0": "libopenblas0",
    "libatomic.so.1": "libatomic1", "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libOpenGL.so.0": "libopengl0",
    "libglib-2.0.so.0": "libglib2.0-0", "libgthread-2.0.so.0": "libglib2.0-0", "libgobject-2.0.so.0": "libglib2.0-0",
    "libX11.so.6": "libx11-6", "libXext.so.6": "libxext6", "libXrender.so.1": "libxrender1", "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6", "libxcb.so.1": "libxcb1", "libexpat.so.1": "libexpat1", "libffi.so.8": "libffi8",
    "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3", "libsqlite3.so.0": "libsqlite3-0", "libpq.so.5": "libpq5",
    "libodbc.so.2": "libodbc2", "libsndfile.so.1": "libsndfile1", "libtbb.so.12": "libtbb12",
    "libxml2.so.2": "libxml2", "libgeos_c.so.1": "libgeos-c1v5", "libspatialindex_c.so.6": "libspatialindex6",
    "liblapack.so.3": "liblapack3", "libblas.so.3": "libblas3", "libnuma.so.1": "libnuma1", "libaio.so.1": "libaio1",
    "libuuid.so.1": "libuuid1",
}  # fmt: skip
"""Which package of Debian and Ubuntu has a library."""


class Need(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A library that no wheel brings along: its name, and a file and package that ask for it."""

    library: str
    package: str
    file: str


def outside(prefix: Path, found: Installed, platform: Platform) -> tuple[Need, ...]:
    """What the wheels installed below ``prefix`` need and do not bring themselves; one entry for each library.

    A library anywhere in the environment counts as brought along: besides RPATH, packages load their libraries by
    hand before what needs them.
    """
    read: dict[str, elf.Dynamic] = {}
    for parent, _, names in os.walk(prefix):
        for name in sorted(names):
            path = Path(parent, name)
            if (path.suffix == ".so" or ".so." in name or os.access(path, os.X_OK)) and (said := elf.read(path)):
                read[path.relative_to(prefix).as_posix()] = said
    ours = {path: said for path, said in read.items() if said.machine == platform.architecture}
    brought = {path.rpartition("/")[2] for path in ours} | {said.soname for said in ours.values() if said.soname}
    needs: dict[str, Need] = {}
    for at, said in sorted(ours.items()):
        for library in said.needed:
            if library not in brought and library not in needs:
                package = found.owners.get(at, at.split("/")[0])
                needs[library] = Need(library=library, package=package, file=at.rpartition("/")[2])
    return tuple(sorted(needs.values()))


def check(needs: Sequence[Need], held: Listing, *, base: str, allowed: Collection[str] = ()) -> None:
    """See that the base has every library. ``allowed``: those that may be missing.

    Raises `ConfigurationError` that names each missing one, who needs it, and for known ones where it comes from.
    """
    missing = [need for need in needs if need.library not in held.libraries and need.library not in allowed
               and not DRIVERS.fullmatch(need.library)]  # fmt: skip
    if not missing:
        return
    told = "; ".join(f"{need.package} needs {need.library} ({need.file})" for need in missing[:10])
    packages = sorted({DEBIAN[need.library] for need in missing if need.library in DEBIAN})
    install = f"apt-get install {' '.join(packages)}" if packages else "install what has it"
    raise ConfigurationError(
        f"the base lacks shared libraries: {told}",
        where=base,
        hint=f"Set `base-image:` to an image that has them (on Debian: {install}), or name a library that is never "
        "loaded under `allow-missing:`. docs/images.md shows how.",
    )
