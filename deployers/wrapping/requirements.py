"""What a model needs to run: packages, a Python version, and the user's own modules.

Packages come from one of three places, the first that has them: tagboat.yaml (`requirements:`), the model's `.mlem`
metadata, a requirements.txt or pyproject.toml in the model's own folder. Nothing is guessed: with none of them there is
an error that names the three. All texts are handed in, read from git at the tagged commit; they are untrusted, and data
only: no tool is ever pointed at them.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable, Mapping

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping import mlem_metadata, mlflow_metadata, python_version, requirement_lines, safe_paths
from deployers.wrapping.requirement_lines import Line

MAXIMUM_CODE = 100_000_000
"""Bytes of all the user's own modules together."""

Read = Callable[[str], bytes | None]
"""A file of the tagged commit by its path from the repository's root, or None."""


class ModelSources(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that say what a model needs, as (path in the commit, content).

    ``configured``: the lines in tagboat.yaml; ``configured_file``: the file it names instead. ``python``: the version
    in tagboat.yaml. ``code``: the user's own modules, by their path from the repository's root.
    ``elsewhere``: files that might have been meant, named in the error when there is nothing.
    """

    configured: tuple[str, ...] = ()
    configured_file: tuple[str, bytes] | None = None
    mlem: tuple[str, bytes] | None = None
    requirements_txt: tuple[str, bytes] | None = None
    pyproject: tuple[str, bytes] | None = None
    python: str | None = None
    python_version: tuple[str, bytes] | None = None
    code: Mapping[str, bytes] = {}
    elsewhere: tuple[str, ...] = ()


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What to resolve. ``source`` and ``python_source`` say where it was read; ``notes`` are for a person to see.

    ``code``: the user's own modules, by their path under the bundle's ``code/``, which is on ``sys.path``.
    """

    lines: tuple[Line, ...]
    source: str
    python: str
    python_source: str
    code: Mapping[str, bytes] = {}
    notes: tuple[str, ...] = ()


def gather(
    read: Read,
    model_path: str,
    *,
    configured: str | tuple[str, ...] | None = None,
    python: str | None = None,
    code: Mapping[str, bytes] | None = None,
    metadata: tuple[str, bytes] | None = None,
) -> ModelSources:
    """Read from the commit what may say what the model at ``model_path`` needs.

    ``configured``, ``python``: `requirements:` and `python:` of tagboat.yaml. ``metadata``: the `.mlem` file where it
    was downloaded rather than committed. ``model_path`` is from the repository's root, file or folder; "beside" means
    in the same folder, or in the model's own where the model is one.
    """
    folders = [model_path, posixpath.dirname(model_path)]

    def beside(name: str) -> tuple[str, bytes] | None:
        return _first(read, [posixpath.join(folder, name) for folder in folders])

    stem = model_path.removesuffix(".mlem")
    configured_file = None
    if isinstance(configured, str):
        configured_file = _named(read, configured)
    return ModelSources(
        configured=configured if isinstance(configured, tuple) else (),
        configured_file=configured_file,
        mlem=metadata or _first(read, [f"{stem}.mlem"]),
        requirements_txt=beside("requirements.txt"),
        pyproject=beside("pyproject.toml"),
        python=python,
        python_version=beside(".python-version")
        or mlflow_metadata.python_version(beside(mlflow_metadata.PYTHON_FILE))
        or _first(read, [".python-version"]),
        code=code or {},
        elsewhere=tuple(name for name in ("requirements.txt", "pyproject.toml") if read(name) is not None),
    )


def collect(
    sources: ModelSources, *, own_version: str = f"{sys.version_info[0]}.{sys.version_info[1]}"
) -> Requirements:
    """Say what a model needs.

    ``own_version``: Tagboat's own Python, the default. Raises `ConfigurationError` where the texts say nothing or
    something that cannot be, `RefusedError` where they ask for what is never done.
    """
    metadata = mlem_metadata.read(*sources.mlem) if sources.mlem else None
    lines, source = _packages(sources, metadata)
    version, version_source = python_version.choose(
        configured=sources.python,
        file=sources.python_version,
        requires=_requires_python(sources),
        own=own_version,
    )
    code = {**importable(sources.code), **(metadata.code if metadata else {}), **sources.code}
    _check_code(code)
    return Requirements(
        lines=lines,
        source=source,
        python=version,
        python_source=version_source,
        code=dict(sorted(code.items())),
        notes=metadata.notes if metadata else (),
    )


def importable(code: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same modules as Python finds them when run from beside their package, besides from the repository's root.

    A module's name begins at the outermost folder of an unbroken chain of ``__init__.py``: src/churn/model.py is
    churn.model where src/churn/__init__.py exists, and model where it does not. What two files would claim goes to
    neither.
    """
    claims: dict[str, list[bytes]] = {}
    for path, content in code.items():
        parts = path.split("/")
        first = len(parts) - 1
        while first and "/".join([*parts[:first], "__init__.py"]) in code:
            first -= 1
        claims.setdefault("/".join(parts[first:]), []).append(content)
    return {path: contents[0] for path, contents in claims.items() if len(contents) == 1}


def _packages(sources: ModelSources, metadata: mlem_metadata.Metadata | None) -> tuple[tuple[Line, ...], str]:
    if sources.configured_file:
        path, content = sources.configured_file
        read = requirement_lines.from_pyproject if path.endswith(".toml") else requirement_lines.from_text
        return read(path, content), path
    if sources.configured:
        where = "tagboat.yaml: requirements"
        return requirement_lines.from_text(where, "\n".join(sources.configured).encode()), where
    if metadata and metadata.lines:
        return metadata.lines, metadata.path
    if sources.requirements_txt:
        return requirement_lines.from_text(*sources.requirements_txt), sources.requirements_txt[0]
    if sources.pyproject and requirement_lines.has_project(*sources.pyproject):
        return requirement_lines.from_pyproject(*sources.pyproject), sources.pyproject[0]
    meant = f" If {' or '.join(sources.elsewhere)} of the repository's root is meant, name it there." if (
        sources.elsewhere
    ) else ""  # fmt: skip
    raise ConfigurationError(
        "nothing says which packages this model needs",
        hint="Save the model with MLEM, which records them; or put a requirements.txt or a pyproject.toml beside the "
        f"model; or set `requirements:` for the artifact in tagboat.yaml.{meant}",
    )


def _requires_python(sources: ModelSources) -> tuple[str, str] | None:
    chosen = (
        sources.configured_file if sources.configured_file and sources.configured_file[0].endswith(".toml") else None
    )
    pyproject = chosen or sources.pyproject
    if pyproject is None:
        return None
    specifier = requirement_lines.requires_python(*pyproject)
    return (f"{pyproject[0]}: requires-python", specifier) if specifier else None


def _check_code(code: Mapping[str, bytes]) -> None:
    for path in code:
        safe_paths.checked(path, where="code")
        if path.split("/")[0].removesuffix(".py") == "tagboat_server":
            raise RefusedError("a module named tagboat_server would stand in for the server", where=path)
    if sum(len(content) for content in code.values()) > MAXIMUM_CODE:
        raise RefusedError(f"more than {MAXIMUM_CODE} bytes of code", hint="List modules only under `code:`.")


def _first(read: Read, paths: list[str]) -> tuple[str, bytes] | None:
    for path in paths:
        content = read(path)
        if content is not None:
            return path, content
    return None


def _named(read: Read, path: str) -> tuple[str, bytes]:
    safe_paths.checked(path, where="tagboat.yaml: requirements")
    content = read(path)
    if content is None:
        raise ConfigurationError(
            f"the tagged commit has no {path}",
            where="tagboat.yaml: requirements",
            hint="Name a requirements.txt or pyproject.toml of that commit, or list the requirements themselves.",
        )
    return path, content
