"""The page at ``/docs``: reads ``/openapi.json`` and lets one try what stands there; fetches nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
)
"""What the page may do: talk to this server and nothing else."""


def page() -> bytes:
    """The page."""
    return (Path(__file__).parent / "docs.html").read_bytes()
