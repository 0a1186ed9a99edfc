"""A fake GitHub beside the project."""

from tests.fakes.github.fixtures import description, github

__all__ = ["description", "github"]
