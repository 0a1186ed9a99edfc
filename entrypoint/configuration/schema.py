"""tagboat.yaml, typed. Descriptions stand here once: the JSON Schema and docs/configuration.md are made from them.

A key that is absent stays `msgspec.UNSET` wherever a wider layer may say it instead (`entrypoint.configuration.layers`
lays them over one another); everywhere else the default stands here.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deployers.settings import Connection, Duration, Settings, Size
from entrypoint.configuration.notification_settings import Notification
from entrypoint.configuration.promotion_settings import PromotionRules
from entrypoint.configuration.remotes import Port, Remote
from entrypoint.configuration.report_settings import Report
from entrypoint.configuration.words import (
    JSON,
    REPOSITORY_PATH,
    ArtifactName,
    ContentType,
    Count,
    FormatName,
    MethodName,
    PythonVersion,
    RepositoryPath,
    StageName,
    TargetName,
    Text,
    UrlPath,
)

MEGABYTE = 1_000_000
GIGABYTE = 1000 * MEGABYTE


class Approximate(Settings, frozen=True, kw_only=True):
    """Numbers near these, as numpy.isclose reckons: |answer - value| <= atol + rtol * |value|."""

    value: Annotated[JSON, Meta(description="The expected answer; its numbers are compared within the tolerances.")]
    rtol: Annotated[float, Meta(ge=0, description="Relative tolerance.")] = 1e-6
    atol: Annotated[float, Meta(ge=0, description="Absolute tolerance.")] = 1e-9


class Expect(Settings, frozen=True, kw_only=True):
    """What an answer must be; all that is given must hold. Of a method's answer its `predictions` are looked at, of a
    path's answer the whole."""

    status: Annotated[int, Meta(ge=100, le=599, description="The HTTP status.")] = 200
    equal: Annotated[JSON | UnsetType, Meta(description="The JSON answer, exactly.")] = UNSET
    approximate: Annotated[
        Approximate | UnsetType, Meta(description="The JSON answer, its numbers within a tolerance.")
    ] = UNSET
    schema: Annotated[
        Mapping[str, JSON] | bool | UnsetType, Meta(description="A JSON Schema (draft 2020-12) that the answer meets.")
    ] = UNSET


