"""tagboat.yaml, typed. Descriptions stand here once: the JSON Schema and docs/configuration.md are made from them.

A key that is absent stays `msgspec.UNSET` wherever a wider layer may say it instead (`entrypoint.configuration.layers`
lays them over one another); everywhere else the default stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deployers.settings import Connection, Settings
from entrypoint.configuration.notification_settings import Notification
from entrypoint.configuration.policy_settings import Policies
from entrypoint.configuration.promotion_settings import PromotionRules
from entrypoint.configuration.remotes import Remote
from entrypoint.configuration.report_settings import Report
from entrypoint.configuration.serving_settings import Server, Smoke
from entrypoint.configuration.words import (
    JSON,
    REPOSITORY_PATH,
    ArtifactName,
    FormatName,
    PythonVersion,
    RepositoryPath,
    StageName,
    TargetName,
    Text,
)


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
