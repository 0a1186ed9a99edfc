"""``report:`` of tagboat.yaml: how metrics are read and judged, in tables, comments and promotion gates alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Settings
from entrypoint.configuration.words import RepositoryPath, Text


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
    ] = 20
    plan: Annotated[
        bool,
        Meta(
            description="Wrap a pull request's model and plan it for every target that can be reached; if false, its "
            "report compares settings only."
        ),
    ] = True
