"""What is wrong with a target's settings together, though each of them is a fine value: told by ``tagboat doctor``.

Nothing is asked of AWS; what only AWS can know is refused there, and explained by `deployers.sagemaker.reasons`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deployers.settings import VARIABLE, Remark

if TYPE_CHECKING:
    from deployers.sagemaker.settings import SagemakerSettings

ECR = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<path>.+)")
"""A repository of Amazon ECR."""

GRAVITON = re.compile(r"ml\.[a-z]+[0-9]+g[a-z]*\..+")
"""Instance types whose processor is of the arm64 family: the letter behind the generation says so."""

SECRET = re.compile(r"(?i)(^|_)(password|passwd|secret|token|api_?key|private_?key|credentials?)(_|$)")


def remarks(settings: SagemakerSettings) -> Iterator[Remark]:
    """All of them."""
    # Imported here, since these speak of the settings, and they of us.
    from deployers.sagemaker.features import refusals

    yield from (Remark(*refusal) for refusal in refusals(settings))
    yield from _repository(settings)
    yield from _processor(settings)
    yield from _guards(settings)
    for name in settings.env:
        if SECRET.search(name):
            yield Remark(
                f"env.{name}",
                "it looks like a secret, and whoever may look at the model in AWS can read it",
                "Keep it in AWS Secrets Manager, and give the execution role the right to read it there.",
                wrong=False,
            )


def _repository(settings: SagemakerSettings) -> Iterator[Remark]:
    image, container = settings.pushed, settings.container
    if container is None and image is None:
        yield Remark(
            "image",
            "neither `image` nor `container` says what serves the model",
            "Set `image` to a repository of ECR, or `container` to an image of AWS's.",
        )
        return
    key = "image.repository" if container is None else "container.image"
    named = container.image if container is not None else image.repository if image is not None else ""
    if VARIABLE.search(named):
        return
    found = ECR.fullmatch(named)
    if found is None:
        yield Remark(
            key,
            f"SageMaker pulls images from Amazon ECR, and {named} is elsewhere",
            "Use ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, in the target's region; another registry must be one that "
            "a VPC of yours reaches, by a template of your own.",
            wrong=False,
        )
        return
    region = settings.region
    if region and not VARIABLE.search(region) and found["region"] != region:
        yield Remark(
            key,
            f"it is in {found['region']}, and SageMaker pulls from its own region alone, which is {region}",
            f"Use a repository in {region}.",
        )
    account = settings.role.split(":")[4]
    if container is None and found["account"] != account:
        yield Remark(
            "image.repository",
            f"it belongs to the account {found['account']}, and the execution role to {account}",
            "Let the role pull by a policy of the repository, or use one of the role's account.",
            wrong=False,
        )


def _processor(settings: SagemakerSettings) -> Iterator[Remark]:
    image = settings.pushed
    if image is None:
        return
    graviton = settings.serverless is None and GRAVITON.fullmatch(settings.instance_type)
    needed = "linux/arm64" if graviton else "linux/amd64"
    if image.platform != needed:
        yield Remark(
            "image.platform",
            f"the image is for {image.platform}, and {settings.instance_type} needs {needed}",
            f"Set image.platform: {needed}, or take another instance type.",
        )


def _guards(settings: SagemakerSettings) -> Iterator[Remark]:
    deployment = settings.deployment
    if deployment.strategy in {"canary", "linear"} and not deployment.alarms and deployment.watch is None:
        yield Remark(
            "deployment.alarms",
            f"nothing watches a {deployment.strategy} deployment, so that every step of it passes",
            "Set `deployment.watch`, name alarms of yours, or take all-at-once: smoke requests are asked in any case.",
            wrong=False,
        )
