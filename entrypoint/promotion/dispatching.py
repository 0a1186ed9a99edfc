"""Starting the run that deploys a promoted version: a tag pushed with a workflow's own token starts none.

GitHub lets that token start workflows by two events alone, ``workflow_dispatch`` and ``repository_dispatch``.
"""

from __future__ import annotations

from contextlib import closing

from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.errors import UsageError
from entrypoint.github.client import GitHub, connect
from entrypoint.promotion.graph import rule_for
from entrypoint.promotion.outcome import PromotionVerdict
from entrypoint.workspace import Workspace

EVENT = "tagboat"
"""The type of the ``repository_dispatch``: `on: {repository_dispatch: {types: [tagboat]}}`."""


def dispatch(workspace: Workspace, promoted: PromotionVerdict) -> str:
    """Start the run, and say in one sentence which.

    Raises `UsageError` where there is no token or no repository on GitHub, and what `GitHub.asking` raises.
    """
    request = workspace.request
    token = request.api_token
    if token is None:
        raise UsageError(
            "there is no token to start a workflow with",
            where="promotion: deploy: dispatch",
            hint="Give the input `token`; on the command line, set GITHUB_TOKEN and GITHUB_REPOSITORY.",
        )
    with closing(connect(request.environment, token)) as github:
        return start(github, rule_for(workspace.configuration.promotion, promoted.artifact, promoted.stage), promoted)


def start(github: GitHub, rule: PromotionRule | None, promoted: PromotionVerdict) -> str:
    """As `dispatch`, by way of a GitHub that is handed in."""
    ref = promoted.tag or ""
    if rule is not None and rule.workflow is not None:
        with github.asking(f"start the workflow {rule.workflow}") as repository:
            branch = repository.default_branch
            repository.get_workflow(rule.workflow).create_dispatch(branch, {"ref": ref}, throw=True)
        return f"{rule.workflow} was started for {ref}"
    with github.asking("send a repository_dispatch") as repository:
        # PyGithub's own method tells a refusal from success by a value that is easily lost.
        body = {"event_type": EVENT, "client_payload": {"ref": ref}}
        repository.requester.requestJsonAndCheck("POST", f"/repos/{github.name}/dispatches", input=body)
    return f"a repository_dispatch was sent for {ref}"