class Smoke(Settings, frozen=True, kw_only=True):
    """One request that a release must answer before it counts as live."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.path is not None and self.method != "predict":
            raise ValueError("method and path exclude each other", "A method has its own path: keep one of them.")
        if self.input is not UNSET and self.input_file is not None:
            raise ValueError("input and input-file exclude each other", "Keep one of them.")

    method: Annotated[MethodName, Meta(description="The model's method, served at `/methods/<method>`.")] = "predict"
    path: Annotated[
        UrlPath | None,
        Meta(
            description="Another path of the server, instead of `method`; without an input it is a GET.",
        ),
    ] = None
    input: Annotated[JSON | UnsetType, Meta(description="The request's body, as JSON.")] = UNSET
    input_file: Annotated[
        RepositoryPath | None,
        Meta(description="A file beside tagboat.yaml that holds the body, instead of `input`."),
    ] = None
    content_type: Annotated[ContentType, Meta(description="What the body is.")] = "application/json"
    expect: Annotated[Expect, Meta(description="What the answer must be; without it: status 200.")] = Expect()
    timeout: Annotated[Duration, Meta(description="How long the answer may take.")] = 60.0


class Server(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of the model's server. An absent key leaves the server's own default, which is told here."""

    max_body: Annotated[
        Size | UnsetType, Meta(description="The largest request body; more is answered with 413. Default 16MiB.")
    ] = UNSET
    max_header: Annotated[
        Size | UnsetType, Meta(description="The largest request line and headers together. Default 32KiB.")
    ] = UNSET
    drain: Annotated[
        Duration | UnsetType,
        Meta(description="How long open connections may finish when a release is replaced. Default 30s."),
    ] = UNSET
    drain_delay: Annotated[
        Duration | UnsetType,
        Meta(description="How long the server says not ready, and still accepts, before it drains. Default 0s."),
    ] = UNSET
    concurrency: Annotated[
        Count | UnsetType,
        Meta(description="Requests in work or waiting at once; more are answered with 503. Default 1024."),
    ] = UNSET
    workers: Annotated[
        Count | Literal["auto"] | UnsetType,
        Meta(description="Processes that serve side by side; `auto`: as many as processors allow. Default 1."),
    ] = UNSET
    threads: Annotated[Count | UnsetType, Meta(description="Calls of the model that run side by side. Default 1.")] = (
        UNSET
    )
    batching: Annotated[
        Literal["auto", "on", "off"] | UnsetType,
        Meta(
            description="Whether requests that arrive together are answered by one call of the model: where that keeps "
            "every bit, always, never. Default auto."
        ),
    ] = UNSET
    blas_threads: Annotated[
        Count | UnsetType, Meta(description="Threads of one call of the model inside BLAS and OpenMP. Default 1.")
    ] = UNSET
    request_timeout: Annotated[
        Duration | UnsetType, Meta(description="How long a request may wait for the model and its answer. Default 60s.")
    ] = UNSET
    header_timeout: Annotated[
        Duration | UnsetType, Meta(description="From a request's first byte to the end of its headers. Default 10s.")
    ] = UNSET
    body_timeout: Annotated[
        Duration | UnsetType, Meta(description="From the end of the headers to the end of the body. Default 60s.")
    ] = UNSET
    keep_alive: Annotated[Duration | UnsetType, Meta(description="How long a connection may be idle. Default 75s.")] = (
        UNSET
    )
    max_connections: Annotated[Count | UnsetType, Meta(description="Open connections at once. Default 2048.")] = UNSET
    mlem_standardize: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether a MLEM model's methods are `predict` and `predict_proba` with one argument `data`, as "
            "`mlem serve` shows them, or have their own names. Default true."
        ),
    ] = UNSET
    default_accept: Annotated[
        Literal[
            "auto",
            "application/json",
            "application/jsonlines",
            "text/csv",
            "application/x-npy",
            "application/vnd.apache.arrow.stream",
            "application/x-parquet",
        ]
        | UnsetType,
        Meta(
            description="What `/invocations` answers where a request asks for no type; `auto` is JSON, and JSON lines "
            "to JSON lines. Default auto."
        ),
    ] = UNSET
    grpc_port: Annotated[
        Port | UnsetType | None,
        Meta(description="A TCP port for gRPC beside HTTP's, on the same host; brings grpcio along. Default null."),
    ] = UNSET
    access_log: Annotated[bool | UnsetType, Meta(description="A line of JSON for each request. Default true.")] = UNSET

    def __post_init__(self) -> None:
        """Refuse what would serve nobody, as the server itself does."""
        for name in ("max_body", "max_header", "request_timeout", "header_timeout", "body_timeout", "keep_alive"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name.replace('_', '-')} must be more than 0")


class Registration(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """What a registration does beyond being recorded."""

    preflight: Annotated[
        bool | UnsetType,
        Meta(
            description="Wrap, start and smoke-test a version when it is registered, deploying nothing. Default true."
        ),
    ] = UNSET
    assign: Annotated[
        str | UnsetType | None,
        Meta(description="The stage that a registered version is assigned to at once, by a real GTO assignment."),
    ] = UNSET


class StageOverrides(Settings, frozen=True, kw_only=True):
    """A stage; or, below an artifact, what that artifact has otherwise in it."""

    targets: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="The targets that a release of this stage goes to.")
    ] = UNSET
    server: Annotated[Server, Meta(description="Server settings here; key by key over the wider ones.")] = Server()
    smoke: Annotated[
        tuple[Smoke, ...] | UnsetType, Meta(description="Smoke requests here, instead of the wider ones.")
    ] = UNSET


