"""Where Tagboat itself is published: what generated files refer to."""

from __future__ import annotations

from entrypoint import __version__

REPOSITORY = "tagboat/tagboat"
"""The Action's repository on GitHub; a fork that publishes its own says so here."""

RELEASE = f"v{__version__}"
"""The tag of this release, which generated workflows use."""

SCHEMA_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/entrypoint/configuration/tagboat.schema.json"
"""The JSON Schema of tagboat.yaml, for editors."""
