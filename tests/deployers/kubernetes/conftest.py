"""A fake cluster for each test, and what deploys to it."""

import pytest

from tests.deployers.kubernetes.subjects import ClusterSubject
from tests.fakes.kubernetes import Cluster, Script


@pytest.fixture
def cluster():
    with Cluster(hurry=20.0) as cluster:
        cluster.servers.scripts["broken"] = Script(kind="crash", log="loading\nValueError: no such column\n")
        yield cluster


@pytest.fixture
def subject_with(cluster, tmp_path):
    def make(**settings):
        return ClusterSubject(tmp_path, cluster.kubeconfig(tmp_path), cluster.url, settings)

    return make
