"""Where a target's objects are, as the ARNs of IAM's policies say it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from deployers.errors import ConfigurationError
from deployers.sagemaker import names
from deployers.sagemaker.remarks import ECR
from deployers.sagemaker.settings import SagemakerSettings

ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/.+")


class Place(NamedTuple):
    """Where a target's objects are, as ARNs say it."""

    partition: str
    region: str
    account: str
    target: str
    settings: SagemakerSettings

    def sagemaker(self, *kinds: str) -> list[str]:
        """Objects of SageMaker's of these kinds."""
        return [self.arn("sagemaker", f"{kind}/*") for kind in kinds]

    def objects(self, *below: str) -> list[str]:
        """Objects in S3, by where they lie below the target's prefix."""
        return [f"arn:{self.partition}:s3:::{self.settings.bucket}/{self.settings.prefix}/{each}" for each in below]

    def bucket(self) -> list[str]:
        """The bucket itself."""
        return [f"arn:{self.partition}:s3:::{self.settings.bucket}"]

    def answers(self) -> list[str]:
        """Where asynchronous answers and failures are written, as objects in S3."""
        asked = self.settings.asynchronous
        named = [uri for uri in (asked.output, asked.failures) if uri] if asked is not None else []
        elsewhere = [f"arn:{self.partition}:s3:::{uri.removeprefix('s3://').rstrip('/')}/*" for uri in named]
        ours = self.objects("results/*") if asked is not None and asked.output is None else []
        return [*ours, *elsewhere]

    def captured(self) -> list[str]:
        """Where requests and answers are kept, as objects in S3."""
        capture = self.settings.data_capture
        if capture is None:
            return []
        if capture.to is None:
            return self.objects("captured/*")
        return [f"arn:{self.partition}:s3:::{capture.to.removeprefix('s3://').rstrip('/')}/*"]

    def repositories(self) -> list[str]:
        """The repositories of the target's images: one for each artifact, below the one that is named; of ECR alone."""
        pushed = self.settings.pushed
        if self.settings.container is not None or pushed is None:
            return []
        return [self._repository(f"{pushed.repository}/*")] if ECR.fullmatch(pushed.repository) else []

    def containers(self) -> list[str]:
        """The repository of a container that is not ours; of ECR alone."""
        container = self.settings.container
        name = container.image.partition("@")[0] if container is not None else ""
        found = ECR.fullmatch(name)
        return [self._repository(name[: found.start("path")] + found["path"].partition(":")[0])] if found else []

    def alarms(self) -> list[str]:
        """The alarms that bring a deployment back: ours, and those that are named."""
        deployment = self.settings.deployment
        if not deployment.auto_rollback:
            return []
        ours = ["tagboat-*"] if deployment.watch is not None else []
        return [self.arn("cloudwatch", f"alarm:{name}") for name in (*ours, *deployment.alarms)]

    def logs(self) -> list[str]:
        """The log groups of endpoints, or of components, and the streams in them."""
        group = "Endpoints" if self.settings.components is None else "InferenceComponents"
        return [self.arn("logs", f"log-group:/aws/sagemaker/{group}/*")]

    def key(self, named: str) -> list[str]:
        """A key of KMS, whichever way it is named; one by its alias is told apart by a condition."""
        if named.startswith("arn:"):
            return [named if ":key/" in named else self.arn("kms", "key/*")]
        return [self.arn("kms", "key/*" if named.startswith("alias/") else f"key/{named}")]

    def arn(self, service: str, resource: str) -> str:
        """Something of the account in the target's region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def tagged(self, where: str) -> dict[str, Any]:
        """The condition that an object is of this target; ``where``: ``ResourceTag``, for a new one ``RequestTag``."""
        return {"StringEquals": {f"aws:{where}/{names.TARGET}": names.tag_value(self.target)}}

    def _repository(self, address: str) -> str:
        found = ECR.fullmatch(address)
        assert found is not None  # noqa: S101 - asked for addresses of ECR alone
        return f"arn:{self.partition}:ecr:{found['region']}:{found['account']}:repository/{found['path']}"


def place_of(target: str, settings: SagemakerSettings, region: str) -> Place:
    """Where a target's objects are: the account and the partition are its role's."""
    found = ROLE.fullmatch(settings.role)
    if found is None:
        raise ConfigurationError(
            f"{settings.role!r} is no ARN of a role, which tells the account",
            where=f"targets.{target}.role",
            hint="Write it as arn:aws:iam::123456789012:role/NAME.",
        )
    return Place(found["partition"], region, found["account"], target, settings)
