"""The command line's frame: instant help, one JSON document, errors as exit codes, every command documented."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from entrypoint.cli import COMMANDS, HIDDEN, LazyGroup, cli, run
from entrypoint.commands.context import Context

ROOT = Path(__file__).resolve().parent.parent
NAMES = [name for commands in COMMANDS.values() for name in commands]


def tagboat(*arguments: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "entrypoint", *arguments], cwd=at, text=True, capture_output=True, check=False
    )


def test_help_imports_none_of_the_heavy_libraries():
    code = (
        "import sys; from entrypoint.cli import run; from entrypoint.commands.context import Context; from pathlib import Path;"
        "run(Context(Path('.'), {}), ['--help']); print(len(sys.modules), *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    count, *modules = done.stderr.split()
    heavy = {
        "gto",
        "dvc",
        "boto3",
        "kubernetes",
        "rich",
        "jinja2",
        "msgspec",
        "yaml",
        "jsonschema",
        "github",
        "pydantic",
    }
    assert not heavy & set(modules)
    assert int(count) < 250


@pytest.mark.parametrize("name", [*NAMES, *HIDDEN])
def test_every_command_is_there_and_has_help_worth_reading(name: str):
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert len(command.help or "") > 40


@pytest.mark.parametrize("name", NAMES)
def test_every_command_takes_json_and_is_documented(name: str):
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert any("--json" in parameter.opts for parameter in command.params)
    assert name in (ROOT / "docs" / "commands.md").read_text()


def test_an_unknown_command_gets_the_nearest_one_as_a_hint():
    done = tagboat("shw")
    assert done.returncode == 2
    assert "Did you mean 'show'?" in done.stderr


def test_an_error_is_one_json_document_with_the_exit_code(tmp_path: Path):
    done = tagboat("parse", "--json", "not a tag")
    assert done.returncode == json.loads(done.stdout)["error"]["exit_code"] == 2
    assert "Traceback" not in done.stderr


def test_outside_of_a_repository_the_error_says_so(tmp_path: Path):
    done = tagboat("show", at=tmp_path)
    assert done.returncode == 2
    assert "repository" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_tag_is_taken_apart_with_absent_values_null():
    done = tagboat("parse", "--json", "refs/tags/churn#prod#3")
    assert json.loads(done.stdout) == {
        "artifact": "churn",
        "action": "assign",
        "version": None,
        "stage": "prod",
        "counter": 3,
    }


def test_deploying_without_a_configuration_names_init(tmp_path: Path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    done = tagboat("deploy", "churn#prod", at=tmp_path)
    assert done.returncode == 2
    assert "tagboat init" in done.stderr


class Interrupting(dict):
    """An environment in whose reading Ctrl-C is pressed, with something to be told of it."""

    def get(self, *_):
        raise KeyboardInterrupt("AWS goes on without us")


def test_an_interrupted_command_says_what_goes_on_without_it(tmp_path, capsys):
    assert run(Context(tmp_path, Interrupting()), ["doctor"]) == 130
    assert "interrupted: AWS goes on without us; run the same command again" in capsys.readouterr().err
