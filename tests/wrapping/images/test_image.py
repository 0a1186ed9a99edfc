"""An image is a base and three layers; the same inputs make the same one, and only what changed is sent."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from deployers.wrapping import image
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Image, ImageSettings
from tests.wrapping import indexes
from tests.wrapping.images import parts
from tests.wrapping.images.bundles import lock_of, one, small
from tests.wrapping.images.conftest import Yard

pytestmark = pytest.mark.xdist_group("images")

SITE = "opt/tagboat/venv/lib/python3.11/site-packages"


def members(made: Image, number: int, platform: int = 0) -> dict[str, tarfile.TarInfo]:
    """Every entry of one of our layers, 0 the environment, 1 the server, 2 the model."""
    with tarfile.open(fileobj=plain(made, number, platform)) as archive:
        return {member.name: member for member in archive}


def text(made: Image, number: int, path: str) -> str:
    with tarfile.open(fileobj=plain(made, number)) as archive:
        file = archive.extractfile(path)
        assert file is not None
        return file.read().decode()


def plain(made: Image, number: int, platform: int = 0) -> BytesIO:
    return BytesIO(gzip.decompress(made.store.blob(made.images[platform].layers[number].digest).read_bytes()))


def inspected(reference: str, *options: str) -> dict[str, object]:
    command = ["skopeo", "inspect", "--tls-verify=false", *options, f"docker://{reference}"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout))


def test_three_layers_stand_on_the_base(yard: Yard, bundle: Bundle) -> None:
    made = yard.build(bundle)
    environment, server, model = (members(made, number) for number in range(3))
    assert {f"{SITE}/one.py", f"{SITE}/one-1.0.dist-info/METADATA", "opt/tagboat/venv/pyvenv.cfg"} <= environment.keys()
    assert environment["opt/tagboat/venv/bin/python"].linkname == "/usr/local/bin/python3.11"
    assert {f"{SITE}/tagboat_server/cli.py", "opt/tagboat/venv/bin/tagboat-server"} <= server.keys()
    assert {"opt/tagboat/bundle/model.json", "opt/tagboat/bundle/model/iris.joblib"} <= model.keys()
    config = json.loads(made.images[0].config)
    assert config["config"]["Entrypoint"] == ["/opt/tagboat/venv/bin/python", "-I", "-m", "tagboat_server"]
    assert config["config"]["Cmd"] == ["serve"]
    assert len(config["rootfs"]["diff_ids"]) == len(json.loads(made.document)["layers"]) == 4


def test_the_same_inputs_give_the_same_digest_in_another_place_and_process(
    yard: Yard, bundle: Bundle, tmp_path: Path, index: indexes.Index
) -> None:
    made = yard.build(bundle)
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "os.umask(0o077)\n"
        "from deployers.wrapping import bundle, image\n"
        "with image.Registries({}) as registries:\n"
        "    made = image.build(bundle.load(Path(sys.argv[1])), image.ImageSettings(base=sys.argv[2]),\n"
        "                       registries=registries, cache=Path(sys.argv[3]), environment=os.environ)\n"
        "print(made.digest)"
    )
    elsewhere = tmp_path / "a" / "much" / "longer" / "folder"
    again = small(elsewhere, bundle.lock)
    for path in again.folder.rglob("*"):
        os.utime(path, (1, 1))
    command = [sys.executable, "-P", "-c", script, str(again.folder), yard.base, str(elsewhere / "cache")]
    variables = {**yard.environment, "PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PYTHONHASHSEED": "7",
                 "UV_CACHE_DIR": str(elsewhere / "uv"), "TZ": "Asia/Tokyo"}  # fmt: skip
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == made.digest, done.stderr


def test_an_unchanged_release_sends_nothing(yard: Yard, bundle: Bundle, registry: parts.RealRegistry) -> None:
    repository = f"{registry.plain}/acme/unchanged"
    first = yard.push(yard.build(bundle), repository)
    assert first.sent > 0
    before = registry.stored()
    again = yard.push(yard.build(bundle), repository)
    assert (again.sent, again.unchanged, again.reference) == (0, True, first.reference)
    assert registry.stored() == before


def test_a_new_model_sends_its_layer_alone(
    yard: Yard, bundle: Bundle, registry: parts.RealRegistry, tmp_path: Path
) -> None:
    repository = f"{registry.plain}/acme/new-model"
    old = yard.build(bundle)
    yard.push(old, repository)
    content = os.urandom(300_000)
    made = yard.build(small(tmp_path, bundle.lock, model={"iris.joblib": content}, version="v2.0.0"))
    assert [a == b for a, b in zip(old.images[0].layers, made.images[0].layers, strict=True)] == [True, True, False]
    pushed = yard.push(made, repository)
    model = made.images[0].layers[2]
    documents = len(made.images[0].config) + 2 * len(made.document)  # by digest, and under its tag
    assert model.size + documents <= pushed.sent < model.size + documents + 20_000  # and what is attached


def test_base_layers_are_mounted_where_the_registry_has_them(
    yard: Yard, bundle: Bundle, registry: parts.RealRegistry
) -> None:
    assert yard.push(yard.build(bundle), f"{registry.plain}/acme/mounted").mounted == 1


def test_base_layers_are_copied_from_another_registry_as_they_are(yard: Yard, bundle: Bundle, tmp_path: Path) -> None:
    with parts.docker_registry(tmp_path / "other") as other:
        made = yard.build(bundle)
        pushed = yard.push(made, f"{other.plain}/acme/iris")
        assert pushed.mounted == 0
        layers = inspected(pushed.reference)["Layers"]
    assert layers == [layer["digest"] for layer in json.loads(made.document)["layers"]]


def test_an_image_that_was_pushed_is_found_without_resolving_or_building(
    yard: Yard, bundle: Bundle, registry: parts.RealRegistry, index: indexes.Index, tmp_path: Path
) -> None:
    repository = f"{registry.plain}/acme/found"
    settings = ImageSettings(base=yard.base)

    def ensured() -> image.Pushed:
        return image.ensure(bundle, repository, settings, registries=yard.registries, cache=tmp_path / os.urandom(4).hex(),
                            environment=yard.environment)  # fmt: skip

    assert image.find(bundle, repository, settings, registries=yard.registries) is None
    first = ensured()
    index.requests.clear()
    again = ensured()
    assert (again.reference, again.sent, again.unchanged) == (first.reference, 0, True)
    assert index.requests == []


def test_what_a_crash_left_of_a_layer_is_made_anew(yard: Yard, bundle: Bundle, registry: parts.RealRegistry) -> None:
    made = yard.build(bundle)
    for layer in made.images[0].layers:
        made.store.blob(layer.digest).write_bytes(b"")
    again = yard.build(bundle)
    assert again.digest == made.digest
    assert yard.push(again, f"{registry.plain}/acme/crashed").sent > 0


def test_another_base_platform_label_or_version_is_another_image(yard: Yard, bundle: Bundle, tmp_path: Path) -> None:
    keys = {
        image.inputs(bundle, ImageSettings()),
        image.inputs(bundle, ImageSettings(base="x")),
        image.inputs(bundle, ImageSettings(platforms=("linux/arm64",))),
        image.inputs(bundle, ImageSettings(labels={"team": "red"})),
        image.inputs(small(tmp_path, bundle.lock, version="v9.0.0"), ImageSettings()),
    }
    assert len(keys) == 5


def test_labels_say_what_and_whence_and_nothing_of_a_stage(yard: Yard, bundle: Bundle) -> None:
    made = yard.build(bundle, source="https://github.com/acme/models", labels={"team": "red"})
    labels = json.loads(made.images[0].config)["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "iris"
    assert labels["org.opencontainers.image.version"] == "v1.0.0"
    assert labels["org.opencontainers.image.revision"] == bundle.description.commit
    assert labels["org.opencontainers.image.source"] == "https://github.com/acme/models"
    assert labels["org.opencontainers.image.base.name"].endswith("/library/hollow:3.11")
    assert labels["io.tagboat.bundle"] == bundle.digest
    assert labels["team"] == "red"
    assert "stage" not in made.images[0].config.decode() + made.document.decode()


def test_entries_are_roots_and_have_one_time_and_no_special_bit(yard: Yard, bundle: Bundle) -> None:
    made = yard.build(bundle)
    for number in range(3):
        for member in members(made, number).values():
            assert (member.uid, member.gid, member.mtime, member.mode & 0o7000) == (0, 0, 315532800, 0)
            assert member.isfile() or member.isdir() or member.issym()


def test_scripts_start_with_the_images_python_and_records_agree_with_them(
    yard: Yard, tmp_path: Path, index: indexes.Index
) -> None:
    points = "[console_scripts]\ntool = two:main\n"
    wheel = indexes.wheel("two", "1.0", {"two.py": "def main(): ...\n", "two-1.0.dist-info/entry_points.txt": points})
    index.add(wheel)
    made = yard.build(small(tmp_path, lock_of(wheel)))
    script = text(made, 0, "opt/tagboat/venv/bin/tool")
    assert script.splitlines()[0] == "#!/opt/tagboat/venv/bin/python"
    assert members(made, 0)["opt/tagboat/venv/bin/tool"].mode == 0o755
    record = text(made, 0, f"{SITE}/two-1.0.dist-info/RECORD")
    assert f",{len(script)}\n" in next(
        line + "\n" for line in record.splitlines() if line.startswith("../../../bin/tool")
    )
    assert sys.executable not in record + script


def test_C15_no_secret_of_the_runner_is_in_any_layer_or_document(
    yard: Yard, tmp_path: Path, index: indexes.Index
) -> None:
    canary = "canary-5f0c"
    index.password = canary
    index.add(one())
    bundle = small(tmp_path, lock_of(one()))
    yard.environment = {**yard.environment, "UV_DEFAULT_INDEX": index.url.replace("//", f"//reader:{canary}@"),
                        "AWS_SECRET_ACCESS_KEY": canary, "GITHUB_TOKEN": canary}  # fmt: skip
    made = yard.build(bundle)
    whole = b"".join([made.document, made.images[0].config, *(plain(made, number).read() for number in range(3))])
    assert canary.encode() not in whole
    assert index.url.encode() not in whole


def test_a_package_without_a_wheel_for_the_platform_is_named(yard: Yard, tmp_path: Path, index: indexes.Index) -> None:
    from deployers.errors import ConfigurationError

    wheel = indexes.wheel("native", "1.0", tag="cp311-cp311-macosx_11_0_arm64")
    index.add(wheel)
    with pytest.raises(ConfigurationError, match="native") as raised:
        yard.build(small(tmp_path, lock_of(wheel)))
    assert "made of wheels alone" in str(raised.value)
    assert "allow-build" not in str(raised.value)


def test_the_environment_is_for_the_models_python_whichever_runs_tagboat(
    yard: Yard, tmp_path: Path, index: indexes.Index, registry: parts.RealRegistry
) -> None:
    wheels = [indexes.wheel("native", "1.0", {"native.txt": python}, tag=f"{python}-{python}-manylinux_2_17_x86_64")
              for python in ("cp39", "cp311")]  # fmt: skip
    index.add(*wheels)
    layout = parts.Layout(tmp_path / "python39")
    parts.copy(layout.finish(layout.image([parts.hollow(python="3.9")])), f"docker://{registry.host}/library/nine:it")
    made = yard.build(small(tmp_path, lock_of(*wheels), python="3.9"), base=f"{registry.plain}/library/nine:it")
    assert text(made, 0, "opt/tagboat/venv/lib/python3.9/site-packages/native.txt") == "cp39"
    assert "opt/tagboat/venv/lib/python3.9/site-packages/tagboat_server/cli.py" in members(made, 1)
    assert members(made, 0)["opt/tagboat/venv/bin/python"].linkname == "/usr/local/bin/python3.9"


def test_C3_setuid_bits_and_links_of_a_wheel_do_not_reach_the_image(
    yard: Yard, tmp_path: Path, index: indexes.Index
) -> None:
    name, content = indexes.wheel("sly", "1.0", {"sly.sh": "#!/bin/sh", "sly_link": "/etc/passwd"})
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.infolist():
            modes = {"sly.sh": 0o104755, "sly_link": 0o120777}
            item.external_attr = modes.get(item.filename, 0o100644) << 16
            new.writestr(item, old.read(item.filename))
    wheel = (name, out.getvalue())
    index.add(wheel)
    made = yard.build(small(tmp_path, lock_of(wheel)))
    found = members(made, 0)
    assert found[f"{SITE}/sly.sh"].mode == 0o755
    assert found[f"{SITE}/sly_link"].isfile()


def test_both_platforms_make_an_index_of_layers_for_each(
    yard: Yard, tmp_path: Path, index: indexes.Index, registry: parts.RealRegistry
) -> None:
    wheels = [indexes.wheel("native", "1.0", {"native.txt": machine}, tag=f"cp311-cp311-manylinux_2_28_{machine}")
              for machine in ("x86_64", "aarch64")]  # fmt: skip
    index.add(*wheels)
    made = yard.build(small(tmp_path, lock_of(*wheels)), platforms=("linux/arm64", "linux/amd64"))
    assert [str(one.platform) for one in made.images] == ["linux/amd64", "linux/arm64"]
    for number, machine in enumerate(("x86_64", "aarch64")):
        with tarfile.open(fileobj=plain(made, 0, number)) as archive:
            file = archive.extractfile(f"{SITE}/native.txt")
            assert file is not None
            assert file.read().decode() == machine
    pushed = yard.push(made, f"{registry.plain}/acme/both")
    raw = inspected(pushed.reference, "--raw")
    assert raw["mediaType"] == "application/vnd.oci.image.index.v1+json"
    for architecture in ("amd64", "arm64"):
        said = json.loads(
            subprocess.run(["skopeo", "--override-arch", architecture, "inspect", "--tls-verify=false",
                            f"docker://{pushed.reference}"], check=True, capture_output=True).stdout
        )  # fmt: skip
        assert said["Architecture"] == architecture
    assert yard.push(made, f"{registry.plain}/acme/both").sent == 0


def test_a_lock_that_lacks_what_the_platform_needs_is_refused(yard: Yard, tmp_path: Path, index: indexes.Index) -> None:
    from deployers.errors import ConfigurationError

    needy = indexes.wheel("needy", "1.0", {"needy.py": ""})
    name, content = needy
    metadata = (
        "Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nRequires-Dist: extra-one; platform_machine == 'aarch64'\n"
    )
    needy = (name, _with_metadata(content, metadata))
    index.add(needy)
    bundle = small(tmp_path, lock_of(needy))
    yard.build(bundle)
    with pytest.raises(ConfigurationError, match="linux/arm64 needy needs extra-one"):
        yard.build(bundle, platforms=("linux/arm64",))


def _with_metadata(wheel: bytes, metadata: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(wheel)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.infolist():
            new.writestr(item, metadata if item.filename.endswith("METADATA") else old.read(item))
    return out.getvalue()
