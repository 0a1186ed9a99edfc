"""A fake GitHub for the tests of GitHub's side."""

from tests.fakes.github.fixtures import client, connected, description, github

__all__ = ["client", "connected", "description", "github"]
