"""What a target of the kind ``kubernetes`` takes in tagboat.yaml."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Connection, Duration, Secret, Settings

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", max_length=63)]
"""A name of Kubernetes: an RFC 1123 label."""

Quantity = Annotated[str, Meta(pattern=r"\A[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?\Z", max_length=20)]
"""Kubernetes' resource quantity, such as ``500m`` or ``2Gi``."""

Percent = Annotated[int, Meta(ge=1, le=99)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1000)]


class Auth(enum.StrEnum):
    """How the target's API server is reached."""

    KUBECONFIG = "kubeconfig"
    IN_CLUSTER = "in-cluster"
    TOKEN = "token"  # noqa: S105 - the name of a way in
    EKS = "eks"
    GKE = "gke"
    AKS = "aks"


class Engine(enum.StrEnum):
    """What a release becomes."""

    DEPLOYMENT = "deployment"
    KSERVE = "kserve"


class Resources(Settings, frozen=True, kw_only=True):
    """What one replica asks for, and the most it may have."""

    cpu: Annotated[Quantity, Meta(description="Requested processors, such as `500m`.")] = "500m"
    memory: Annotated[Quantity, Meta(description="Requested and limited memory, such as `1Gi`.")] = "1Gi"
    cpu_limit: Annotated[
        Quantity | None, Meta(description="The most processor time; without it there is no limit, and no throttling.")
    ] = None
    memory_limit: Annotated[Quantity | None, Meta(description="The most memory, where it is not `memory`.")] = None
    gpu: Annotated[int, Meta(ge=0, description="GPUs.")] = 0
    gpu_resource: Annotated[str, Meta(description="What the cluster calls a GPU.")] = "nvidia.com/gpu"


class Autoscaling(Settings, frozen=True, kw_only=True):
    """A HorizontalPodAutoscaler."""

    min: Annotated[Count, Meta(description="The fewest replicas.")] = 1
    max: Annotated[Count, Meta(description="The most replicas.")] = 10
    cpu: Annotated[int, Meta(ge=1, le=1000, description="The mean of used against requested processors, in %.")] = 70
    memory: Annotated[Annotated[int, Meta(ge=1, le=1000)] | None, Meta(description="The same for memory, in %.")] = None


class Trigger(Settings, frozen=True, kw_only=True):
    """What KEDA scales by."""

    type: Annotated[str, Meta(description="A scaler of KEDA's, such as `prometheus` or `cron`.")]
    metadata: Annotated[Mapping[str, str], Meta(description="The scaler's own keys.")]


class Keda(Settings, frozen=True, kw_only=True):
    """A ScaledObject of KEDA's instead of a HorizontalPodAutoscaler."""

    triggers: Annotated[Sequence[Trigger], Meta(min_length=1, description="What it scales by.")]
    min: Annotated[int, Meta(ge=0, le=1000, description="The fewest replicas; 0 scales to zero.")] = 1
    max: Annotated[Count, Meta(description="The most replicas.")] = 10


class Ingress(Settings, frozen=True, kw_only=True):
    """An Ingress to the slot."""

    host: Annotated[str, Meta(description="The host name.")]
    path: Annotated[str, Meta(description="The path below which the server answers.")] = "/"
    class_name: Annotated[str | None, Meta(description="The ingress class.")] = None
    tls_secret: Annotated[Name | None, Meta(description="The secret with the certificate.")] = None
    annotations: Annotated[Mapping[str, str], Meta(description="What the ingress controller reads.")] = {}


class Route(Settings, frozen=True, kw_only=True):
    """An HTTPRoute of the Gateway API to the slot; its weights are exact."""

    gateway: Annotated[Name, Meta(description="The gateway's name.")]
    gateway_namespace: Annotated[Name | None, Meta(description="Its namespace, where it is another.")] = None
    hostnames: Annotated[Sequence[str], Meta(description="The host names; without them the gateway's.")] = ()
    path: Annotated[str, Meta(description="The path prefix.")] = "/"


class Monitor(Settings, frozen=True, kw_only=True):
    """A ServiceMonitor for the Prometheus operator."""

    interval: Annotated[Duration, Meta(description="How often it is scraped.")] = 30.0
    labels: Annotated[Mapping[str, str], Meta(description="Labels by which a Prometheus finds it.")] = {}


