"""``report:`` of tagboat.yaml: how metrics are read and judged, in tables, comments and promotion gates alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Settings
from entrypoint.configuration.words import RepositoryPath, StageName, Text

PRODUCTION = frozenset({"prod", "production"})
"""Stages that are production where nobody says so."""


class Environment(Settings, frozen=True, kw_only=True):
    """What GitHub calls a stage."""

    name: Annotated[Text | None, Meta(description="The environment's name on GitHub. Default: the stage's.")] = None
    production: Annotated[
        bool | None,
        Meta(description="Whether GitHub shows it as production. Default: where the stage is `prod` or `production`."),
    ] = None
    transient: Annotated[bool, Meta(description="Whether it will be gone one day, as a preview is.")] = False

    def called(self, stage: str) -> str:
        """The environment's name."""
        return self.name or stage

    def is_production(self, stage: str) -> bool:
        """Whether it is one that users depend on."""
        return stage in PRODUCTION if self.production is None else self.production


class Report(Settings, frozen=True, kw_only=True):
    """How metrics are read and judged."""

    directions: Annotated[
        Mapping[Text, Literal["higher", "lower"]],
        Meta(
            description="Which way is better, by a metric's name, its last part, or a pattern with `*`: "
            '`{accuracy: higher, "*loss": lower}`. A metric that none of them names is shown without a judgement.'
        ),
    ] = {}
    metrics: Annotated[
        tuple[RepositoryPath, ...], Meta(description="Files of metrics beside those that dvc.yaml and DVCLive name.")
    ] = ()
    params: Annotated[
        tuple[RepositoryPath, ...], Meta(description="Files of parameters beside those that dvc.yaml and DVCLive name.")
    ] = ()
    history: Annotated[
        int, Meta(ge=0, le=50, description="How many versions a plot of a metric's history goes back; 0 for no plots.")
    ] = 12
    environments: Annotated[
        Mapping[StageName, Environment], Meta(description="What GitHub calls single stages, in its deployments.")
    ] = {}
    deployments: Annotated[
        bool, Meta(description="Show each release as a GitHub deployment; needs `deployments: write`.")
    ] = True
    checks: Annotated[
        bool, Meta(description="Show each run's outcome as a check on the version's commit; needs `checks: write`.")
    ] = True
    failure_comments: Annotated[
        bool,
        Meta(
            description="Tell the pull request that a version came from when its preflight or deployment fails; needs "
            "`pull-requests: write`."
        ),
    ] = True
    plan: Annotated[
        bool,
        Meta(
            description="Wrap a pull request's model and plan it for every target that can be reached; if false, its "
            "report compares settings only."
        ),
    ] = True

    def environment(self, stage: str) -> Environment:
        """What GitHub calls a stage."""
        return self.environments.get(stage, Environment())
