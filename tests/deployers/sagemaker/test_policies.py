"""The policies that are printed hold what a target's settings make necessary, narrowed, and nothing else."""

import json
import re

import msgspec
import pytest

from deployers.errors import ConfigurationError
from deployers.sagemaker import iam, roles
from deployers.sagemaker.settings import SagemakerSettings

ACCOUNT = "123456789012"
REGION = "eu-central-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/models"
GIVEN = {"bucket": "acme-models", "role": f"arn:aws:iam::{ACCOUNT}:role/execution", "image": IMAGE}


def settings(**more):
    return msgspec.convert({**GIVEN, **more}, SagemakerSettings)


def statements(policy):
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def deploying(**more):
    return statements(iam.deploying("aws", settings(**more), REGION))


def test_a_policy_is_one_that_iam_takes():
    for policy in (
        iam.deploying("aws", settings(model="archive"), REGION),
        roles.running("aws", settings(model="archive"), REGION),
        roles.trust_of_github("aws", settings(), "acme/models", "prod"),
        roles.trust_of_sagemaker(),
    ):
        assert policy["Version"] == "2012-10-17"
        for statement in policy["Statement"]:
            assert statement["Effect"] == "Allow"
            assert re.fullmatch(r"[A-Za-z0-9]*", statement.get("Sid", ""))
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in actions), "no star, no typing error"
        assert len(json.dumps(policy)) < 6144, "the most that a managed policy holds"


def test_objects_of_sagemaker_are_narrowed_by_the_targets_tag():
    made, changed = deploying()["Make"], deploying()["Change"]
    assert made["Condition"] == {"StringEquals": {"aws:RequestTag/tagboat:target": "aws"}}
    assert changed["Condition"] == {"StringEquals": {"aws:ResourceTag/tagboat:target": "aws"}}
    assert f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/*" in changed["Resource"]


def test_objects_in_s3_are_narrowed_by_bucket_and_prefix():
    found = deploying(prefix="ml/prod", model="archive")
    assert found["Models"]["Resource"] == ["arn:aws:s3:::acme-models/ml/prod/models/*"]
    assert found["Find"]["Resource"] == ["arn:aws:s3:::acme-models"]
    assert found["Find"]["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["ml/prod/*"]}}


def test_the_execution_role_is_handed_to_sagemaker_alone():
    handed = deploying()["HandOver"]
    assert handed["Resource"] == [GIVEN["role"]]
    assert handed["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_images_are_pushed_to_the_targets_repository_alone():
    pushed = deploying()["Push"]
    assert pushed["Resource"] == [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/models/*"]
    assert "Push" not in deploying(image="registry.example/models")


def test_what_the_settings_do_not_ask_for_is_not_allowed():
    assert "Models" not in deploying(model="image")
    assert "Models" in deploying(model="archive")
    assert "Models" in deploying(model="s3")


def test_nothing_but_what_knows_no_resource_is_allowed_everywhere():
    everywhere = {
        action
        for statement in deploying(model="archive").values()
        if "*" in statement["Resource"]
        for action in statement["Action"]
    }
    assert everywhere == {"ecr:GetAuthorizationToken"}


def test_another_partition_is_another_one_everywhere():
    china = settings(role=f"arn:aws-cn:iam::{ACCOUNT}:role/execution", image=f"{IMAGE}", model="archive")
    text = json.dumps(iam.deploying("aws", china, "cn-north-1"))
    assert "arn:aws:" not in text
    assert "arn:aws-cn:sagemaker:cn-north-1" in text


def test_jobs_of_one_repository_in_one_environment_may_deploy_and_nobody_else():
    (statement,) = roles.trust_of_github("aws", settings(), "acme/models", "prod")["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/models:environment:prod",
        }
    }
    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    }


@pytest.mark.parametrize(
    ("repository", "environment"),
    [("acme", "prod"), ("acme/*", "prod"), ("a:b/c", "prod"), ("acme/models", ""), ("acme/models", "*"),
     ("acme/models", "prod:ref"), ("acme/models", "${aws:username}")],
)  # fmt: skip
def test_what_would_let_in_more_than_one_is_refused(repository, environment):
    with pytest.raises(ConfigurationError):
        roles.trust_of_github("aws", settings(), repository, environment)


def test_containers_may_write_what_the_settings_want_written_and_join_the_network_they_name():
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:models"
    more = {"asynchronous": {"output": "s3://elsewhere/out/", "error-topic": topic}, "data-capture": {},
            "vpc": {"subnets": ["subnet-1"], "security-groups": ["sg-1"]}}  # fmt: skip
    found = statements(roles.running("aws", settings(**more), REGION))
    assert found["KeepAnswers"]["Resource"] == [
        "arn:aws:s3:::elsewhere/out/*",
        "arn:aws:s3:::acme-models/tagboat/captured/*",
    ]
    assert found["Tell"]["Resource"] == [topic]
    assert "ec2:CreateNetworkInterface" in found["JoinTheNetwork"]["Action"]
    assert found["ReadRequests"]["Resource"] == ["arn:aws:s3:::acme-models/tagboat/requests/*"]
    assert not {"KeepAnswers", "Tell", "JoinTheNetwork", "ReadRequests"} & set(
        statements(roles.running("aws", settings(), REGION))
    )


def test_what_is_written_is_encrypted_by_the_keys_that_are_named_and_alarms_may_be_looked_at():
    more = {"asynchronous": {"kms-key": "alias/answers"}, "data-capture": {"kms-key": "1234"},
            "deployment": {"alarms": ["pager"], "watch": {}}}  # fmt: skip
    found = roles.running("aws", settings(**more), REGION)["Statement"]
    encrypting = {statement["Resource"][0]: statement for statement in found if "kms:Decrypt" in statement["Action"]}
    assert set(encrypting) == {f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"}
    narrowed = encrypting[f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"]["Condition"]
    assert narrowed == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/answers"}}
    (looking,) = [statement for statement in found if "cloudwatch:DescribeAlarms" in statement["Action"]]
    assert [each.rpartition(":")[2] for each in looking["Resource"]] == ["tagboat-*", "pager"]
    assert len({statement["Sid"] for statement in found}) == len(found)


@pytest.mark.parametrize(
    ("named", "resource", "alias"),
    [
        ("alias/models", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*", "alias/models"),
        ("1234abcd-12ab", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab", None),
        ("arn:aws:kms:eu-west-1:1:key/1", "arn:aws:kms:eu-west-1:1:key/1", None),
    ],
)
def test_a_key_is_given_to_sagemaker_and_is_the_one_that_is_named(named, resource, alias):
    found = deploying(**{"kms-key": named})["Encrypt"]
    assert found["Resource"] == [resource]
    assert found["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    assert found["Condition"].get("ForAnyValue:StringEquals") == (alias and {"kms:ResourceAliases": alias})


def test_containers_may_read_the_model_and_write_logs_and_figures():
    found = statements(roles.running("aws", settings(model="archive"), REGION))
    assert found["Read"]["Resource"] == ["arn:aws:s3:::acme-models/tagboat/models/*"]
    assert found["Write"]["Resource"] == [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/*"]
    assert "Read" not in statements(roles.running("aws", settings(), REGION))
    for statement in found.values():
        assert not {action for action in statement["Action"] if re.search(r":(Put(Object|Image)|Delete)", action)}
