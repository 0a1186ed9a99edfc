"""The local deployer keeps every promise, with real models, the real server and processes that are really killed."""

import pytest

from deployers.conformance import DeployerConformance
from tests.deployers.local.subjects import LocalSubject


@pytest.mark.slow
class TestLocal(DeployerConformance):
    @pytest.fixture
    def subject(self, real):
        return LocalSubject(real)
