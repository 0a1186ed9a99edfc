"""The deployer of the kind ``kubernetes``."""

from deployers.kubernetes.deployer import KubernetesDeployer

__all__ = ["KubernetesDeployer"]
