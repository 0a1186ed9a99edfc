"""Real parts around images: Debian's docker-registry on loopback, a Debian base made by debootstrap, podman, skopeo."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from scripts import containers

PYTHON = "3.11"
SLIM = f"python:{PYTHON}-slim-bookworm"

RECIPE = 2
PACKAGES = ("python3", "python3-venv", "ca-certificates")
LEFT_OUT = ("./var/cache/apt/archives/", "./var/lib/apt/lists/", "./usr/share/doc/", "./usr/share/locale/",
            "./usr/share/man/", "./dev/")  # fmt: skip


def needed(*programs: str) -> None:
    """Skip with a loud reason where a program is missing; in CI fail."""
    absent = [name for name in programs if shutil.which(name, path=containers.SEARCHED) is None]
    root = os.geteuid() == 0
    if not absent and root and sys.platform == "linux":
        return
    why = f"{', '.join(absent)} not installed" if absent else "not root" if not root else "not Linux"
    reason = f"IMAGES ARE NOT TESTED HERE: {why} (sudo python3 scripts/containers.py, then run the tests as root)"
    if os.environ.get("CI") == "true" and os.environ.get("TAGBOAT_TEST_WITHOUT") != "containers":
        pytest.fail(reason)
    pytest.skip(reason)


# The registry


@dataclass
class RealRegistry:
    """A docker-registry process. ``host``: address and port."""

    host: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def plain(self) -> str:
        """As names ask for it."""
        return f"http://{self.host}"

    def stored(self) -> int:
        """Bytes of all blobs that it keeps."""
        return sum(path.stat().st_size for path in self.folder.rglob("data") if path.is_file())


@contextlib.contextmanager
def docker_registry(
    folder: Path, *, auth: str = "", http: str = 'http: {addr: "127.0.0.1:0"}\n'
) -> Iterator[RealRegistry]:
    """A registry with an empty store, up for as long as the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}\n"
        f"{http}{auth}"
    )
    program = shutil.which("docker-registry", path=containers.SEARCHED) or "docker-registry"
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen([program, "serve", str(config)], stderr=subprocess.PIPE, stdout=out, text=True)
    try:
        yield RealRegistry(host=_listening(process), folder=folder, process=process)
    finally:
        process.terminate()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()


def _listening(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if match := re.search(r"listening on (127\.0\.0\.1:[0-9]+)", line):
            # Read on, or a full pipe would stop the registry.
            import threading

            threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
            return match[1]
    raise AssertionError("".join(seen))


# Images as a layout on disk, for skopeo to push


class Layout:
    """An OCI layout that is written by hand: what the tests' bases are made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def document(self, document: Any) -> dict[str, Any]:
        return self.blob(json.dumps(document).encode())

    def image(self, layers: Sequence[bytes], architecture: str = "amd64", **config: Any) -> dict[str, Any]:
        """The descriptor of an image of plain tars."""
        packed = [self.blob(_gzip(layer)) for layer in layers]
        configuration = self.document({
            "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z"} for _ in layers],
        })  # fmt: skip
        manifest = self.document({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **configuration},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer} for layer in packed],
        })  # fmt: skip
        return {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
                "platform": {"architecture": architecture, "os": "linux"}}  # fmt: skip

    def finish(self, *images: Mapping[str, Any]) -> str:
        """List the images, of several an index; returns skopeo's name of the whole."""
        top = dict(images[0])
        if len(images) > 1:
            media_type = "application/vnd.oci.image.index.v1+json"
            index = self.document({"schemaVersion": 2, "mediaType": media_type, "manifests": list(images)})
            top = {"mediaType": media_type, **index}
        top["annotations"] = {"org.opencontainers.image.ref.name": "it"}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
        return f"oci:{self.folder}:it"


def _gzip(content: bytes) -> bytes:
    return subprocess.run(["gzip", "-1n"], input=content, check=True, capture_output=True).stdout


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, bytes | str]) -> bytes:
    """A layer: path → content, or for text the target of a symbolic link."""
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, BytesIO(content))
    return out.getvalue()


def copy(source: str, target: str) -> None:
    """skopeo copy, every platform."""
    command = [
        "skopeo",
        "copy",
        "--quiet",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        source,
        target,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

USUAL = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libgcc_s.so.1",
         "libstdc++.so.6", "libz.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")  # fmt: skip


def hollow(architecture: str = "amd64", *, python: str = PYTHON, without: Sequence[str] = ()) -> bytes:
    """A base with the names that are looked at and nothing behind them: to build on, not to run."""
    folder = f"usr/lib/{TRIPLETS[architecture]}"
    libraries: dict[str, bytes | str] = {f"{folder}/{name}": b"" for name in USUAL if name not in without}
    libraries[f"{folder}/libc.so.6"] = b"GLIBC_2.17\0GLIBC_2.36\0GLIBC_PRIVATE\0"
    return tar({**libraries, f"usr/local/bin/python{python}": b"", "usr/local/bin/python3": f"python{python}"})


# The base that runs


def roomy(otherwise: Path) -> Path:
    """Memory to work in where there is plenty: dpkg and podman ask a disk for every file to be written through."""
    memory = Path("/dev/shm")
    with contextlib.suppress(OSError):
        if memory.is_dir() and shutil.disk_usage(memory).free > 4_000_000_000 and _runs_programs(memory):
            return memory
    return otherwise


def _runs_programs(folder: Path) -> bool:
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def debian_base() -> Path:
    """An OCI layout of Debian with its Python, made once per machine: a minute by debootstrap, then no time."""
    needed("debootstrap", "skopeo")
    recipe = hashlib.sha256(repr([RECIPE, PACKAGES, LEFT_OUT]).encode()).hexdigest()[:16]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagboat-tests"
    root.mkdir(parents=True, exist_ok=True)
    finished = root / f"debian-{platform.machine()}-{recipe}"
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (finished / "index.json").exists():
            shutil.rmtree(finished, ignore_errors=True)
            _debootstrap(finished)
    return finished


def _debootstrap(finished: Path) -> None:
    program = shutil.which("debootstrap", path=containers.SEARCHED)
    with tempfile.TemporaryDirectory(prefix="debian-", dir=roomy(finished.parent)) as folder:
        done = subprocess.run([str(program), "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", folder],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        root = BytesIO()
        with tarfile.open(fileobj=root, mode="w") as archive:
            archive.add(
                folder, arcname=".", filter=lambda member: None if f"{member.name}/".startswith(LEFT_OUT) else member
            )
    layout = Layout(finished)
    layout.finish(
        layout.image([root.getvalue()], Env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                     Cmd=["python3"])
    )  # fmt: skip


# Podman

CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
"""For machines that are containers themselves: no raised limits, no network of their own, runc."""


@dataclass
class Podman:
    """Podman with a store of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "containers.conf"
        settings.write_text(CONTAINERS)
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
        self.environment = {**os.environ, "PATH": path, "CONTAINERS_CONF": str(settings), "TMPDIR": str(self.folder)}

    def command(self, *arguments: str) -> list[str]:
        return ["podman", "--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"), *arguments]

    def __call__(self, *arguments: str, timeout: float = 300) -> str:
        done = subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True,
                              check=False, timeout=timeout)  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, image: str, *arguments: str, options: Sequence[str] = ()) -> Iterator[str]:
        """A container's id while it runs."""
        name = self("run", "--detach", *options, image, *arguments).strip()
        try:
            yield name
        finally:
            self("rm", "--force", "--time", "5", name)

    def close(self) -> None:
        self("rm", "--all", "--force", "--time", "0")
        subprocess.run(["umount", "-q", str(self.folder / "store" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
