"""Models: what they are made from is looked at when they are created, as AWS does."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import Any

from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.errors import invalid
from tests.fakes.sagemaker.store import REGION, Stored

Document = dict[str, Any]

ECR = re.compile(
    r"[0-9]{12}\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/"
    r"[a-z0-9][a-z0-9._/-]*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


MANIFESTS = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        "oci.image.manifest.v1+json", "oci.image.index.v1+json", "docker.distribution.manifest.v2+json",
        "docker.distribution.manifest.list.v2+json",
    )
)  # fmt: skip


def create(account: Account, given: Document) -> Document:
    """CreateModel."""
    if ("PrimaryContainer" in given) == ("Containers" in given):
        raise invalid("You must provide either a primary container or a list of containers, and not both.")
    check_role(account, given.get("ExecutionRoleArn"))
    for container in containers(given):
        _check_container(account, container, given["ExecutionRoleArn"])
    return {"ModelArn": account.store.create("model", given["ModelName"], given).arn}


def check_role(account: Account, role: str | None) -> None:
    """Refused where the role is missing, or is not there."""
    if role is None:
        raise invalid("ExecutionRoleArn is required.")
    if not account.elsewhere.may_assume(role):
        raise invalid(
            f"Could not assume role {role}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def containers(given: Document) -> list[Document]:
    """The containers of a model, in the order in which they answer."""
    return [given["PrimaryContainer"]] if "PrimaryContainer" in given else given["Containers"]


def _check_container(account: Account, container: Document, role: str) -> None:
    if "Image" not in container and "ModelPackageName" not in container:
        raise invalid("Either Image or ModelPackageName must be provided for a container.")
    check_image(account, container.get("Image"), container.get("ImageConfig", {}))
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise invalid("Both ModelDataUrl and ModelDataSource are set; only one of them is allowed.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None and (source["S3DataType"] == "S3Prefix") != source["S3Uri"].endswith("/"):
        raise invalid(f"S3Uri {source['S3Uri']} must end with a slash if and only if S3DataType is S3Prefix.")
    check_data(account, container.get("ModelDataUrl") or (source or {}).get("S3Uri"), role)


def check_image(account: Account, image: str | None, config: Document) -> None:
    """Refused where the image is none of ECR's, of another region, or not there."""
    if image is None or config.get("RepositoryAccessMode") == "Vpc":
        return
    match = ECR.fullmatch(image)
    if image.partition("/")[0] in account.registries:
        if not _in_registry(image):
            raise invalid(f"Requested image {image} not found.")
        return
    if match is None:
        if ".dkr.ecr." in image:
            raise invalid(f'ECR image "{image}" is invalid.')
        raise invalid(f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.')
    if match["region"] != REGION:
        raise invalid(f'Invalid image region in image "{image}": the image must be in {REGION}.')
    if any(part in image for part in account.missing_images):
        raise invalid(f"Requested image {image} not found.")


def _in_registry(image: str) -> bool:
    """Whether a plain registry has an image, by its digest or tag."""
    host, _, rest = image.partition("/")
    repository, _, reference = rest.partition("@") if "@" in rest else rest.rpartition(":")
    request = urllib.request.Request(
        f"http://{host}/v2/{repository}/manifests/{reference}", headers={"accept": MANIFESTS}, method="HEAD"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


def check_data(account: Account, uri: str | None, role: str) -> None:
    """Refused where the model's data is not there."""
    if uri is None:
        return
    if not uri.startswith("s3://"):
        raise invalid(f"Could not access model data at {uri}. Only s3:// addresses are known here.")
    if not account.elsewhere.holds(uri):
        raise invalid(
            f"Could not find model data at {uri}."
            if uri.endswith((".gz", "/"))
            else f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and that its trust '
            'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".'
        )


def described(stored: Stored) -> Document:
    """DescribeModel: with what AWS fills in."""
    given = dict(stored.given)
    if "PrimaryContainer" in given:
        given["PrimaryContainer"] = _filled(given["PrimaryContainer"])
    else:
        given["Containers"] = [_filled(each) for each in given["Containers"]]
    return {**given, "ModelArn": stored.arn, "CreationTime": stored.created,
            "EnableNetworkIsolation": given.get("EnableNetworkIsolation", False)}  # fmt: skip


def _filled(container: Document) -> Document:
    filled = {"Mode": "SingleModel", "Environment": {}, **container}
    if "ModelDataUrl" in container:
        source = {"S3Uri": container["ModelDataUrl"], "S3DataType": "S3Object", "CompressionType": "Gzip"}
        filled["ModelDataSource"] = {"S3DataSource": source}
    return filled


def delete(account: Account, name: str) -> Document:
    """DeleteModel; that a configuration still names it hinders nobody."""
    stored = account.store.get("model", name)
    for config in account.store.all("endpoint-config"):
        variants = [*config.given["ProductionVariants"], *config.given.get("ShadowProductionVariants", [])]
        if any(variant.get("ModelName", "").lower() == name.lower() for variant in variants):
            account.misdeeds.append(f"deleted model {name}, which {config.name} names")
    account.store.delete(stored)
    return {}
