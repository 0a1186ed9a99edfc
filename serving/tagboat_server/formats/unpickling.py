"""What loading any pickled model has in common: turning an import that fails into the requirement that is missing."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.model import requirement_of


@contextlib.contextmanager
def explained(path: Path) -> Iterator[list[str]]:
    """Translate what goes wrong while a model's own code runs; yields the list that its warnings are put in."""
    noted: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield noted
        except ModelError:
            raise
        except ModuleNotFoundError as error:
            module = error.name or str(error)
            raise MissingLibraryError(
                requirement_of(module), where=path.name, reason=f"the model imports {module!r}"
            ) from error
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"the model cannot be loaded: {type(error).__name__}: {brief(error)}",
                where=path.name,
                hint="Were it and its requirements saved with the same library versions? Is its own code listed "
                "under `code:`?",
            ) from error
        finally:
            noted.extend(unique(str(warning.message) for warning in caught if important(warning.category)))


def brief(error: BaseException) -> str:
    """What an error says, without the stack that native libraries put behind it."""
    return str(error).partition("\nStack trace")[0].strip()[:1000]


def important(category: type) -> bool:
    """Whether a warning is for who deploys the model, not for who wrote the libraries."""
    return not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning))


def unique(texts: Iterator[str]) -> list[str]:
    """Each text once, shortened."""
    return list(dict.fromkeys(text[:500] for text in texts))
