"""What of a target says how an endpoint runs: its kind and variants, what it keeps, and what scales and watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Duration, Settings

S3Uri = Annotated[str, Meta(pattern=r"\As3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?\Z", max_length=512)]
Topic = Annotated[str, Meta(pattern=r"\Aarn:aws[a-z-]*:sns:[a-z0-9-]*:[0-9]{12}:[a-zA-Z0-9_.-]+\Z")]
KmsKey = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9:/_-]+\Z", max_length=2048)]
InstanceType = Annotated[str, Meta(pattern=r"\Aml\.[a-z0-9-]+\.[a-z0-9]+\Z", max_length=40)]
VariantName = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z", max_length=63)]
EndpointName = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z", max_length=63)]
"""A name of an endpoint, as SageMaker's CreateEndpoint has it."""

ModelName = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\Z", max_length=63)]
AwsId = Annotated[str, Meta(pattern=r"\A[-0-9a-zA-Z]{1,32}\Z")]
Positive = Annotated[float, Meta(gt=0)]
Percent = Annotated[float, Meta(gt=0, le=100)]
Count = Annotated[int, Meta(ge=1, le=1000)]


class Serverless(Settings, frozen=True, kw_only=True):
    """Without instances: paid by use, asleep when nobody asks, with a slow first answer after that."""

    memory: Annotated[
        int, Meta(ge=1024, le=6144, multiple_of=1024, description="Memory in MB: 1024 to 6144, in steps of 1024.")
    ] = 2048
    concurrency: Annotated[int, Meta(ge=1, le=200, description="The most requests at once.")] = 5
    provisioned: Annotated[
        Annotated[int, Meta(ge=1, le=200)] | None,
        Meta(description="For how many of them the container is kept awake, which is paid for all the time."),
    ] = None


class Asynchronous(Settings, frozen=True, kw_only=True):
    """Requests wait in a queue, and answers are written to S3: for inputs up to 1 GB and an hour of work."""

    output: Annotated[
        S3Uri | None, Meta(description="Where answers go; without it `results/` below the target's prefix.")
    ] = None
    failures: Annotated[S3Uri | None, Meta(description="Where errors go; without it beside the answers.")] = None
    success_topic: Annotated[Topic | None, Meta(description="The ARN of an SNS topic that is told of answers.")] = None
    error_topic: Annotated[Topic | None, Meta(description="The same for errors.")] = None
    include_answer: Annotated[bool, Meta(description="Notifications hold the answer, where it is small.")] = False
    concurrency: Annotated[
        Count | None, Meta(description="The most requests that an instance works on at once; without it AWS decides.")
    ] = None
    kms_key: Annotated[KmsKey | None, Meta(description="The key that encrypts answers.")] = None


class Variant(Settings, frozen=True, kw_only=True):
    """One more production variant beside `main`, with a share of the requests of its own."""

    name: Annotated[VariantName, Meta(description="Its name; `main` is taken.")]
    weight: Annotated[float, Meta(ge=0, description="Its share of the requests, against the other weights.")] = 1.0
    instance_type: Annotated[InstanceType | None, Meta(description="Without it the target's own.")] = None
    instance_count: Annotated[Count | None, Meta(description="Without it the target's own.")] = None
    model_name: Annotated[
        ModelName | None,
        Meta(description="A model that is in SageMaker already, to compare with; without it the release's own."),
    ] = None


class Shadow(Settings, frozen=True, kw_only=True):
    """A variant that gets copies of the requests, and whose answers nobody sees."""

    model_name: Annotated[
        ModelName | None, Meta(description="A model that is in SageMaker already; without it the release's own.")
    ] = None
    weight: Annotated[
        float, Meta(gt=0, description="How much of `main`'s requests it gets copies of, against `main`'s weight.")
    ] = 1.0
    instance_type: Annotated[InstanceType | None, Meta(description="Without it the target's own.")] = None
    instance_count: Annotated[Count | None, Meta(description="Without it the target's own.")] = None


