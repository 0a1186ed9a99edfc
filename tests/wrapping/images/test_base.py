"""The base is what its digest says, has the model's Python and what the wheels need, or the push never begins."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from importlib import metadata
from io import BytesIO
from pathlib import Path

import pytest

from deployers.errors import ConfigurationError
from deployers.wrapping import locking
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.images import elf, listing, names
from deployers.wrapping.images.documents import LAYER, Descriptor, digest
from tests.wrapping import indexes
from tests.wrapping.images import parts
from tests.wrapping.images.bundles import lock_of, small
from tests.wrapping.images.conftest import Yard
from tests.wrapping.test_locking import inputs

pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture
def other(registry: parts.RealRegistry, tmp_path: Path) -> parts.Layout:
    return parts.Layout(tmp_path / "other-base")


def pushed(registry: parts.RealRegistry, layout: parts.Layout, name: str, *layers: bytes, **config: object) -> str:
    parts.copy(layout.finish(layout.image(list(layers), **config)), f"docker://{registry.host}/library/{name}:it")  # type: ignore[arg-type]
    return f"{registry.plain}/library/{name}:it"


def test_a_base_without_the_models_python_is_refused_and_says_what_it_has(
    yard: Yard, bundle: Bundle, other: parts.Layout, registry: parts.RealRegistry
) -> None:
    base = pushed(registry, other, "python39", parts.hollow(python="3.9"))
    with pytest.raises(ConfigurationError, match=r"no Python 3\.11, which the model needs \(it has 3\.9\)") as raised:
        yard.build(bundle, base=base)
    assert "python:3.11-slim-bookworm" in str(raised.value)


def test_an_exact_python_is_taken_only_where_the_base_says_that_it_has_it(
    yard: Yard, tmp_path: Path, bundle: Bundle
) -> None:
    yard.build(small(tmp_path / "right", bundle.lock, python="3.11.9"))
    with pytest.raises(ConfigurationError, match=r"has Python 3\.11\.9, the model asks for exactly 3\.11\.4"):
        yard.build(small(tmp_path / "wrong", bundle.lock, python="3.11.4"))


def test_a_base_with_musl_is_refused(
    yard: Yard, bundle: Bundle, other: parts.Layout, registry: parts.RealRegistry
) -> None:
    alpine = parts.tar({"usr/local/bin/python3.11": b"", "lib/ld-musl-x86_64.so.1": b""})
    with pytest.raises(ConfigurationError, match="no GNU C library"):
        yard.build(bundle, base=pushed(registry, other, "alpine", alpine))


def test_a_base_for_another_platform_is_refused(
    yard: Yard, bundle: Bundle, other: parts.Layout, registry: parts.RealRegistry
) -> None:
    with pytest.raises(ConfigurationError, match="for linux/amd64, not for linux/arm64"):
        yard.build(bundle, base=pushed(registry, other, "amd", parts.hollow()), platforms=("linux/arm64",))


def test_P7_a_tag_is_resolved_once_and_the_image_stays_on_its_digest(
    yard: Yard, bundle: Bundle, other: parts.Layout, registry: parts.RealRegistry, tmp_path: Path
) -> None:
    from deployers.wrapping import image
    from deployers.wrapping.image import ImageSettings

    base = pushed(registry, other, "moving", parts.hollow())
    repository = f"{registry.plain}/acme/moving"
    made = yard.build(bundle, base=base)
    first = yard.push(made, repository)
    assert made.base.digest
    assert json.loads(made.document)["annotations"]["org.opencontainers.image.base.digest"] == made.base.digest
    again = parts.Layout(tmp_path / "moved")
    pushed(registry, again, "moving", parts.hollow(), parts.tar({"moved": b"1"}))
    found = image.find(bundle, repository, ImageSettings(base=base), registries=yard.registries)
    assert found is not None
    assert found.reference == first.reference
    assert yard.build(bundle, base=base).base.digest != made.base.digest


def test_the_bundles_own_base_counts_where_no_other_is_asked_for(
    yard: Yard, bundle: Bundle, tmp_path: Path, hollow: str
) -> None:
    name = names.parse(hollow, where="test")
    pinned = f"http://{name.at(digest=yard.registries.of(name).digest_of(name))}"
    made = yard.build(small(tmp_path, bundle.lock, base_image=pinned), base=None)
    assert f"http://{made.base}" == pinned


def test_a_library_that_the_base_lacks_is_named_and_one_that_a_wheel_brings_is_not(
    yard: Yard, index: indexes.Index, other: parts.Layout, registry: parts.RealRegistry, tmp_path: Path
) -> None:
    # A compiled module that needs libm.so.6 from the base, and one beside it by that other's own name.
    real = next(path for path in sorted(Path(str(metadata.distribution("numpy").locate_file("numpy"))).rglob("*.so"))
                if "libm.so.6" in (elf.read(path) or elf.Dynamic(machine=None)).needed)  # fmt: skip
    wheel = _binary_wheel({"native.so": real.read_bytes()})
    index.add(wheel)
    made = small(tmp_path, lock_of(wheel))
    yard.build(made, base=pushed(registry, other, "whole", parts.hollow()))
    bare = pushed(registry, parts.Layout(tmp_path / "bare"), "bare", parts.hollow(without=["libm.so.6"]))
    with pytest.raises(ConfigurationError, match=r"native needs libm\.so\.6 \(native\.so\)"):
        yard.build(made, base=bare)
    yard.build(made, base=bare, allow_missing=("libm.so.6",))
    wheel = _binary_wheel({"native.so": real.read_bytes(), "native.libs/libm.so.6": real.read_bytes()}, version="2.0")
    index.add(wheel)
    yard.build(small(tmp_path / "brings", lock_of(wheel)), base=bare)


def _binary_wheel(files: dict[str, bytes], version: str = "1.0") -> tuple[str, bytes]:
    name, content = indexes.wheel("native", version, dict.fromkeys(files, ""), tag="cp311-cp311-manylinux_2_17_x86_64")
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.infolist():
            new.writestr(item, files.get(item.filename) or old.read(item))
    return name, out.getvalue()


def test_listing_follows_whiteouts_loader_settings_and_library_paths() -> None:
    first = read_layer({
        "usr/lib/x86_64-linux-gnu/libgone.so.1": b"", "usr/lib/x86_64-linux-gnu/libstays.so.1": "libstays.so.1.2",
        "opt/cuda/lib64/libcudart.so.12": b"", "opt/named/libnamed.so.2": b"", "opt/hidden/libhidden.so.1": b"",
        "usr/local/lib/emptied/libx.so": b"", "srv/libelsewhere.so.9": b"", "./usr/bin/python3.11": b"",
    })  # fmt: skip
    second = read_layer({
        "usr/lib/x86_64-linux-gnu/.wh.libgone.so.1": b"", "usr/local/lib/emptied/.wh..wh..opq": b"",
        "etc/ld.so.conf.d/named.conf": b"# a comment\n/opt/named\n", "opt/.wh.hidden": b"",
    })  # fmt: skip
    held = listing.merged([first, second], search=["/opt/cuda/lib64"])
    assert held.libraries == {"libstays.so.1", "libcudart.so.12", "libnamed.so.2"}
    assert held.pythons == {"/usr/bin/python3.11"}
    assert held.glibc is None


def read_layer(files: dict[str, bytes | str]) -> listing.LayerListing:
    packed = gzip.compress(parts.tar(files))
    said = Descriptor(media_type=LAYER, digest=digest(packed), size=len(packed))
    return listing.read(said, iter([packed]), where="test")


def test_a_listing_is_read_once_per_cache(
    yard: Yard, bundle: Bundle, registry: parts.RealRegistry, hollow: str
) -> None:
    from tests.fakes import line as lines

    with lines.to(registry.host) as line:
        base = hollow.replace(registry.host, f"127.0.0.1:{line.port}")
        yard.build(bundle, base=base)
        read = line.count("GET", "blobs/")
        yard.build(bundle, base=base)
        assert line.count("GET", "blobs/") == read + 1  # the configuration alone


@pytest.mark.slow
@pytest.mark.timeout(900)  # with Debian made on the way
def test_lightgbm_on_a_slim_base_misses_libgomp_and_runs_where_it_is_allowed_or_there(
    real_yard: Yard, tmp_path: Path, other: parts.Layout, registry: parts.RealRegistry
) -> None:
    wanted = inputs("lightgbm==4.6.0")
    lock = locking.lock(wanted, cache=real_yard.cache, environment=os.environ)
    made = small(tmp_path, lock.text)
    with pytest.raises(ConfigurationError) as raised:
        real_yard.build(made)
    told = str(raised.value)
    assert "lightgbm needs libgomp.so.1 (lib_lightgbm.so)" in told
    assert "apt-get install libgomp1" in told
    real_yard.build(made, allow_missing=("libgomp.so.1",))
    with_it = parts.tar({"usr/lib/x86_64-linux-gnu/libgomp.so.1": b""})
    real_yard.build(made, base=pushed(registry, other, "with-libgomp", parts.hollow(), with_it))


def _numpy() -> Path:
    return next(Path(str(metadata.distribution("numpy").locate_file("numpy"))).rglob("*.so"))


class TestElf:
    def test_what_is_no_elf_file_or_a_broken_one_needs_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "x.so"
        real = _numpy().read_bytes()
        for content in (b"", b"\x7fELF", b"#!/bin/sh\n", real[:64], b"\x7fELF\x02\x01" + b"\xff" * 100):
            path.write_bytes(content)
            assert not (elf.read(path) or elf.Dynamic(machine=None)).needed

    def test_any_byte_flipped_in_the_headers_is_survived(self, tmp_path: Path) -> None:
        path = tmp_path / "x.so"
        real = _numpy().read_bytes()
        for at in range(4, 64 + 56 * 4):
            broken = bytearray(real[:65536])
            broken[at] ^= 0xFF
            path.write_bytes(broken)
            elf.read(path)

    def test_needs_and_search_paths_are_read_as_readelf_says(self) -> None:
        import re
        import shutil
        import subprocess

        if shutil.which("readelf") is None:
            pytest.skip("readelf is not here")
        paths = sorted(Path(metadata.distribution("scikit-learn").locate_file("sklearn")).rglob("*.so"))[:5]
        paths += sorted(Path(metadata.distribution("numpy").locate_file("numpy.libs")).rglob("*.so*"))
        for path in paths:
            text = subprocess.run(["readelf", "-dW", path], check=True, capture_output=True, text=True).stdout
            said = elf.read(path)
            assert said is not None
            assert list(said.needed) == re.findall(r"\(NEEDED\).*\[(.*)\]", text)
            assert [said.soname] == (re.findall(r"\(SONAME\).*\[(.*)\]", text) or [None])
            assert ":".join(said.paths) == ":".join(re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", text))
