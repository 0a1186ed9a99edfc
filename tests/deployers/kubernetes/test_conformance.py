"""The Kubernetes deployer keeps every promise, by each strategy."""

import pytest

from deployers.conformance import DeployerConformance


@pytest.mark.slow
class TestRolling(DeployerConformance):
    @pytest.fixture
    def subject(self, subject_with):
        return subject_with()


@pytest.mark.slow
class TestBlueGreen(DeployerConformance):
    @pytest.fixture
    def subject(self, subject_with):
        return subject_with(strategy={"type": "blue-green", "keep-old": 0})