class Components(Settings, frozen=True, kw_only=True):
    """Inference components: every slot of the target is one of them, on the instances of one endpoint."""

    endpoint: Annotated[EndpointName, Meta(description="The endpoint, which Tagboat makes for them.")]
    memory: Annotated[int, Meta(ge=128, description="Memory that a copy of a model needs, in MB.")] = 1024
    cpus: Annotated[
        Annotated[float, Meta(ge=0.25)] | None, Meta(description="Processors that a copy needs, such as 0.5.")
    ] = None
    accelerators: Annotated[
        Annotated[float, Meta(ge=1)] | None, Meta(description="GPUs or other accelerators that a copy needs.")
    ] = None
    copies: Annotated[Count, Meta(description="How many copies there are, where nothing scales them.")] = 1
    instances: Annotated[
        Count | None,
        Meta(description="The most instances that SageMaker may add for more copies; without it none are added."),
    ] = None


class DataCapture(Settings, frozen=True, kw_only=True):
    """Requests and answers are kept in S3."""

    share: Annotated[int, Meta(ge=0, le=100, description="Of how many requests, in percent.")] = 100
    to: Annotated[S3Uri | None, Meta(description="Where; without it `captured/` below the target's prefix.")] = None
    what: Annotated[
        Sequence[Literal["input", "output"]], Meta(min_length=1, max_length=2, description="What is kept.")
    ] = ("input", "output")
    csv: Annotated[
        Sequence[str], Meta(max_length=10, description="Content types that are kept as CSV, not in base64.")
    ] = ("text/csv",)
    json: Annotated[
        Sequence[str], Meta(max_length=10, description="Content types that are kept as JSON, not in base64.")
    ] = ("application/json",)
    kms_key: Annotated[KmsKey | None, Meta(description="The key that encrypts it.")] = None


class Vpc(Settings, frozen=True, kw_only=True):
    """The containers' way to your own network."""

    subnets: Annotated[Sequence[AwsId], Meta(min_length=1, max_length=16, description="Subnets, by id.")]
    security_groups: Annotated[Sequence[AwsId], Meta(min_length=1, max_length=5, description="Security groups, by id.")]


class Scaling(Settings, frozen=True, kw_only=True):
    """Application Auto Scaling, which follows a target."""

    min: Annotated[int, Meta(ge=0, le=1000, description="The fewest; 0 for asynchronous endpoints alone.")] = 1
    max: Annotated[Count, Meta(description="The most.")] = 4
    target: Annotated[
        Positive | None,
        Meta(
            description="What is aimed at: requests a minute and instance (real-time, without it 100), waiting "
            "requests an instance (asynchronous, 5), or the used share of what is provisioned (serverless, 0.7).",
        ),
    ] = None
    in_wait: Annotated[Duration, Meta(le=86400, description="How long it waits before it takes more away.")] = 300.0
    out_wait: Annotated[Duration, Meta(le=86400, description="How long it waits before it adds more.")] = 60.0


class Watch(Settings, frozen=True, kw_only=True):
    """Alarms that Tagboat makes for the new instances of a deployment; one that rings brings the old ones back."""

    errors: Annotated[Percent | None, Meta(description="Answers of 5xx, in percent; `null` for no such alarm.")] = 5.0
    refusals: Annotated[
        Percent | None, Meta(description="Answers of 4xx, in percent: requests that the new model does not take.")
    ] = None
    latency: Annotated[
        Duration | None, Meta(description="The 99th percentile of the container's own time for an answer.")
    ] = None
    model_failures: Annotated[
        Count | None,
        Meta(description="Exceptions of the model a minute, counted in the log of Tagboat's own server."),
    ] = None
    minutes: Annotated[int, Meta(ge=1, le=60, description="For how many minutes in a row before an alarm rings.")] = 1
