"""Deployers are found by name, loaded when needed, and whose plugin is broken is said by name."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from deployers import discovery
from deployers.base import Deployer
from deployers.errors import ConfigurationError
from deployers.local import LocalDeployer


def points(**named):
    return lambda: [EntryPoint(name, value, discovery.GROUP) for name, value in named.items()]


def test_the_embedded_deployer_is_installed():
    assert "local" in discovery.names()
    assert discovery.find("local") is LocalDeployer


def test_an_unknown_kind_is_an_error_with_the_nearest_one():
    with pytest.raises(ConfigurationError) as caught:
        discovery.find("locl", points(local="deployers.local:LocalDeployer", shelf="nowhere:Shelf"))
    assert caught.value.message == "there is no deployer 'locl'"
    assert caught.value.hint == "Did you mean 'local'? Installed are: local, shelf."


@pytest.mark.parametrize("value", ["no_such_module:Shelf", "deployers.local:NoSuchName", "this:is not:valid"])
def test_a_plugin_that_does_not_load_is_named(value):
    with pytest.raises(ConfigurationError, match="the deployer 'shelf' can't be loaded") as caught:
        discovery.find("shelf", points(shelf=value))
    assert value in caught.value.where


def test_what_is_no_deployer_is_refused():
    with pytest.raises(ConfigurationError, match=r"is no deployers\.base\.Deployer"):
        discovery.find("shelf", points(shelf="pathlib:Path"))


def test_two_that_claim_one_name_are_refused():
    def both():
        return [EntryPoint("local", value, discovery.GROUP) for value in ("deployers.local:LocalDeployer", "other:It")]

    with pytest.raises(ConfigurationError, match="more than one deployer is called 'local'"):
        discovery.find("local", both)


def test_names_load_nothing():
    code = "import sys; from deployers import discovery; discovery.names(); print('deployers.local' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_target_without_settings_gets_the_defaults(tmp_path):
    class Described:
        deployer = "local"
        settings = None

    from deployers.base import Surroundings

    surroundings = Surroundings(environment={}, state=tmp_path, cache=tmp_path, clock=lambda: 0.0)
    made = discovery.make_deployer("here", Described(), surroundings)
    assert isinstance(made, Deployer)
    assert made.settings == LocalDeployer.settings_type()
