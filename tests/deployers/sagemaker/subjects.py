"""A SageMaker target as a conformance subject."""

import shutil
import time
from pathlib import Path

import msgspec

from deployers.base import Release, Slot, Surroundings
from deployers.conformance import Subject
from deployers.sagemaker import names
from deployers.sagemaker.deployer import SagemakerDeployer
from deployers.sagemaker.settings import SagemakerSettings
from deployers.wrapping.bundle import Bundle

ROLE = "arn:aws:iam::123456789012:role/tagboat-execution"
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/models"


class NamedImages:
    """Images that are there already, named by their bundle's digest; broken ones say so in their name."""

    def reference(self, bundle):
        broken = "-broken" if "broken" in bundle.folder.name else ""
        return f"{REPOSITORY}{broken}@{bundle.digest}"

    def push(self, bundle):
        return "nothing to send"


def brief(seconds):
    """A sleep that only lets others go first."""
    time.sleep(min(seconds, 0.002))


class AwsSubject(Subject):
    """An account with a bucket. ``aws``: the fixture."""

    patience = 10.0
    canary = "hunter2-canary-77aa"

    def __init__(self, folder: Path, aws, settings=None) -> None:
        self.folder = folder
        self.aws = aws
        self.way = aws.amazon()
        self.written = {"bucket": aws.bucket, "role": aws.role, "image": aws.image, **(settings or {})}

    def settings(self):
        return msgspec.convert({**self.written, "endpoint-url": self.aws.endpoint_url}, SagemakerSettings)

    def deployer(self, sleep=brief, **more):
        surroundings = Surroundings(
            environment={**self.aws.environment, "SECRET": self.canary, "PATH": "/usr/bin:/bin"},
            state=self.folder / "state",
            cache=self.folder / "cache",
            clock=time.time,
        )
        way = self.way
        way.sleep = sleep
        more = {"amazon": way, "images": NamedImages(), "lease_patience": 0.5, "sleep": sleep, **more}
        return SagemakerDeployer("cloud", self.settings(), surroundings, **more)

    def slot(self, name="model"):
        return Slot(artifact=name, stage="prod", target="cloud")

    def release(self, slot, version, tag=None):
        bundle = Bundle(self.folder / "bundles" / version, f"sha256:{version.encode().hex():0<64}")
        bundle.folder.mkdir(parents=True, exist_ok=True)
        release = Release(
            slot=slot,
            version=version,
            commit="c" * 40,
            bundle_digest=bundle.digest,
            settings={"server": {}, "target": {"region": "${env:SECRET}"}},
            tag=tag,
        )
        return release, bundle

    def broken(self, slot, version):
        return self.release(slot, f"{version}-broken")

    # Without the deployer

    def served(self, slot):
        from botocore.exceptions import ClientError

        client = self.aws.client("sagemaker-runtime")
        try:
            answer = client.invoke_endpoint(EndpointName=names.slot_name(slot), Body=b"[]")
        except ClientError:
            return None
        return answer["CustomAttributes"].removeprefix("tagboat-release=")

    def crash(self, slot):
        """Somebody deletes the endpoint."""
        self.aws.client("sagemaker").delete_endpoint(EndpointName=names.slot_name(slot))
        return True

    def lose_caches(self):
        shutil.rmtree(self.folder / "bundles")

    def stranger(self):
        client = self.aws.client("sagemaker")
        name = f"{names.slot_name(self.slot())}-mine"
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": f"{REPOSITORY}:1"})
        return lambda: client.describe_model(ModelName=name)["ModelName"] == name

    def snapshot(self):
        store = self.aws.sagemaker.state
        objects = {
            key: (each.given, each.tags, each.modified, each.state and (each.state.status, each.state.live.config))
            for key, each in store.objects.items()
        }
        return objects, {key: content for key, content in self.kept().items() if not key.startswith("tagboat/leases/")}

    def kept(self):
        """Everything in the bucket."""
        client = self.aws.moto.client("s3")
        found = client.list_objects_v2(Bucket=self.aws.bucket).get("Contents", [])
        return {
            each["Key"]: client.get_object(Bucket=self.aws.bucket, Key=each["Key"])["Body"].read() for each in found
        }

    def leftovers(self):
        """Objects that no record speaks of: of releases that nothing can go back to."""
        known = b"".join(content for key, content in self.kept().items() if key.startswith("tagboat/records/"))
        return [
            f"{kind} {stored.name}"
            for (kind, _), stored in self.aws.sagemaker.state.objects.items()
            if stored.tags.get(names.SLOT) and f'"{stored.name}"'.encode() not in known
        ]
