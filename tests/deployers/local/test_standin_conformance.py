"""The local deployer keeps every promise, with a server that starts quickly; test_conformance.py has the real one."""

import pytest

from deployers.conformance import DeployerConformance
from tests.deployers.local.subjects import LocalSubject, Machine


class TestLocalWithAStandin(DeployerConformance):
    @pytest.fixture
    def subject(self, tmp_path):
        machine = Machine(tmp_path)
        yield LocalSubject(machine)
        machine.shut_down()
