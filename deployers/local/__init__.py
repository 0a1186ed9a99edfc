"""Processes on this machine: the embedded default target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployers.local.deployer import LocalDeployer

__all__ = ["LocalDeployer"]


def __getattr__(name: str) -> Any:
    # Loaded on demand, so that `deployers.local.preflight` can be used without it.
    if name == "LocalDeployer":
        from deployers.local.deployer import LocalDeployer

        return LocalDeployer
    raise AttributeError(name)
