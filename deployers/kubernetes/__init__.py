"""The deployer of the kind ``kubernetes``."""

from __future__ import annotations

from typing import Any

__all__ = ["KubernetesDeployer"]


def __getattr__(name: str) -> Any:
    """The deployer, imported at its first use: the cluster's client takes seconds to import."""
    if name == "KubernetesDeployer":
        from deployers.kubernetes.deployer import KubernetesDeployer

        return KubernetesDeployer
    raise AttributeError(name)
