"""What a target of the kind ``sagemaker`` takes in tagboat.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from deployers.sagemaker.login import Login
from deployers.sagemaker.options import (
    Asynchronous,
    Components,
    DataCapture,
    EndpointName,
    InstanceType,
    KmsKey,
    Scaling,
    Serverless,
    Shadow,
    Variant,
    Vpc,
    Watch,
)
from deployers.sagemaker.payloads import EndpointKind
from deployers.sagemaker.provided import Container
from deployers.sagemaker.remarks import remarks
from deployers.settings import Connection, Remark, Secret, Settings

RoleArn = Annotated[str, Meta(pattern=r"\Aarn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/-]+\Z", max_length=2048)]
Bucket = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")]
Prefix = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\Z", max_length=200)]
BoundedDuration = Annotated[float, Meta(extra={"unit": "seconds"}, extra_json_schema={"x-unit": "seconds"})]
"""Seconds, as `Duration`, with a lower bound of its own beside it: a type takes one of a kind."""


class Image(Settings, frozen=True, kw_only=True):
    """The model's image, made by Tagboat."""

    repository: Annotated[
        str,
        Meta(
            description="Where images are pushed, such as `123456789012.dkr.ecr.eu-central-1.amazonaws.com/models`; "
            "the artifact's name follows it."
        ),
    ]
    base_image: Annotated[
        str | None, Meta(description="The image that it stands on, by tag or digest; without it the slim Python image.")
    ] = None
    platform: Annotated[
        Literal["linux/amd64", "linux/arm64"], Meta(description="What it runs on; Graviton instances are arm64.")
    ] = "linux/amd64"
    allow_missing: Annotated[
        Sequence[str], Meta(description="Shared libraries that the base image may lack, such as `libcuda.so.1`.")
    ] = ()
    signing_key: Annotated[
        Secret | None, Meta(description="A private key (PEM, P-256) that signs images as cosign does.")
    ] = None
    plain_http: Annotated[bool, Meta(description="Push over plain HTTP.")] = False
    create_repository: Annotated[
        bool, Meta(description="Make the repository in ECR where there is none, with tags that nobody can move.")
    ] = False
    scan: Annotated[bool, Meta(description="`create-repository`: ECR scans what is pushed.")] = False


class Deployment(Settings, frozen=True, kw_only=True):
    """How SageMaker lets a new release take over an endpoint that serves."""

    strategy: Annotated[
        Literal["all-at-once", "canary", "linear", "rolling"],
        Meta(
            description="Blue/green with all of the traffic moved at once, a first share of it, or equal shares; or "
            "the instances in batches."
        ),
    ] = "all-at-once"
    size: Annotated[
        int,
        Meta(
            ge=5, le=50, description="`canary`, `linear`, `rolling`: the share of a step, in percent of the capacity."
        ),
    ] = 10
    wait: Annotated[
        BoundedDuration,
        Meta(ge=0, le=3600, description="How long each step is watched before the next; whole seconds."),
    ] = 300.0
    keep_old: Annotated[
        BoundedDuration,
        Meta(ge=0, le=3600, description="Blue/green: how long the old instances are kept after the switch."),
    ] = 0.0
    timeout: Annotated[
        BoundedDuration,
        Meta(ge=600, le=28800, description="How long AWS may take for it before it goes back by itself."),
    ] = 3600.0
    alarms: Annotated[
        Sequence[str],
        Meta(max_length=10, description="CloudWatch alarms of yours, by name, that make SageMaker go back by itself."),
    ] = ()
    watch: Annotated[Watch | None, Meta(description="Alarms that Tagboat makes for the new instances.")] = None
    auto_rollback: Annotated[bool, Meta(description="SageMaker goes back by itself when an alarm rings.")] = True