class Optimize(Settings, frozen=True, kw_only=True):
    """Another form of the model, compared with the model when it is wrapped; `optimize: onnx` leaves all the rest."""

    to: Annotated[Literal["onnx"], Meta(description="The form: an ONNX graph.")] = "onnx"
    rtol: Annotated[float, Meta(ge=0, description="Relative tolerance of every probability or value.")] = 1e-5
    atol: Annotated[float, Meta(ge=0, description="Absolute tolerance, added to the relative one.")] = 1e-6
    labels: Annotated[float, Meta(ge=0, le=1, description="The largest share of labels that may differ, 0 to 1.")] = 0.0
    rows: Annotated[
        int, Meta(ge=100, le=1_000_000, description="How many rows to compare on: the sample's and random ones.")
    ] = 1000
    required: Annotated[
        bool,
        Meta(description="Refuse a model whose graph is not accepted; if false, it answers itself, with a warning."),
    ] = True


class Artifact(Settings, frozen=True, kw_only=True):
    """What is particular to one artifact, by the name that `tagboat show` prints."""

    def __post_init__(self) -> None:
        """Keep the requirements' file inside the repository."""
        if isinstance(self.requirements, str) and not re.search(REPOSITORY_PATH, self.requirements):
            raise ValueError(
                "requirements names no file inside the repository",
                "Give a path relative to its root, or a list of requirements.",
            )

    path: Annotated[
        RepositoryPath | None,
        Meta(description="The model's file or folder, where the registry's annotations name none."),
    ] = None
    format: Annotated[
        FormatName | None,
        Meta(
            description="The model's format, where its files do not tell: `catboost`, `lightgbm`, `mlem`, `mlflow`, "
            "`onnx`, `python`, `sklearn-joblib`, `sklearn-pickle`, `sklearn-skops`, `torch-export`, `torchscript`, "
            "`xgboost`, or one that a package among its requirements brings."
        ),
    ] = None
    requirements: Annotated[
        str | tuple[Text, ...] | None,  # msgspec 0.22: a union of a list and a str with a pattern corrupts memory
        Meta(description="A requirements.txt or pyproject.toml of the tagged commit, or the requirements themselves."),
    ] = None
    python: Annotated[
        PythonVersion | None,
        Meta(
            description="The Python that the model needs, such as 3.11: no other is taken instead.",
        ),
    ] = None
    code: Annotated[
        tuple[RepositoryPath, ...], Meta(description="Files and folders of the tagged commit that the model imports.")
    ] = ()
    sample: Annotated[
        RepositoryPath | None,
        Meta(description='A file of the tagged commit with rows that the model is asked, as JSON: `{"data": …}`.'),
    ] = None
    optimize: Annotated[
        Literal["onnx"] | Optimize | None,
        Meta(description="Serve the model as an ONNX graph, where the two give the same answers."),
    ] = None
    server: Annotated[Server, Meta(description="Server settings of this artifact in every stage.")] = Server()
    smoke: Annotated[
        tuple[Smoke, ...] | UnsetType, Meta(description="Smoke requests of this artifact, instead of the general ones.")
    ] = UNSET
    registration: Annotated[
        Registration, Meta(description="What a registration of this artifact does; key by key over the general one.")
    ] = Registration()
    stages: Annotated[
        Mapping[StageName, StageOverrides], Meta(description="What this artifact has otherwise in single stages.")
    ] = {}


class Scan(enum.StrEnum):
    """What a finding of the static scan means."""

    WARN = "warn"
    REFUSE = "refuse"


class RequireSignature(Settings, frozen=True, kw_only=True):
    """Who may sign; exactly one of the two. Both are files of the runner, never of the tagged commit (absolute)."""

    allowed_signers: Annotated[
        Connection | None, Meta(description="An SSH allowed-signers file on the runner: an absolute path.")
    ] = None
    keyring: Annotated[Connection | None, Meta(description="A GnuPG keyring on the runner: an absolute path.")] = None

    def __post_init__(self) -> None:
        """Hold to exactly one of the two."""
        if (self.allowed_signers is None) == (self.keyring is None):
            raise ValueError("exactly one of allowed-signers and keyring is needed")


class Limits(Settings, frozen=True, kw_only=True):
    """Where a download stops."""

    download_size: Annotated[Size, Meta(description="The most that one model's files may weigh.")] = 10 * GIGABYTE
    files: Annotated[int, Meta(ge=1, description="The most files that one model may have.")] = 10_000
    time: Annotated[Duration, Meta(description="The longest that one download may take.")] = 3600.0


