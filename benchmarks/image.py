"""How long an image takes, and what is sent, beside `podman build` and `podman push` of an equal Dockerfile.

    sudo python -P -m benchmarks.image [--rounds 3]

Both build on the same Debian base, install the same lock, and push to a docker-registry of their own on loopback.
first: nothing is cached (uv's cache is emptied, pip is told to keep none). new model: another model on the old
environment. no change: the same again. "as a process" has Python's start and imports in it, which a run has behind it
when it comes to the image. Needs what scripts/containers.py installs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.image_once import deployed
from deployers.wrapping.bundle import Bundle
from tests.wrapping.images import parts

DOCKERFILE = """\
FROM {base}
RUN python3 -m venv /opt/tagboat/venv
COPY requirements.lock /opt/requirements.lock
RUN /opt/tagboat/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \\
    --requirement /opt/requirements.lock
COPY server /opt/server
RUN /opt/tagboat/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /opt/server/*.whl
COPY bundle /opt/tagboat/bundle
ENTRYPOINT ["/opt/tagboat/venv/bin/python", "-I", "-m", "tagboat_server"]
CMD ["serve"]
"""
CASES = ("first", "new model", "no change")


def main() -> None:
    """Play the three cases on every side, and print medians."""
    from rich.console import Console
    from rich.table import Table

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3, help="new models and repetitions on each side")
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="tagboat-benchmark-", dir="/var/tmp") as name:  # a disk, as runners have
        folder = Path(name)
        bundles = [bundle_of(folder, seed) for seed in range(rounds + 1)]
        with parts.docker_registry(folder / "a") as ours, parts.docker_registry(folder / "b") as theirs:
            base = parts.debian_base()
            for registry in (ours, theirs):
                parts.copy(f"oci:{base}:it", f"docker://{registry.host}/library/{parts.SLIM}")
            sides: dict[str, Callable[[Bundle], int]] = {
                "tagboat": Tagboat(folder, ours, "one").deploy,
                "tagboat, as a process": Tagboat(folder, ours, "two").deploy_as_a_process,
                "podman": Podman(folder, theirs, base).deploy,
            }
            table = Table(title="seconds and bytes, medians", box=None)
            for column in ("", *(f"{case}: {unit}" for case in CASES for unit in ("s", "sent"))):
                table.add_column(column, justify="right")
            medians = {side: measured(deploy, bundles) for side, deploy in sides.items()}
    for side, found in medians.items():
        table.add_row(side, *(text for case in CASES for text in (f"{found[case][0]:.2f}", f"{found[case][1]:,.0f}")))
    times = [medians["podman"][case][0] / medians["tagboat"][case][0] for case in CASES]
    table.add_row("podman / tagboat", *(text for ratio in times for text in (f"{ratio:.1f} x", "")))
    Console(width=140).print(table)


def measured(deploy: Callable[[Bundle], int], bundles: list[Bundle]) -> dict[str, tuple[float, float]]:
    """(seconds, bytes) of each case."""
    found: dict[str, list[tuple[float, int]]] = {case: [] for case in CASES}
    for number, bundle in enumerate(bundles):
        for case in ("new model" if number else "first", "no change"):
            started = time.perf_counter()
            sent = deploy(bundle)
            found[case].append((time.perf_counter() - started, sent))
    return {case: (statistics.median(s for s, _ in runs), statistics.median(b for _, b in runs))
            for case, runs in found.items()}  # fmt: skip


class Tagboat:
    """Our side; every deployment connects to the registry anew."""

    def __init__(self, folder: Path, registry: parts.RealRegistry, name: str) -> None:
        self.cache = folder / f"cache-{name}"
        self.environment = {**os.environ, "UV_CACHE_DIR": str(folder / f"uv-{name}")}
        self.base = f"{registry.plain}/library/{parts.SLIM}"
        self.repository = f"{registry.plain}/acme/{name}"

    def deploy(self, bundle: Bundle) -> int:
        """Build and push; the bytes that were sent."""
        return deployed(bundle, self.base, self.repository, self.cache, self.environment)

    def deploy_as_a_process(self, bundle: Bundle) -> int:
        """The same from the command line."""
        command = [sys.executable, "-P", "-m", "benchmarks.image_once", str(bundle.folder), self.base,
                   self.repository, str(self.cache)]  # fmt: skip
        return int(subprocess.run(command, check=True, env=self.environment, capture_output=True, text=True).stdout)


class Podman:
    """The other side: podman build with its cache of layers, podman push."""

    def __init__(self, folder: Path, registry: parts.RealRegistry, base: Path) -> None:
        self.podman = parts.Podman(folder / "podman")
        self.context = folder / "context"
        self.context.mkdir()
        self.registry = registry
        archive = folder / "base.tar"
        parts.copy(f"oci:{base}:it", f"docker-archive:{archive}:docker.io/library/{parts.SLIM}")
        self.podman("load", "--quiet", "--input", str(archive))
        (self.context / "Dockerfile").write_text(DOCKERFILE.format(base=f"docker.io/library/{parts.SLIM}"))

    def deploy(self, bundle: Bundle) -> int:
        """Build and push; the bytes that the registry got."""
        before = self.registry.stored()
        for name in ("bundle", "server"):
            shutil.rmtree(self.context / name, ignore_errors=True)
        shutil.copytree(bundle.folder, self.context / "bundle", ignore=shutil.ignore_patterns("server"))
        (self.context / "server").mkdir()
        shutil.copy2(bundle.server, self.context / "server")
        shutil.copy2(bundle.folder / "requirements.lock", self.context)
        tag = f"{self.registry.host}/acme/iris:latest"
        self.podman("build", "--pull=missing", "--isolation=chroot", "--network=host", "--layers", "--quiet",
                    "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--tag", tag, str(self.context))  # fmt: skip
        self.podman("push", "--quiet", "--tls-verify=false", tag)
        return self.registry.stored() - before


def bundle_of(folder: Path, seed: int) -> Bundle:
    """A bundle of another model for each seed, on one environment."""
    import joblib
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    from tests.wrapping import models

    place = folder / f"model-{seed}"
    place.mkdir()
    features, labels = load_breast_cancer(return_X_y=True)
    joblib.dump(RandomForestClassifier(100, random_state=seed).fit(features, labels), place / "model.joblib")
    return models.wrapped(place, "model.joblib", models.requirements(), folder / "cache", version=f"v1.0.{seed}")


if __name__ == "__main__":
    main()
