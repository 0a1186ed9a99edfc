"""What SageMaker's failure reasons mean, and what to do about each.

SageMaker says why an endpoint failed in one sentence, ``FailureReason``, and refuses calls with others; none is
published as a list. These are the ones that people report, told apart by the words that stay the same in all of
them: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html. The table of
docs/sagemaker.md has the same rows; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """One kind of failure. ``words``: what its text holds, in lower case, any one of them; ``advice``: what to do."""

    name: str
    words: Sequence[str]
    advice: str

    def fits(self, text: str) -> bool:
        """Whether a text of SageMaker's is of this kind."""
        plain = " ".join(text.lower().split())
        return any(re.search(words, plain) for words in self.words)


CATALOGUE: Sequence[Reason] = (
    Reason(
        "alarm",
        (r"alarm",),
        "An alarm of the deployment went off, and SageMaker put the old fleet back. Look at the alarm's metric in "
        "CloudWatch: the new release answered with errors, or too slowly.",
    ),
    Reason(
        "ping",
        (
            r"ping health check",
            r"ping server",
            r"health check",
        ),
        "The container started and never answered GET /ping with 200. Its log below says why; try the release "
        "here with `tagboat serve`. A model that loads slowly needs a longer start-timeout.",
    ),
    Reason(
        "start",
        (
            r"cannotstartcontainererror",
            r"docker run <image> serve",
            r"exec format error",
        ),
        "The container did not start as `docker run IMAGE serve`. Look at the image's platform (linux/amd64, but "
        "linux/arm64 for Graviton) and its entry point; GPU images also need an instance whose driver is new "
        "enough.",
    ),
    Reason(
        "pull",
        (
            r"cannotpullcontainererror",
            r"images? included in the model",
            r"requested image .* not found",
            r"ecr.*not authorized",
        ),
        "SageMaker could not pull the image. The execution role needs ecr:BatchGetImage, "
        "ecr:GetDownloadUrlForLayer and ecr:GetAuthorizationToken, the repository must be in the endpoint's "
        "region, and the digest must still be there.",
    ),
    Reason(
        "platform",
        (
            r"unsupported manifest media type",
            r"image manifest",
        ),
        "SageMaker does not take this kind of image manifest. Push the image by Tagboat, for one platform.",
    ),
    Reason(
        "image-size",
        (
            r"image size .* greater than supported",
            r"image size .* exceeds",
        ),
        "The image is too large: 10 GB is the most for serverless endpoints. Take a smaller base image, leave "
        "libraries for GPUs away, or use instances.",
    ),
    Reason(
        "model-data",
        (
            r"could not access model data",
            r"failed to download model data",
            r"no objects? found .*s3",
            r"could not find model data",
        ),
        "The execution role could not read the model from S3. It needs s3:GetObject on the bucket's prefix, and "
        "s3:ListBucket where the model is no archive; the bucket must be in the endpoint's region, and a key of "
        "KMS must let the role decrypt.",
    ),
    Reason(
        "model-size",
        (
            r"model data archive is too large",
            r"no space left on device",
            r"insufficient (disk )?space",
        ),
        "The model does not fit on the instance's disk. Raise the volume's size, take an instance type with a "
        "larger disk, or keep the model as files instead of an archive.",
    ),
    Reason(
        "archive",
        (
            r"failed to extract model data",
            r"valid tar\.gz archive",
        ),
        "The object in S3 is no archive that SageMaker can unpack. Deploy again: Tagboat writes and verifies its "
        "own; somebody may have replaced it.",
    ),
    Reason(
        "role",
        (
            r"could not assume role",
            r"role .* (is invalid|cannot be assumed|could not be assumed)",
            r"trust relationship",
            r"must grant.*sts:assumerole",
        ),
        "SageMaker may not use the execution role. Its trust policy must name the service "
        "sagemaker.amazonaws.com; a role made a moment ago takes a minute.",
    ),
    Reason(
        "pass-role",
        (r"iam:passrole",),
        "Who deploys may not hand the execution role to SageMaker: `tagboat iam-policy` prints the right that is "
        "missing.",
    ),
    Reason(
        "capacity",
        (
            r"insufficient ?instance ?capacity",
            r"insufficient ?capacity",
            r"unable to provision requested ml compute capacity",
        ),
        "AWS has no instance of this type free now. Try again later, take another instance type, or another region.",
    ),
    Reason(
        "quota",
        (
            r"resourcelimitexceeded",
            r"account-level service limit",
            r"service quota",
            r"limit .* exceeded",
        ),
        "The account's quota for this instance type is used up. A blue/green update needs twice the instances "
        "while it lasts: ask for more in Service Quotas, remove endpoints that nobody uses, or deploy rolling.",
    ),
    Reason(
        "memory",
        (
            r"out ?of ?memory",
            r"memory .* (insufficient|not enough)",
            r"exit code:? 137",
        ),
        "The model needs more memory than it has. Take a larger instance type, or for serverless more memory-size.",
    ),
    Reason(
        "network",
        (
            r"not enough (free )?(ip )?addresses",
            r"insufficient ?free ?address",
            r"subnets? .* (invalid|not exist|not found)",
            r"security ?groups? .* (invalid|not exist|not found)",
            r"ec2:createnetworkinterface",
        ),
        "The network of the target can't take the endpoint: too few free addresses in the subnets, one that is "
        "gone, or an execution role without ec2:CreateNetworkInterface and what belongs to it.",
    ),
    Reason(
        "kms",
        (
            r"kms",
            r"ciphertext refers to",
        ),
        "A key of KMS can't be used: its policy must let the execution role decrypt, and who deploys make grants.",
    ),
    Reason(
        "timeout",
        (
            r"maximum execution timeout",
            r"timed out",
            r"took too long",
            r"stabiliz",
        ),
        "The deployment did not end within its time. Look at the log below; raise the deployment's time limit "
        "where the model loads slowly.",
    ),
    Reason(
        "internal",
        (
            r"request to service failed",
            r"internal ?(server ?)?(error|failure)",
            r"please try again",
            r"contact customer support",
        ),
        "SageMaker failed without saying why. The container's log, if there is one, may (an image of another "
        "processor type ends so too); otherwise deploy again with --retry.",
    ),
)
"""Most telling first: a text that fits several kinds is of the first one."""


def reason_of(text: str | None) -> Reason | None:
    """The kind of failure that a text of SageMaker's speaks of, or None where it is none that we know."""
    if not text:
        return None
    return next((reason for reason in CATALOGUE if reason.fits(text)), None)


def advice(text: str | None) -> str:
    """What to do about a text of SageMaker's; never empty."""
    found = reason_of(text)
    if found is not None:
        return found.advice
    return "Look at the container's log, and at the endpoint in the SageMaker console; deploy again with --retry."
