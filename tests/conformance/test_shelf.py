"""The suite asks for nothing that only our own deployers could give: the smallest deployer passes it."""

import pytest

from deployers.conformance import DeployerConformance
from tests.conformance.subjects import ShelfSubject


class TestShelf(DeployerConformance):
    @pytest.fixture
    def subject(self, tmp_path):
        return ShelfSubject(tmp_path)
