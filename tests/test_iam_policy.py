"""``tagboat iam-policy`` prints a policy as AWS takes it, and nothing else; what it cannot know it asks for."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context

CONFIGURATION = """
targets:
  here: {deployer: local}
  aws:
    deployer: sagemaker
    bucket: acme-models
    role: arn:aws:iam::123456789012:role/execution
    image: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/models
  ${more}
"""


class Checkout:
    """A repository with targets, and what the command says in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        self.write("")

    def write(self, more: str) -> None:
        (self.root / "tagboat.yaml").write_text(CONFIGURATION.replace("${more}", more))

    def ask(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr."""
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root), **environment}
        context = Context(self.root, variables, stdout=io.StringIO(), stderr=io.StringIO())
        code = run(context, ["iam-policy", *arguments])
        return code, context.stdout.getvalue(), context.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_the_answer_is_the_policy_and_nothing_else(checkout, json_too):
    code, said, errors = checkout.ask("aws", *json_too, AWS_REGION="eu-central-1")
    assert (code, errors) == (0, "")
    policy = json.loads(said)
    assert policy["Version"] == "2012-10-17"
    assert "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/*" in said


def test_the_region_is_the_targets_own_before_any_other(checkout):
    checkout.write("  region: eu-west-1")
    assert "arn:aws:sagemaker:eu-west-1:" in checkout.ask("aws", AWS_REGION="us-east-1")[1]
    assert "arn:aws:sagemaker:eu-north-1:" in checkout.ask("aws", "--region", "eu-north-1")[1]
    checkout.write('  region: "${env:WHERE}"')
    assert "arn:aws:sagemaker:eu-south-1:" in checkout.ask("aws", WHERE="eu-south-1")[1]


def test_without_a_region_the_error_says_how_to_give_one(checkout):
    code, said, errors = checkout.ask("aws")
    assert (code, said) == (2, "")
    assert "--region" in errors


def test_the_trust_policy_pins_the_repository_of_the_remote_and_the_environment(checkout):
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:acme/models.git"], cwd=checkout.root, check=True)
    assert "repo:acme/models:environment:prod" in checkout.ask("aws", "--trust", "--environment", "prod")[1]
    other = checkout.ask("aws", "--trust", "--environment", "prod", "--repository", "acme/other")[1]
    assert "repo:acme/other:environment:prod" in other
    code, _, errors = checkout.ask("aws", "--trust")
    assert code == 2
    assert "--environment" in errors


def test_a_remote_elsewhere_has_to_be_named(checkout):
    code, _, errors = checkout.ask("aws", "--trust", "--environment", "prod")
    assert code == 2
    assert "--repository OWNER/NAME" in errors


def test_the_execution_role_has_two_documents_of_its_own(checkout):
    assert "sagemaker.amazonaws.com" in checkout.ask("aws", "--execution-trust")[1]
    assert "ecr:BatchGetImage" in checkout.ask("aws", "--execution", "--region", "eu-central-1")[1]
    assert checkout.ask("aws", "--execution", "--trust")[0] == 2


@pytest.mark.parametrize(("target", "said"), [("here", "is local"), ("elsewhere", "no target 'elsewhere'")])
def test_another_kind_of_target_is_refused_and_ours_named(checkout, target, said):
    code, _, errors = checkout.ask(target, "--region", "eu-central-1")
    assert code == 2
    assert said in errors
    assert "(aws)" in errors
