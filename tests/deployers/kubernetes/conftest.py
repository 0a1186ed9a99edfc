"""A fake cluster for each test, and what deploys to it; or a real one.

With TAGBOAT_TEST_KUBECONFIG (a file) every test runs on that cluster's API server and controllers, and pods run on a
node that the tests simulate (`tests.fakes.kubernetes.front`). With TAGBOAT_TEST_IMAGE too (see subjects.py) the
conformance suite runs pods of that image on the cluster's own nodes.
"""

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.deployers.kubernetes.subjects import REAL_IMAGE, ClusterSubject
from tests.fakes.kubernetes import REAL_CLUSTER, Script, cluster_of


@pytest.fixture
def cluster():
    with cluster_of(os.environ, hurry=20.0) as cluster:
        cluster.servers.scripts["broken"] = Script(kind="crash", log="loading\nValueError: no such column\n")
        yield cluster


@pytest.fixture
def subject_with(cluster, tmp_path):
    def make(**settings):
        return ClusterSubject(tmp_path, cluster.kubeconfig(tmp_path), {**cluster.pod_settings, **settings})

    return make


@pytest.fixture
def anywhere_with(request, tmp_path):
    """As `subject_with`, with real pods where there is a cluster and an image that it can pull."""
    given = os.environ.get(REAL_CLUSTER)
    if given is None or not os.environ.get(REAL_IMAGE):
        yield request.getfixturevalue("subject_with")
        return
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