class SagemakerSettings(Settings, frozen=True, kw_only=True):
    """SageMaker endpoints of an AWS account in a region, one for each slot."""

    bucket: Annotated[Bucket, Meta(description="The S3 bucket for models, records and leases.")]
    role: Annotated[RoleArn, Meta(description="The execution role that the endpoint's containers run with.")]
    image: Annotated[
        str | Image | None,
        Meta(description="The model's image; where only its `repository` is to be said, that alone will do."),
    ] = None
    container: Annotated[
        Container | None, Meta(description="A container that is not Tagboat's server, instead of `image`.")
    ] = None
    model: Annotated[
        Literal["image", "archive", "s3"],
        Meta(
            description="Where the model's files are: in the image, in a `model.tar.gz` of the bucket (so too where "
            "there is a `container`), or there file by file (for what is too large to be unpacked)."
        ),
    ] = "image"
    prefix: Annotated[Prefix, Meta(description="Where in the bucket.")] = "tagboat"
    region: Annotated[
        Connection | None, Meta(description="The region; without it AWS_REGION, or the profile's own.")
    ] = None
    profile: Annotated[Connection | None, Meta(description="A profile of the runner's AWS configuration.")] = None
    endpoint_url: Annotated[
        Connection | None, Meta(description="Another address than AWS's own, for all of its services.")
    ] = None
    login: Annotated[Login, Meta(description="How to log in, beyond the chain that every AWS tool has.")] = Login()
    endpoint_name: Annotated[
        EndpointName | None,
        Meta(description="The endpoint's name, for a target with one slot; without it one made of artifact and stage."),
    ] = None
    instance_type: Annotated[InstanceType, Meta(description="What the model runs on.")] = "ml.m5.large"
    instance_count: Annotated[int, Meta(ge=1, le=1000, description="On how many.")] = 1
    serverless: Annotated[Serverless | None, Meta(description="A serverless endpoint.")] = None
    asynchronous: Annotated[Asynchronous | None, Meta(description="An asynchronous endpoint.")] = None
    weight: Annotated[float, Meta(ge=0, description="The share of `main`, where there are `variants`.")] = 1.0
    variants: Annotated[
        Sequence[Variant], Meta(max_length=9, description="Further production variants beside `main`.")
    ] = ()
    shadow: Annotated[Shadow | None, Meta(description="A variant that gets copies of the requests.")] = None
    components: Annotated[
        Components | None, Meta(description="Inference components on one endpoint, for several artifacts.")
    ] = None
    data_capture: Annotated[DataCapture | None, Meta(description="Keep requests and answers in S3.")] = None
    vpc: Annotated[Vpc | None, Meta(description="Your own network for the containers.")] = None
    network_isolation: Annotated[bool, Meta(description="The containers can open no connection at all.")] = False
    kms_key: Annotated[KmsKey | None, Meta(description="The key that encrypts the instances' volumes.")] = None
    volume_size: Annotated[
        Annotated[int, Meta(ge=1, le=512)] | None, Meta(description="The instances' volumes, in GB; without it AWS's.")
    ] = None
    routing: Annotated[
        Literal["random", "least-outstanding-requests"], Meta(description="How requests are given to instances.")
    ] = "random"
    scaling: Annotated[Scaling | None, Meta(description="Scale by load.")] = None
    env: Annotated[Mapping[str, str], Meta(description="Variables of the server; no secrets.")] = {}
    tags: Annotated[Mapping[str, str], Meta(description="Further tags of every object.")] = {}
    deployment: Annotated[Deployment, Meta(description="How a new release takes over.")] = Deployment()
    start_timeout: Annotated[
        BoundedDuration, Meta(ge=60, le=3600, description="How long a container may take until it answers /ping.")
    ] = 600.0
    download_timeout: Annotated[
        BoundedDuration,
        Meta(ge=60, le=3600, description="`model: archive | s3`: how long the model may take to arrive."),
    ] = 1200.0
    patience: Annotated[
        BoundedDuration,
        Meta(ge=60, description="How long a run watches an endpoint that changes before it leaves it alone."),
    ] = 7200.0
    keep: Annotated[
        int, Meta(ge=1, le=50, description="How many verified releases keep their models and configs, to go back to.")
    ] = 5

    def remarks(self) -> Sequence[Remark]:
        """What is wrong with them together."""
        return tuple(remarks(self))

    @property
    def kind(self) -> EndpointKind:
        """How the endpoint runs its containers."""
        if self.serverless is not None:
            return EndpointKind.SERVERLESS
        return EndpointKind.ASYNCHRONOUS if self.asynchronous is not None else EndpointKind.REAL_TIME

    @property
    def pushed(self) -> Image | None:
        """The model's image, whichever way it was written."""
        return Image(repository=self.image) if isinstance(self.image, str) else self.image

    @property
    def place(self) -> Literal["image", "archive", "s3"]:
        """Where the model's files are: an image that is somebody else's has none."""
        return "archive" if self.container is not None and self.model == "image" else self.model
