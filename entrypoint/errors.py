"""What can go wrong on the way in; grown from the same root as deployers/errors.py.

TagboatError                   deployers/errors.py
├── ConfigurationError         exit 2
│   ├── UsageError             exit 2   the command line or an Action input
│   └── NotARegistryTagError   exit 2   a tag that GTO's grammar does not know
├── RefusedError               exit 3
│   ├── NotAllowedError        exit 3   entrypoint/github/failures.py
│   └── UnsafeContentError     exit 3   tag, path, file or archive that must not be touched
├── GitHubError                exit 1   entrypoint/github/failures.py
└── UnreachableError           exit 4
"""

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError

__all__ = [
    "ConfigurationError",
    "NotARegistryTagError",
    "RefusedError",
    "TagboatError",
    "UnreachableError",
    "UnsafeContentError",
    "UsageError",
]


class UsageError(ConfigurationError):
    """The command line, or an input of the Action, asks for what cannot be."""


class NotARegistryTagError(ConfigurationError):
    """The text is no tag of GTO's grammar."""


class UnsafeContentError(RefusedError):
    """Text or a file from the repository is hostile, or looks it; nothing was written."""
