"""GitHub workflows, read as far as the checks need them.

The reader of tagboat.yaml reads them too: `on` stays a key called ``on``, and hostile YAML costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrypoint.configuration.documents import Mapping as MappingNode
from entrypoint.configuration.documents import Node, Scalar, compose
from entrypoint.configuration.mistakes import InvalidConfigurationError
from entrypoint.publication import REPOSITORY

OURS = re.compile(rf"{re.escape(REPOSITORY)}(/[^@]*)?@(?P<ref>\S+)", re.IGNORECASE)
COMMANDS = re.compile(
    r"(?:^|[\s;&|])(?:tagboat|python3? (?:-P )?-m entrypoint)\s+(?P<command>action|deploy|reconcile)\b"
)


@dataclass(frozen=True)
class Step:
    """One step of a job."""

    uses: str
    run: str
    inputs: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def is_ours(self) -> bool:
        """Whether Tagboat runs here."""
        return bool(OURS.fullmatch(self.uses) or COMMANDS.search(self.run))

    @property
    def ref(self) -> str | None:
        """What the Action is pinned to, where this is the Action."""
        match = OURS.fullmatch(self.uses)
        return match["ref"] if match else None

    @property
    def shows(self) -> bool:
        """Whether Tagboat runs here as the Action, and for more than a look: GitHub's pages are shown such a run."""
        asked = self.inputs.get("command") or self.environment.get("INPUT_COMMAND") or ""
        ran = COMMANDS.search(self.run)
        return self.is_ours and asked != "plan" and (ran is None or ran["command"] == "action")

    @property
    def reconciles(self) -> bool:
        """Whether Tagboat brings every slot to what the registry says here."""
        asked = self.inputs.get("command") or self.environment.get("INPUT_COMMAND") or ""
        ran = COMMANDS.search(self.run)
        return self.is_ours and ("reconcile" in asked or (ran is not None and ran["command"] == "reconcile"))


@dataclass(frozen=True)
class Job:
    """One job. ``permissions``: None where it says nothing of its own."""

    name: str
    steps: Sequence[Step]
    permissions: Any = None


@dataclass(frozen=True)
class Workflow:
    """One file. ``triggers``: event → its filters. ``problem``: why it could not be read."""

    path: str
    triggers: Mapping[str, Any] = field(default_factory=dict)
    jobs: Sequence[Job] = ()
    permissions: Any = None
    cancels: bool = False
    problem: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether Tagboat runs in it."""
        return any(step.is_ours for step in self.steps())

    def steps(self) -> Iterator[Step]:
        """Every step of every job."""
        for job in self.jobs:
            yield from job.steps


def read_workflow(path: str, content: bytes) -> Workflow:
    """Read a workflow; one that cannot be read says why."""
    try:
        document = _plain(compose(content, path))
    except InvalidConfigurationError as error:
        return Workflow(path, problem=error.message)
    if not isinstance(document, dict):
        return Workflow(path, problem="it is no mapping")
    jobs = document.get("jobs")
    return Workflow(
        path,
        triggers=_triggers(document.get("on")),
        jobs=[_job(name, job) for name, job in jobs.items() if isinstance(job, dict)] if isinstance(jobs, dict) else [],
        permissions=document.get("permissions"),
        cancels=_cancels(document.get("concurrency")),
    )


def _triggers(on: Any) -> dict[str, Any]:
    if isinstance(on, str):
        return {on: None}
    if isinstance(on, list):
        return {event: None for event in on if isinstance(event, str)}
    return dict(on) if isinstance(on, dict) else {}


def _job(name: str, job: dict[str, Any]) -> Job:
    steps = job.get("steps")
    return Job(
        name,
        [_step(step) for step in steps if isinstance(step, dict)] if isinstance(steps, list) else [],
        job.get("permissions"),
    )


def _step(step: dict[str, Any]) -> Step:
    return Step(_text(step.get("uses")), _text(step.get("run")), _texts(step.get("with")), _texts(step.get("env")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _cancels(concurrency: Any) -> bool:
    return isinstance(concurrency, dict) and concurrency.get("cancel-in-progress", "false") != "false"


def _plain(node: Node) -> Any:
    """Texts, lists and mappings; nothing is retyped."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, MappingNode):
        return {key: _plain(child) for key, child in node.items.items()}
    return [_plain(item) for item in node.items]
