"""What can be fetched."""

from __future__ import annotations

from typing import Any

from tagboat_server.openapi.operations import Answer, Media, closed, of_json, operation
from tagboat_server.protocols.base import Context

TAG = "Pages"

TEXT = {"type": ["string", "null"]}

HEALTH = closed(
    {
        "status": {"type": "string"},
        "release": TEXT,
        "stage": TEXT,
        "artifact": {"type": "string"},
        "version": TEXT,
        "ready": {"type": "boolean"},
    }
)
"""What the health pages answer."""


def operations(context: Context) -> dict[str, dict[str, Any]]:  # noqa: ARG001 - as every protocol's
    """The pages by path and method."""
    live = {"200": Answer("It does.", of_json(HEALTH)), "503": Answer("It is stuck.", of_json(HEALTH))}
    ready = {"200": Answer("They are.", of_json(HEALTH)), "503": Answer("Not now.", of_json(HEALTH))}
    figures = {"200": Answer("In Prometheus' text format.", {"text/plain": Media({"type": "string"})})}
    return {
        "/health/live": {"get": operation("live", TAG, "Whether the process lives.", answers=live)},
        "/health/ready": {"get": operation("ready", TAG, "Whether new requests are welcome.", answers=ready)},
        "/metrics": {"get": operation("metrics", TAG, "Figures for Prometheus.", answers=figures)},
    }
