"""The deployer of the kind ``sagemaker``: Amazon SageMaker as a target."""

from deployers.sagemaker.deployer import SagemakerDeployer

__all__ = ["SagemakerDeployer"]