class Policies(Settings, frozen=True, kw_only=True):
    """What is refused."""

    scan: Annotated[Scan, Meta(description="Imports of a pickle outside the allow-list: `warn` or `refuse`.")] = (
        Scan.WARN
    )
    allowed_imports: Annotated[
        tuple[str, ...], Meta(description="Modules that a pickle may import beside those known to be harmless.")
    ] = ()
    allow_build: Annotated[
        bool, Meta(description="Build requirements that have no wheel; runs their code, without credentials.")
    ] = False
    require_branch: Annotated[
        Text | None, Meta(description="A tag counts only on a commit that this branch contains.")
    ] = None
    require_signature: Annotated[
        RequireSignature | None, Meta(description="A tag counts only when one of these signed it.")
    ] = None
    moved_tags: Annotated[
        Literal["refuse", "allow"], Meta(description="A tag that a target knows with another object.")
    ] = "refuse"
    limits: Annotated[Limits, Meta(description="Where a download stops.")] = Limits()


class Index(Settings, frozen=True, kw_only=True):
    """A package index beside PyPI, first one wins; only the resolver's process sees its credentials."""

    url: Annotated[Connection, Meta(description="The index's address; credentials in it only as `${env:NAME}`.")]
    default: Annotated[bool, Meta(description="This one stands in PyPI's place.")] = False


class Dvc(Settings, frozen=True, kw_only=True):
    """Where DVC's objects are, over what .dvc/config of the configuration's ref says."""

    remote: Annotated[Text | None, Meta(description="The remote to download from.")] = None
    remotes: Annotated[
        Mapping[str, Remote],
        Meta(description="Remotes by name, in DVC's own keys; each over the same one of .dvc/config."),
    ] = {}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place to deploy to.

    In the file the deployer's own keys stand beside these two.
    ``settings`` is the deployer's ``settings_type``, filled; None where the deployer is not installed here.
    ``written`` holds the same keys with units resolved and ``${env:NAME}`` unexpanded, defaults left out: what a
    release's identity and a plan may show.
    """

    deployer: Annotated[Text, Meta(description="The kind of target, such as `local`.")]
    prune: Annotated[
        bool, Meta(description="Take a slot down when nothing is assigned to it any more; otherwise say so.")
    ] = False
    settings: msgspec.Struct | None = None
    written: Mapping[str, JSON] = {}


class Configuration(Settings, frozen=True, kw_only=True):
    """tagboat.yaml."""

    targets: Annotated[
        Mapping[TargetName, Target], Meta(description="The places to deploy to, by a name of yours.")
    ] = {}
    stages: Annotated[
        Mapping[StageName, StageOverrides], Meta(description="The registry's stages, and where a release of each goes.")
    ] = {}
    artifacts: Annotated[
        Mapping[ArtifactName, Artifact], Meta(description="What is particular to single artifacts.")
    ] = {}
    smoke: Annotated[
        tuple[Smoke, ...], Meta(description="Requests that every release must answer before it counts as live.")
    ] = ()
    server: Annotated[Server, Meta(description="Settings of the models' servers.")] = Server()
    policies: Annotated[Policies, Meta(description="What is refused.")] = Policies()
    registration: Annotated[Registration, Meta(description="What a registration does beyond being recorded.")] = (
        Registration()
    )
    promotion: Annotated[
        Mapping[StageName, PromotionRules],
        Meta(description="How versions get from stage to stage, by the stage's name."),
    ] = {}
    indexes: Annotated[tuple[Index, ...], Meta(description="Package indexes beside PyPI.")] = ()
    templates: Annotated[
        RepositoryPath | None,
        Meta(
            description="A folder beside tagboat.yaml with templates of yours, such as `kubernetes/service.yaml.j2`: "
            "one of the same name stands in for ours, another one adds to them."
        ),
    ] = None
    dvc: Annotated[Dvc, Meta(description="Where DVC's objects are.")] = Dvc()
    notifications: Annotated[tuple[Notification, ...], Meta(description="Who is told how a run ended.")] = ()
    report: Annotated[Report, Meta(description="How metrics are read and judged.")] = Report()
