"""The Kubernetes deployer keeps every promise, by each strategy."""

import pytest

from deployers.conformance import DeployerConformance


@pytest.mark.slow
class TestRolling(DeployerConformance):
    @pytest.fixture
    def subject(self, anywhere_with):
        return anywhere_with()


@pytest.mark.slow
class TestBlueGreen(DeployerConformance):
    @pytest.fixture
    def subject(self, anywhere_with):
        return anywhere_with(strategy={"type": "blue-green", "keep-old": 0})
