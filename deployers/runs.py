"""Where the run that is at work can be looked at."""

from __future__ import annotations

from collections.abc import Mapping


def run_link(environment: Mapping[str, str]) -> str | None:
    """The address of the run, where it is one of GitHub's."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None
