"""The two roles of a target beside its policy: who may deploy, and what SageMaker's containers may do.

`deployers.sagemaker.iam` has what the first of them is allowed.
"""

from __future__ import annotations

import re
from typing import Any

from deployers.errors import ConfigurationError
from deployers.sagemaker.iam import VERSION, Policy, image_of_container, place_of
from deployers.sagemaker.settings import SagemakerSettings

OIDC = "token.actions.githubusercontent.com"
"""The host that signs the identity of a job on GitHub, as the account's identity provider is called."""

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
    """What the execution role must be allowed: pull the image, read the model, write logs and figures."""
    place = place_of(target, settings, region)
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Write",
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            "Resource": place.logs(),
        },
        {
            "Sid": "Measure",
            "Effect": "Allow",
            "Action": ["cloudwatch:PutMetricData"],
            "Resource": ["*"],
            "Condition": {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}},
        },
    ]
    if settings.place != "image":
        statements += [
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": place.objects("models/*")},
            {
                "Sid": "Find",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": place.bucket(),
                "Condition": {"StringLikeIfExists": {"s3:prefix": [f"{settings.prefix}/models/*"]}},
            },
        ]
    images = place.repositories() if settings.container is None else image_of_container(place)
    if images:
        statements += [
            {"Sid": "LogIn", "Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]},
            {
                "Sid": "Pull",
                "Effect": "Allow",
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Resource": images,
            },
        ]
    return {"Version": VERSION, "Statement": statements}


def trust_of_sagemaker() -> Policy:
    """The trust policy of the execution role: SageMaker alone."""
    return {
        "Version": VERSION,
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
