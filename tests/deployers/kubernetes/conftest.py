"""A fake cluster for each test, and what deploys to it; or, for the conformance suite, a namespace of a real one.

With TAGBOAT_TEST_KUBECONFIG (a file) and TAGBOAT_TEST_IMAGE (see subjects.py) the suite runs on that cluster. Tests that
script what pods do are for the fake alone.
"""

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.deployers.kubernetes.subjects import REAL_CLUSTER, REAL_IMAGE, ClusterSubject
from tests.fakes.kubernetes import Cluster, Script


@pytest.fixture
def cluster():
    with Cluster(hurry=20.0) as cluster:
        cluster.servers.scripts["broken"] = Script(kind="crash", log="loading\nValueError: no such column\n")
        yield cluster


@pytest.fixture
def subject_with(cluster, tmp_path):
    def make(**settings):
        return ClusterSubject(tmp_path, cluster.kubeconfig(tmp_path), settings)

    return make


@pytest.fixture
def anywhere_with(request, tmp_path):
    """As `subject_with`, on a real cluster where there is one."""
    given = os.environ.get(REAL_CLUSTER)
    if given is None:
        yield request.getfixturevalue("subject_with")
        return
    if not os.environ.get(REAL_IMAGE):
        pytest.skip(f"NOT TESTED on the cluster of {REAL_CLUSTER}: {REAL_IMAGE} names no image that it can pull")
    namespace = f"tagboat-test-{secrets.token_hex(4)}"
    outside = ClusterSubject(tmp_path, Path(given), {}, namespace)
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    outside.fetch("/api/v1/namespaces", "POST", json.dumps(made).encode())
    try:
        yield lambda **settings: RealSubject(tmp_path, Path(given), settings, namespace)
    finally:
        outside.fetch(f"/api/v1/namespaces/{namespace}", "DELETE")


class RealSubject(ClusterSubject):
    """Where images are really pulled and pods really start."""

    patience = 180.0
