"""The second layer: the model's server, unpacked from the wheel that the bundle holds."""

from __future__ import annotations

import configparser
import zipfile
from pathlib import Path

from deployers.wrapping.images import installed, layers, places
from deployers.wrapping.images.layers import Entry, Layer
from deployers.wrapping.images.store import Store, key_of

RULES = 1


def make(wheel: Path, sha256: str, minor: str, store: Store) -> Layer:
    """The layer of a wheel for a minor version of Python; made if it is not in the store."""
    key = key_of(RULES, layers.RULES, sha256, minor)
    known = store.recall("servers", key, Layer)
    if known is not None and store.holds(known.digest, known.size):
        return known
    layer = layers.write(_entries(wheel, minor), store)
    store.remember("servers", key, layer)
    return layer


def _entries(wheel: Path, minor: str) -> list[Entry]:
    """The wheel's files and scripts; it is our own, purely Python, without a ``.data`` folder."""
    site = places.inside(places.site_packages(minor))
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    records = next(name for name in content if name.endswith(".dist-info/RECORD"))
    del content[records]
    stem = records.rpartition("/")[0]
    content[f"{stem}/INSTALLER"] = b"tagboat\n"
    scripts = {}
    if points := content.get(f"{stem}/entry_points.txt"):
        parser = configparser.ConfigParser()
        parser.read_string(points.decode())
        scripts = {name: installed.script(target) for name, target in parser["console_scripts"].items()}
    table = [installed.record_row(name, text) for name, text in content.items()]
    table += [installed.record_row(f"../../../bin/{name}", text) for name, text in scripts.items()]
    content[records] = installed.rows([*table, [records, "", ""]])
    return [
        *(Entry(path=f"{site}/{name}", content=text) for name, text in content.items()),
        *(Entry(path=places.inside(f"{places.VENV}/bin/{name}"), content=text, executable=True)
          for name, text in scripts.items()),
    ]  # fmt: skip
