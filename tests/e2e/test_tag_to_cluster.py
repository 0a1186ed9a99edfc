"""The main job on a cluster: a registry tag, and pods of an image that a registry holds serve it, verified.

Git, DVC, GTO's tags, the wrapping, the image and its registry are real; the cluster is the fake one, whose pods answer
by a script, since nothing can run them here. TAGBOAT_TEST_KUBECONFIG names a real one to use instead, but for its nodes.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World
from tests.fakes.kubernetes import Cluster, Script, cluster_of
from tests.wrapping.images import parts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]

CONFIGURATION = """\
targets:
  cluster:
    deployer: kubernetes
    namespace: models
    node-selector: {nodes}
    tolerations: {stands}
    replicas: 2
    image: {{repository: {host}/models, base-image: "{base}", plain-http: true}}
stages:
  dev: {{targets: [cluster]}}
artifacts:
  iris: {{requirements: requirements.txt}}
smoke:
  - input: {{data: [{{sepal_length: 6.7, sepal_width: 3.0, petal_length: 5.2, petal_width: 2.3}}]}}
    expect: {{equal: [virginica]}}
"""

OURS = ("tagboat.dev/artifact", "iris")


def answering(flower: str) -> Script:
    """Pods whose model answers with this for everything."""
    return Script(model=lambda _: [flower])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.RealRegistry]:
    parts.needed("docker-registry", "skopeo")
    with parts.docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def base(registry: parts.RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base that images can stand on; it holds what is looked at, and runs nothing."""
    layout = parts.Layout(tmp_path_factory.mktemp("base") / "layout")
    made = layout.image([parts.hollow()], Env=["PYTHON_VERSION=3.11.9", "PATH=/usr/local/bin:/usr/bin"])
    parts.copy(layout.finish(made), f"docker://{registry.host}/library/hollow:3.11")
    return f"{registry.plain}/library/hollow:3.11"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_of(os.environ, hurry=20.0) as running:
        running.servers.scripts["models/iris"] = answering("virginica")
        yield running


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, registry: parts.RealRegistry, base: str, cluster: Cluster
) -> World:
    """A repository whose stage `dev` is on the cluster, with v0.1.0 assigned to it."""
    folder = tmp_path_factory.mktemp("world")
    nodes = json.dumps(cluster.pod_settings.get("node-selector", {}))
    stands = json.dumps(cluster.pod_settings.get("tolerations", []))
    made = World(folder, cache, CONFIGURATION.format(host=registry.host, base=base, nodes=nodes, stands=stands))
    made.environment["KUBECONFIG"] = str(cluster.kubeconfig(folder))
    made.register("v0.1.0", seed=1, stage="dev")
    return made


@pytest.fixture(scope="module")
def live(world: World) -> dict[str, Any]:
    """The verdict of the run that brought v0.1.0 up."""
    done = world.tagboat("deploy", "iris#dev#1")
    assert done.code == 0, done.errors
    (slot,) = done.out["slots"]
    return dict(slot)


@pytest.fixture
def another(world: World, live: dict[str, Any]) -> Iterator[None]:
    """For one test v0.2.0 is assigned over it; taken back afterwards."""
    assert live["status"] == "live"
    if not world.run("git", "tag", "-l", "iris@v0.2.0"):
        world.register("v0.2.0", seed=2)
    world.assign("v0.2.0", "dev")
    yield
    counter = len(world.run("git", "tag", "-l", "iris#*").split()) + 1
    world.tag(f"iris#dev!#{counter}", "iris@v0.2.0^{commit}")


def objects(cluster: Cluster, group: str, plural: str) -> list[dict[str, Any]]:
    """The slot's objects of a kind."""
    label, value = OURS
    found = cluster.store.list(group, plural, "models")
    return [each for each in found if each["metadata"].get("labels", {}).get(label) == value]


def images(cluster: Cluster) -> set[str]:
    """What the slot's deployment runs."""
    found = objects(cluster, "apps", "deployments")
    return {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in found}


