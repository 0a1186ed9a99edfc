"""The first of the three layers: the model's packages, installed by uv for the image's platform and Python.

Wheels only, by their locked hashes; nothing of the packages runs. The installing machine need not have that Python,
nor be of that kind. Kept by its inputs, so that a new model on an old environment installs nothing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deployers.errors import ConfigurationError, TagboatError
from deployers.wrapping import locking
from deployers.wrapping.images import installed, layers, needs, places
from deployers.wrapping.images.base import Interpreter
from deployers.wrapping.images.documents import Platform
from deployers.wrapping.images.installed import MACHINES, Package
from deployers.wrapping.images.layers import Entry, Layer
from deployers.wrapping.images.needs import Need
from deployers.wrapping.images.store import Store, key_of
from deployers.wrapping.locking import Lock
from deployers.wrapping.uv_errors import Subject

RULES = 1
OLDEST, NEWEST = 28, 40
"""The minor versions of glibc that uv has a platform of its own for; 17 besides."""


class EnvironmentLayer(msgspec.Struct, frozen=True, kw_only=True):
    """The layer, what is in it, and what it needs from the base."""

    layer: Layer
    packages: tuple[Package, ...]
    needs: tuple[Need, ...]


def make(
    lock: Lock, platform: Platform, python: Interpreter, glibc: int, *, store: Store, environment: Mapping[str, str]
) -> EnvironmentLayer:
    """The layer of a lock for a platform, the base's Python and glibc 2.``glibc``; made if it is not in the store.

    Raises `ConfigurationError` (a package without a wheel for this platform), `RefusedError`, `UnreachableError`.
    """
    minor = ".".join(python.version.split(".")[:2])
    target = _uv_platform(platform, glibc)
    key = key_of(RULES, layers.RULES, lock.digest, target, python, installed.script("m:f").decode())
    known = store.recall("environments", key, EnvironmentLayer)
    if known is not None and store.holds(known.layer.digest, known.layer.size):
        return known
    store.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="installing-", dir=store.folder) as folder:
        prefix = Path(folder) / "prefix"
        site = _install(lock, target, minor, prefix, environment)
        found = installed.survey(prefix, site)
        installed.check_complete(found, platform, python.version)
        wanted = needs.outside(prefix, found, platform)
        files = [*_venv(python), *installed.entries(prefix, site, minor, Path(sys.executable))]
        layer = layers.write(files, store)
    made = EnvironmentLayer(layer=layer, packages=found.packages, needs=wanted)
    store.remember("environments", key, made)
    return made


def _install(lock: Lock, target: str, minor: str, prefix: Path, environment: Mapping[str, str]) -> Path:
    uv = locking.resolver(lock.indexes, allow_build=False, environment=environment)
    prefix.mkdir()
    locked = prefix.parent / "requirements.lock"
    locked.write_text(lock.text, encoding="utf-8")
    try:
        uv.run(
            "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--python", sys.executable, "--python-version", minor, "--python-platform", target,
            "--no-compile-bytecode", "--prefix", prefix, "--requirements", locked,
            subject=Subject(source=f"{lock.source} for {target}", python=lock.python),
        )  # fmt: skip
    except ConfigurationError as error:
        if "wheel" not in error.message:
            raise
        # What uv's messages mean elsewhere speaks of builds, which an image has none of.
        hint = f"An image is made of wheels alone: ask for a version that has one for Python {minor} on {target}."
        raise ConfigurationError(error.message, where=error.where, hint=hint) from error
    sites = [path for path in prefix.rglob("*-packages") if path.name in {"site-packages", "dist-packages"}]
    sites = [path for path in sites if any(path.glob("*.dist-info"))]
    if len(sites) != 1:
        raise TagboatError(f"uv installed into {len(sites)} site directories instead of one", where=lock.source)
    return sites[0]


def _venv(python: Interpreter) -> list[Entry]:
    """What makes the folder a virtual environment (PEP 405): which Python it stands on, and a link to that one."""
    home = python.path.rpartition("/")[0]
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {python.version}\n"
    inside = places.inside
    return [
        Entry(path=inside(f"{places.VENV}/pyvenv.cfg"), content=settings.encode()),
        Entry(path=inside(places.PYTHON), link=python.path),
        Entry(path=inside(f"{places.VENV}/bin/python3"), link="python"),
    ]


def _uv_platform(platform: Platform, glibc: int) -> str:
    machine = MACHINES[platform.architecture]
    if glibc < 17:
        raise ConfigurationError(f"the base's C library is too old (glibc 2.{glibc})", where="base-image")
    version = min(glibc, NEWEST)
    if version < OLDEST or version in {29, 30}:  # uv knows 2.28 and then 2.31 to 2.40
        version = 28 if version >= OLDEST else 17
    return f"{machine}-manylinux_2_{version}"
