"""``${var}`` in the annotations of a dvc.yaml, resolved by DVC itself from the files of one commit.

DVC's resolver is given the sections that matter and a file system that has nothing but that commit: ``vars:`` can name
no file of this machine, and a .py file of parameters is parsed by DVC, not run.
"""

from __future__ import annotations

import io
import posixpath
from types import SimpleNamespace
from typing import IO, Any

from deployers.yaml_merges import merged_size
from entrypoint.errors import ConfigurationError, TagboatError, UnsafeContentError
from entrypoint.registry.repository import Repository

MOST_NODES = 100_000
"""Values in a YAML document, aliases written out: what a few lines of aliases can blow up to."""

DEEPEST = 64
"""Levels of a YAML document."""


def parse_yaml(content: bytes, where: str) -> Any:
    """Read YAML with the parser that DVC and GTO use; an empty document is an empty mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = content.decode("utf-8")
        if "<<" in text and merged_size(YAML(typ="safe").compose(text)) > MOST_NODES:
            raise UnsafeContentError("the file merges more values into one another than any honest one", where=where)
        return YAML(typ="safe").load(text) or {}
    except UnicodeDecodeError as error:
        raise ConfigurationError("the file is not UTF-8", where=where) from error
    except RecursionError as error:
        raise UnsafeContentError("the file is nested too deeply", where=where) from error
    except (YAMLError, ValueError, TypeError) as error:
        line = str(getattr(error, "problem_mark", "") or "").strip()
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigurationError(f"the file is not valid YAML: {reason} {line}".rstrip(), where=where) from error


def measured(document: Any, where: str) -> None:
    """Raise `UnsafeContentError` for a document that is larger or deeper than any honest one."""
    nodes = 0
    todo = [(document, 0)]
    while todo:
        value, depth = todo.pop()
        nodes += 1
        if nodes > MOST_NODES or depth > DEEPEST:
            raise UnsafeContentError("the file has too many values, or nests them too deeply", where=where)
        if isinstance(value, dict):
            todo += [(item, depth + 1) for item in (*value.keys(), *value.values())]
        elif isinstance(value, (list, tuple, set)):
            todo += [(item, depth + 1) for item in value]


def plain(value: Any) -> Any:
    """A measured value as JSON can hold it: text for keys, and for dates and whatever else YAML has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def resolve_templates(repository: Repository, commit: str, folder: str, document: dict[str, Any]) -> dict[str, Any]:
    """The ``artifacts:`` of a dvc.yaml in ``folder``, with every ``${var}`` replaced."""
    from dvc.exceptions import DvcException
    from dvc.parsing import DataResolver

    where = f"{posixpath.join(folder, 'dvc.yaml')} at {commit[:7]}"
    sections = {key: document[key] for key in ("vars", "artifacts") if document.get(key)}
    measured(sections, where)
    repo = SimpleNamespace(fs=CommitFiles(repository, commit), config={})
    try:
        resolved = DataResolver(repo, folder, sections).resolve_artifacts()
    except TagboatError:
        raise
    except DvcException as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(reason, where=where, hint="Give the variable a value.") from error
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"DVC cannot resolve its templates: {error}", where=where) from error
    return dict(resolved)


class CommitFiles:
    """As much of DVC's file system as its resolver uses, over the files of one commit."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit

    def exists(self, path: str) -> bool:
        """Whether the commit has a file there."""
        entry = self._repository.entry(self._commit, self._inner(path))
        return entry is not None and entry.is_file

    def isdir(self, path: str) -> bool:
        """Whether the commit has a folder there."""
        return bool(self._repository.list_tree(self._commit, self._inner(path)))

    def open(self, path: str, mode: str = "r", **_options: Any) -> IO[Any]:
        """Open a file for reading; YAML that blows up is refused here, before DVC copies it."""
        content = self._repository.read(self._commit, self._inner(path))
        if content is None:
            raise FileNotFoundError(path)
        if posixpath.splitext(path)[1].lower() not in {".json", ".toml", ".py"}:
            measured(parse_yaml(content, path), path)
        return io.BytesIO(content) if "b" in mode else io.StringIO(content.decode("utf-8"))

    def join(self, *parts: str) -> str:
        """Join paths."""
        return posixpath.join(*parts)

    def normpath(self, path: str) -> str:
        """Tidy a path."""
        return posixpath.normpath(path)

    def relpath(self, path: str, start: str = "") -> str:
        """A path as seen from another; all of ours start at the top."""
        return posixpath.relpath(path, start or ".")

    def suffix(self, path: str) -> str:
        """The ending of a file's name, with its dot."""
        return posixpath.splitext(path)[1]

    @staticmethod
    def _inner(path: str) -> str:
        if path.startswith("/") or posixpath.normpath(path).split("/")[0] == "..":
            raise UnsafeContentError("`vars` names a file outside the repository", where=path)
        return posixpath.normpath(path)
