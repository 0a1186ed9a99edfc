"""A Kubernetes API server of a few pages, for what no real one can be had for in a unit test; see `server`."""

from tests.fakes.kubernetes.front import REAL_CLUSTER, cluster_of
from tests.fakes.kubernetes.pods import Script
from tests.fakes.kubernetes.server import TOKEN, Cluster, when

__all__ = ["REAL_CLUSTER", "TOKEN", "Cluster", "Script", "cluster_of", "when"]