class NetworkRules(Settings, frozen=True, kw_only=True):
    """A NetworkPolicy: who may ask the server, and whom it may ask."""

    enabled: Annotated[bool, Meta(description="Without it every pod may ask, and be asked.")] = True
    from_namespaces: Annotated[
        Sequence[Name], Meta(description="Namespaces whose pods may ask; without any, all of the cluster may.")
    ] = ()
    egress: Annotated[bool, Meta(description="The model's code may open connections.")] = False


class SecretKey(Settings, frozen=True, kw_only=True):
    """A value that lies in a Secret of the namespace."""

    secret: Annotated[str, Meta(description="The secret's name.")]
    key: Annotated[str, Meta(description="The key in it.")]


class Toleration(Settings, frozen=True, kw_only=True):
    """A taint that the pods may stand."""

    key: Annotated[str | None, Meta(description="The taint's key; without one, every key.")] = None
    operator: Annotated[Literal["Exists", "Equal"], Meta(description="How it is compared.")] = "Equal"
    value: Annotated[str | None, Meta(description="The taint's value.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None, Meta(description="Its effect; without it, any.")
    ] = None


class Image(Settings, frozen=True, kw_only=True):
    """The model's image."""

    repository: Annotated[
        str, Meta(description="Where images are pushed, such as `ghcr.io/acme/models`; the artifact's name follows it.")
    ]
    base_image: Annotated[
        str | None, Meta(description="The image that it stands on, by tag or digest; without it the slim Python image.")
    ] = None
    platforms: Annotated[
        Sequence[Literal["linux/amd64", "linux/arm64"]], Meta(min_length=1, description="What it runs on.")
    ] = ("linux/amd64",)
    model: Annotated[
        Literal["image", "object-storage"],
        Meta(description="Where the model's files are: in the image, or in a store that an init container reads."),
    ] = "image"
    model_store: Annotated[
        str | None, Meta(description="`model: object-storage`: `s3://bucket/prefix`, or an address of https.")
    ] = None
    allow_missing: Annotated[
        Sequence[str], Meta(description="Shared libraries that the base image may lack, such as `libcuda.so.1`.")
    ] = ()
    signing_key: Annotated[
        Secret | None, Meta(description="A private key (PEM, P-256) that signs images as cosign does.")
    ] = None
    plain_http: Annotated[bool, Meta(description="Push over plain HTTP.")] = False
    pull_secrets: Annotated[Sequence[Name], Meta(description="Secrets with which the cluster pulls.")] = ()


class CanaryStep(Settings, frozen=True, kw_only=True):
    """A share of the traffic, and how long it is watched."""

    weight: Annotated[Percent, Meta(description="Percent of the traffic that the new release gets.")]
    pause: Annotated[Duration, Meta(description="How long it is watched.")] = 60.0


class Judgement(Settings, frozen=True, kw_only=True):
    """When a canary is good: the new release's own figures against the old one's."""

    requests: Annotated[
        int, Meta(ge=1, description="Fewer answers of the new release in a step are too few to judge.")
    ] = 50
    error_rate: Annotated[
        float, Meta(ge=0, le=1, description="By how much the share of failed requests may be higher.")
    ] = 0.01
    latency: Annotated[float, Meta(ge=1, description="How many times as long its 99th percentile may be.")] = 1.5
    drift: Annotated[
        float,
        Meta(ge=0, description="The most that the distributions of answers may differ (population stability index)."),
    ] = 0.25
    patience: Annotated[
        Duration, Meta(description="How much longer than its pause a step with too few requests waits.")
    ] = 600.0


class Strategy(Settings, frozen=True, kw_only=True):
    """How a new release takes over."""

    type: Annotated[
        Literal["rolling", "blue-green", "canary"],
        Meta(description="Pod by pod; both side by side and then switched; or by growing shares of the traffic."),
    ] = "rolling"
    keep_old: Annotated[
        Duration, Meta(description="Blue-green: how long the old release runs on after the switch.")
    ] = 600.0
    steps: Annotated[Sequence[CanaryStep], Meta(description="Canary: shares and pauses, growing.")] = (
        CanaryStep(weight=10),
        CanaryStep(weight=50),
    )
    judgement: Annotated[Judgement, Meta(description="Canary: when a step is good.")] = Judgement()


class KubernetesSettings(Settings, frozen=True, kw_only=True):
    """A namespace of a Kubernetes cluster."""

    image: Annotated[
        str | Image,
        Meta(description="The model's image; where only its `repository` is to be said, that alone will do."),
    ]
    namespace: Annotated[Name | None, Meta(description="The namespace; without it the context's, or `default`.")] = None
    auth: Annotated[Auth, Meta(description="How the cluster is reached.")] = Auth.KUBECONFIG
    kubeconfig: Annotated[
        Connection | None,
        Meta(description="A kubeconfig file of the runner; without it KUBECONFIG, or ~/.kube/config."),
    ] = None
    context: Annotated[str | None, Meta(description="The context of the kubeconfig.")] = None
    server: Annotated[Connection | None, Meta(description="`auth: token`: the API server's URL.")] = None
    token: Annotated[Secret | None, Meta(description="`auth: token`: the bearer token.")] = None
    ca_file: Annotated[Connection | None, Meta(description="`auth: token`: the certificate authority's file.")] = None
    cluster: Annotated[Connection | None, Meta(description="`auth: eks | gke | aks`: the cluster's name.")] = None
    region: Annotated[Connection | None, Meta(description="`auth: eks | gke`: where it is.")] = None
    role: Annotated[Connection | None, Meta(description="`auth: eks`: a role to assume, by its ARN.")] = None
    profile: Annotated[Connection | None, Meta(description="`auth: eks`: a profile of the AWS configuration.")] = None
    project: Annotated[Connection | None, Meta(description="`auth: gke`: the project.")] = None
    subscription: Annotated[Connection | None, Meta(description="`auth: aks`: the subscription's id.")] = None
    resource_group: Annotated[Connection | None, Meta(description="`auth: aks`: the resource group.")] = None
    engine: Annotated[Engine, Meta(description="A Deployment, or an InferenceService of KServe's.")] = Engine.DEPLOYMENT
    kserve_mode: Annotated[
        Literal["raw", "knative"], Meta(description="`engine: kserve`: how the cluster's KServe deploys.")
    ] = "raw"
    replicas: Annotated[int, Meta(ge=1, le=1000, description="Pods, where nothing scales them.")] = 2
    port: Annotated[Port, Meta(description="The service's port.")] = 80
    resources: Annotated[Resources, Meta(description="What a replica asks for.")] = Resources()
    autoscaling: Annotated[Autoscaling | None, Meta(description="Scale by load.")] = None
    keda: Annotated[Keda | None, Meta(description="Scale by KEDA.")] = None
    ingress: Annotated[Ingress | None, Meta(description="An Ingress.")] = None
    route: Annotated[Route | None, Meta(description="An HTTPRoute of the Gateway API.")] = None
    monitor: Annotated[Monitor | None, Meta(description="A ServiceMonitor.")] = None
    network: Annotated[NetworkRules, Meta(description="Who may talk to whom.")] = NetworkRules()
    env: Annotated[Mapping[str, str], Meta(description="Variables of the server; no secrets.")] = {}
    env_from_secrets: Annotated[
        Mapping[str, SecretKey], Meta(description="Variables whose values lie in Secrets of the namespace.")
    ] = {}
    node_selector: Annotated[Mapping[str, str], Meta(description="Labels that a node must have.")] = {}
    tolerations: Annotated[Sequence[Toleration], Meta(description="Taints that pods may stand.")] = ()
    labels: Annotated[Mapping[str, str], Meta(description="Further labels of every object.")] = {}
    annotations: Annotated[Mapping[str, str], Meta(description="Further annotations of every object.")] = {}
    run_as_user: Annotated[int, Meta(ge=1, description="The numeric user of the server.")] = 10001
    strategy: Annotated[Strategy, Meta(description="How a new release takes over.")] = Strategy()
    start_timeout: Annotated[Duration, Meta(description="How long a pod may take until it is ready.")] = 600.0
    drain: Annotated[Duration, Meta(description="How long a pod may finish its requests.")] = 30.0
    force_conflicts: Annotated[
        bool, Meta(description="Take fields over that another field manager owns, instead of refusing.")
    ] = False
    allow_kinds: Annotated[
        Sequence[str], Meta(description="Kinds that templates of the repository may make beside our own ones.")
    ] = ()

    @property
    def pushed(self) -> Image:
        """The model's image, whichever way it was written."""
        return Image(repository=self.image) if isinstance(self.image, str) else self.image