def writes(cluster: Cluster, since: int) -> set[str]:
    """What requests have changed, by the last part of its kind; not leases, and not what the model was asked."""
    asked = [(method, path.partition("?")) for method, path in cluster.requests[since:] if method != "GET"]
    return {path.split("/")[-2] for _, (path, _, query) in asked
            if "/proxy/" not in path and "/leases" not in path and "dryRun" not in query}  # fmt: skip


def test_a_pushed_assignment_becomes_pods_that_answer(
    live: dict[str, Any], cluster: Cluster, registry: parts.RealRegistry
):
    assert (live["status"], live["version"], live["target"]) == ("live", "v0.1.0", "cluster")
    assert live["proved_by"] == "server"
    assert any(step["name"] == "verify live" for step in live["steps"])
    (image,) = images(cluster)
    name, _, digest = image.partition("@")
    assert name == f"{registry.host}/models/iris"
    request = urllib.request.Request(f"{registry.plain}/v2/models/iris/manifests/{digest}")
    request.add_header("accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert len(json.load(answer)["layers"]) == 4, "the base, and three layers of ours"


def test_a_second_run_changes_nothing_and_says_so(world: World, live: dict[str, Any], cluster: Cluster):
    before = len(cluster.requests)
    again = world.tagboat("deploy", "iris#dev")
    (slot,) = again.out["slots"]
    assert again.code == 0
    assert (slot["status"], slot["changed"], slot["release"]) == ("unchanged", False, live["release"])
    assert writes(cluster, before) == set()


def test_status_says_what_is_served_from_the_cluster_alone(world: World, live: dict[str, Any], tmp_path: Path):
    somewhere_else = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (slot,) = world.tagboat("status", more=somewhere_else).out["slots"]
    assert (slot["health"], slot["served"]) == ("ready", "v0.1.0")
    assert slot["url"] == live["url"]


@pytest.mark.usefixtures("another")
def test_a_plan_shows_the_diff_and_changes_nothing(world: World, cluster: Cluster, registry: parts.RealRegistry):
    stored, before = registry.stored(), len(cluster.requests)
    planned = world.tagboat("plan", "iris#dev")
    assert planned.code == 0
    (slot,) = planned.out["slots"]
    changes = {change["object"].partition(" ")[0]: change for change in slot["changes"]}
    shown = changes["Deployment"]["diff"].splitlines()
    (old,) = images(cluster)
    assert any(line.startswith("-") and line.endswith(f"image: {old}") for line in shown)
    assert any(line.startswith("+") and line.endswith("tagboat.dev/version: v0.2.0") for line in shown)
    assert writes(cluster, before) == set()
    assert registry.stored() == stored


@pytest.mark.usefixtures("another")
def test_a_release_that_fails_its_smoke_requests_gives_way_to_the_verified_one(
    world: World, live: dict[str, Any], cluster: Cluster
):
    (good,) = images(cluster)
    cluster.servers.scripts = {good: answering("virginica"), "models/iris": answering("setosa")}
    failed = world.tagboat("deploy", "iris#dev")
    (slot,) = failed.out["slots"]
    assert failed.code == 1
    assert (slot["status"], slot["previous"]) == ("rolled-back", "v0.1.0")
    assert "setosa" in slot["reason"]
    assert images(cluster) == {good}
    seen = world.slot()
    assert (seen["health"], seen["served"]) == ("ready", "v0.1.0")
    assert seen["failed"][0]["version"] == "v0.2.0"
    assert live["url"] == seen["url"]


def test_a_removal_unassigns_and_leaves_nothing_behind(world: World, live: dict[str, Any], cluster: Cluster):
    assert live["status"] == "live"
    removed = world.tagboat("remove", "iris#dev", "--yes")
    assert removed.code == 0, removed.errors
    assert removed.out["slots"][0]["status"] == "removed"
    written = removed.out["event"]["tag"]
    assert written in world.run("git", "ls-remote", "--tags", "origin")
    kinds = [(each.group, each.plural) for each in cluster.resources if each.namespaced and each.plural != "events"]
    # A real cluster's garbage collector takes a moment for what the deployments owned.
    deadline = time.monotonic() + 30
    while (left := [found for kind in kinds for found in objects(cluster, *kind)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
