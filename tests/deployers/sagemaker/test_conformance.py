"""The SageMaker deployer keeps every promise."""

import pytest

from deployers.conformance import DeployerConformance


@pytest.mark.slow
class TestRealTime(DeployerConformance):
    @pytest.fixture
    def subject(self, subject_with):
        return subject_with()
