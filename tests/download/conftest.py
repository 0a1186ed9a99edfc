"""The fixtures of every test here; they live in a module of their own, since tests/security uses them too."""

from tests.download.fixtures import make_project, nobody_s_credentials, project

__all__ = ["make_project", "nobody_s_credentials", "project"]
