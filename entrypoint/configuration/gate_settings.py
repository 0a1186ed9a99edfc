"""The gates of a promotion as tagboat.yaml has them, told apart by their key ``gate``.

What each does is in the module of its name below `entrypoint.promotion.gates`.
"""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from deployers.settings import Duration, Settings
from entrypoint.configuration.freeze_settings import FreezeWindow
from entrypoint.configuration.words import Count, MethodName, RepositoryPath, Text


class Gate(Settings, frozen=True, kw_only=True, tag_field="gate"):
    """What every gate has."""

    name: Annotated[Text | None, Meta(description="What the gate is called in reports.")] = None


class ExpressionGate(Gate, frozen=True, kw_only=True, tag="expression"):
    """A condition on metrics, parameters and tags. A text in the list of gates is short for this."""

    condition: Annotated[Text, Meta(description="Such as `accuracy >= 0.9` or `f1 >= incumbent.f1 - 0.01`.")]
    without_incumbent: Annotated[
        Literal["inconclusive", "pass"],
        Meta(description="What it comes to where a stage that it compares with has no version yet."),
    ] = "inconclusive"


class SoakGate(Gate, frozen=True, kw_only=True, tag="soak"):
    """The version must have been live and verified in the source stage, on every target, for a while."""

    time: Annotated[Duration, Meta(description="For how long, such as `24h`.")]


class ScanGate(Gate, frozen=True, kw_only=True, tag="scan"):
    """The static scan of the model's files must have found nothing out of the ordinary."""

    unknown: Annotated[
        Literal["fail", "pass"],
        Meta(description="Imports outside the allow-list that are not known to be dangerous, and unreadable parts."),
    ] = "fail"


class SignatureGate(Gate, frozen=True, kw_only=True, tag="signature"):
    """The tags that put the version into the source stage must be signed as `policies.require-signature` asks."""


class SmokeGate(Gate, frozen=True, kw_only=True, tag="smoke"):
    """The smoke requests of the stage that is promoted into, asked of what serves in the source stage."""


class LiveGate(Gate, frozen=True, kw_only=True, tag="live"):
    """The servers' own figures in the source stage, on each target by itself."""

    window: Annotated[Duration, Meta(description="The time that is looked at.")] = 3600.0
    watch: Annotated[
        bool,
        Meta(
            description="Begin to count now and wait for the window to pass, instead of looking back; for targets that "
            "count from a server's start, as Kubernetes does."
        ),
    ] = False
    requests: Annotated[Count, Meta(description="Fewer requests than this are too few to tell.")] = 100
    error_rate: Annotated[float, Meta(ge=0, le=1, description="The largest share of requests answered with 5xx.")] = (
        0.01
    )
    p99: Annotated[Duration | None, Meta(description="The longest 99th percentile of the answering time.")] = None
    drift: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="How far the answers may be distributed otherwise than the incumbent's (population stability "
            "index: 0.1 is little, 0.25 is much).",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a window of no time."""
        if self.window == 0:
            raise ValueError("window must be more than 0")


class AgreementGate(Gate, frozen=True, kw_only=True, tag="agreement"):
    """The version and the incumbent are asked the same rows, and different answers are counted."""

    sample: Annotated[
        RepositoryPath | None,
        Meta(
            description='A file beside tagboat.yaml with the rows, `{"data": …}`; without it: the artifact\'s sample.'
        ),
    ] = None
    method: Annotated[MethodName, Meta(description="The method that is asked.")] = "predict"
    differ: Annotated[
        float, Meta(ge=0, le=1, description="The largest share of rows that may be answered otherwise.")
    ] = 0.0
    rtol: Annotated[float, Meta(ge=0, description="Relative tolerance of numbers; texts are compared exactly.")] = 1e-6
    atol: Annotated[float, Meta(ge=0, description="Absolute tolerance of numbers, added to the relative one.")] = 1e-9
    timeout: Annotated[Duration, Meta(description="How long an answer may take.")] = 60.0
    without_incumbent: Annotated[
        Literal["inconclusive", "pass"],
        Meta(description="What it comes to where nothing is served in the stage ahead yet."),
    ] = "inconclusive"


class ApprovalGate(Gate, frozen=True, kw_only=True, tag="approval"):
    """Somebody who may has approved on GitHub: on the version's pull request, or the run itself."""

    by: Annotated[
        Literal["comment", "label", "environment"],
        Meta(description="`/promote` on the pull request, a label on it, or a review of the run's environment."),
    ]
    label: Annotated[Text | None, Meta(description="With `by: label`: the label.")] = None
    environment: Annotated[
        Text | None, Meta(description="With `by: environment`: the environment, which has required reviewers.")
    ] = None
    approvals: Annotated[Count, Meta(description="How many people are needed.")] = 1
    people: Annotated[
        tuple[Text, ...], Meta(description="Only these may, by their login; without it: all who can.")
    ] = ()
    permission: Annotated[
        Literal["write", "maintain", "admin"],
        Meta(description="What they must at least be allowed to do in the repository."),
    ] = "write"
    own: Annotated[bool, Meta(description="Count the approval of the pull request's own author.")] = False

    def __post_init__(self) -> None:
        """Hold the way and what it needs together."""
        for name in ("label", "environment"):
            given = getattr(self, name) is not None
            if given != (self.by == name):
                problem = f"{name} is for `by: {name}` alone" if given else f"by: {name} needs the key {name}"
                raise ValueError(problem)


class FreezeGate(Gate, frozen=True, kw_only=True, tag="freeze"):
    """Nothing is promoted in these windows."""

    time_zone: Annotated[Text, Meta(description="An IANA time zone, such as Europe/Berlin.")]
    windows: Annotated[tuple[FreezeWindow, ...], Meta(min_length=1, description="The windows.")]

    def __post_init__(self) -> None:
        """Refuse a time zone that nobody knows."""
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"time-zone: {self.time_zone!r} is not known", "Such as Europe/Berlin, or UTC.") from None


AnyGate = (
    ExpressionGate
    | SoakGate
    | ScanGate
    | SignatureGate
    | SmokeGate
    | LiveGate
    | AgreementGate
    | ApprovalGate
    | FreezeGate
)
"""Every gate there is."""
