"""The two roles of a target beside its policy: who may deploy, and what SageMaker's containers may do.

`deployers.sagemaker.iam` has what the first of them is allowed.
"""

from __future__ import annotations

import re
from typing import Any

from deployers.errors import ConfigurationError
from deployers.sagemaker.iam import VERSION, Policy
from deployers.sagemaker.places import place_of
from deployers.sagemaker.settings import SagemakerSettings

OIDC = "token.actions.githubusercontent.com"
"""The host that signs the identity of a job on GitHub, as the account's identity provider is called."""

NETWORK = (
    "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission", "ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
)  # fmt: skip
"""What an endpoint in a network of yours takes (AWS, "CreateModel API: Execution Role Permissions")."""

REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


def trust_of_github(target: str, settings: SagemakerSettings, repository: str, environment: str) -> Policy:
    """The trust policy of the role that deploys: jobs of one repository, in one of its environments, and nobody else.

    https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
    """
    if REPOSITORY.fullmatch(repository) is None:
        raise ConfigurationError(
            f"{repository!r} is no repository on GitHub", where="--repository", hint="Write it as OWNER/NAME."
        )
    if not environment:
        raise ConfigurationError(
            "which environment of the repository may deploy is not said",
            where="--environment",
            hint="Name the one that the job names as `environment:`; its rules say which tags may deploy.",
        )
    # A star would let others in, a colon would make another claim of it.
    if re.search(r"[:*?$]", environment):
        raise ConfigurationError(
            f"{environment!r} can't be pinned as an environment",
            where="--environment",
            hint="Name one environment of the repository, without colons or wildcards.",
        )
    place = place_of(target, settings, "")
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": "GitHubEnvironment",
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:{place.partition}:iam::{place.account}:oidc-provider/{OIDC}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{OIDC}:aud": "sts.amazonaws.com",
                        f"{OIDC}:sub": f"repo:{repository}:environment:{environment}",
                    }
                },
            }
        ],
    }


def running(target: str, settings: SagemakerSettings, region: str) -> Policy:
    """What the execution role must be allowed: pull the image, read the model, write logs, figures and answers."""
    place = place_of(target, settings, region)
    images = [*place.repositories(), *place.containers()]
    written = [*place.answers(), *place.captured()]
    topics = _topics(settings)
    statements = [
        _allow("Write", place.logs(), "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
               "logs:PutLogEvents"),
        {
            **_allow("Measure", ["*"], "cloudwatch:PutMetricData"),
            "Condition": {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}},
        },
    ]  # fmt: skip
    if settings.place != "image":
        statements += [
            _allow("Read", place.objects("models/*"), "s3:GetObject"),
            {
                **_allow("Find", place.bucket(), "s3:ListBucket"),
                "Condition": {"StringLikeIfExists": {"s3:prefix": [f"{settings.prefix}/models/*"]}},
            },
        ]
    if images:
        statements += [
            _allow("LogIn", ["*"], "ecr:GetAuthorizationToken"),
            _allow(
                "Pull", images, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"
            ),
        ]
    if settings.asynchronous is not None:
        statements.append(_allow("ReadRequests", place.objects("requests/*"), "s3:GetObject"))
    if written:
        statements.append(_allow("KeepAnswers", written, "s3:PutObject", "s3:AbortMultipartUpload"))
    if topics:
        statements.append(_allow("Tell", topics, "sns:Publish"))
    for number, named in enumerate(sorted(_keys(settings)), start=1):
        allowed = _allow(f"Encrypt{number}", place.key(named), "kms:Decrypt", "kms:GenerateDataKey")
        statements.append({**allowed, **_of_alias(named)})
    alarms = place.alarms()
    if alarms:
        statements.append(_allow("LookAtAlarms", alarms, "cloudwatch:DescribeAlarms"))
    if settings.vpc is not None:
        statements.append(_allow("JoinTheNetwork", ["*"], *NETWORK))
    return {"Version": VERSION, "Statement": statements}


def _allow(purpose: str, resources: list[str], *actions: str) -> dict[str, Any]:
    return {"Sid": purpose, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}


def _keys(settings: SagemakerSettings) -> set[str]:
    """The keys that encrypt what is written; that of the volumes SageMaker gets by a grant."""
    written = (settings.asynchronous, settings.data_capture)
    return {each.kms_key for each in written if each is not None and each.kms_key is not None}


def _of_alias(named: str) -> dict[str, Any]:
    if "alias/" not in named:
        return {}
    alias = named[named.index("alias/") :]
    return {"Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}}


def _topics(settings: SagemakerSettings) -> list[str]:
    asked = settings.asynchronous
    return [topic for topic in (asked.success_topic, asked.error_topic) if topic] if asked is not None else []


def trust_of_sagemaker() -> Policy:
    """The trust policy of the execution role: SageMaker alone."""
    return {
        "Version": VERSION,
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
