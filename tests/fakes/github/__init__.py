"""A part of GitHub's REST API, held to GitHub's own description of it; see `server`."""

from tests.fakes.github.description import Description, needed, packaged
from tests.fakes.github.server import ROUTES, TOKEN, GitHub, when
from tests.fakes.github.store import ACTIONS, Holder

__all__ = ["ACTIONS", "ROUTES", "TOKEN", "Description", "GitHub", "Holder", "needed", "packaged", "when"]
