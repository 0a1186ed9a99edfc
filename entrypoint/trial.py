"""A model to be tried by hand: what the registry or a path in the working tree names, wrapped as a release would be.

Nothing is recorded and nothing deployed; what is built stays in the caches, so that a deployment finds it there.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deployers.wrapping.bundle import Bundle
from entrypoint import configuration
from entrypoint.configuration import Artifact, Configuration
from entrypoint.errors import ConfigurationError
from entrypoint.journal import Journal
from entrypoint.preparation import prepare, wrapped
from entrypoint.registry import artifacts
from entrypoint.registry.policy import check_policies
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import resolve
from entrypoint.request import Request
from entrypoint.trees import WorkingFiles
from entrypoint.workspace import Workspace, configuration_source


@dataclass(frozen=True)
class Subject:
    """What is tried. ``what``: its name for a person; ``path``: from the repository's root, None for a REF."""

    what: str
    path: str | None


def open_workspace(request: Request) -> Workspace:
    """The checkout; without a tagboat.yaml every setting has its default."""
    repository = Repository(request.directory, request.environment, request.token)
    source, file = configuration_source(repository, request)
    content = source.find(file)
    settings = Configuration() if content is None else configuration.parse(content, file)
    return Workspace(request, repository, source, settings)


def subject(text: str, workspace: Workspace) -> Subject:
    """Whether a text is a REF or a path.

    What holds ``#`` or ``@`` is a REF, unless it begins like a path (``./``, ``../``, ``/``); a name of which there is
    a file or a folder is a path; any other is an artifact, of which the latest version is meant. Raises
    `ConfigurationError` for a path that is nowhere, or outside of the checkout.
    """
    like_path = text.startswith(("./", "../", "/")) or text in {".", ".."}
    if not like_path and ("#" in text or "@" in text):
        return Subject(text, None)
    root = workspace.repository.root.resolve()
    # Not resolved itself: what DVC has checked out may be a link into its cache.
    place = Path(os.path.normpath(workspace.request.directory.resolve() / text))
    exists = place.exists() or place.with_name(f"{place.name}.mlem").exists()
    if not exists and not like_path and "/" not in text and "." not in text:
        return Subject(f"{text}@latest", None)
    if not place.is_relative_to(root) or place == root:
        hint = "Give a model's file or folder inside it; -C DIR names another checkout."
        raise ConfigurationError("the path is outside of the checkout", where=text, hint=hint)
    if not exists:
        tracked = place.with_name(f"{place.name}.dvc").exists()
        hint = (
            f"DVC tracks it: dvc pull {text}" if tracked else "A REF holds # or @, such as churn#prod or churn@v1.0.0."
        )
        raise ConfigurationError("there is no such file or folder", where=text, hint=hint)
    return Subject(text, place.relative_to(root).as_posix())


def bundle_of(tried: Subject, workspace: Workspace, journal: Journal) -> Bundle:
    """The bundle of what is tried. Raises as `prepare` does; for a REF policies are asked as for a deployment."""
    workspace.cache.mkdir(parents=True, exist_ok=True)
    if tried.path is None:
        found = resolve(workspace.repository, workspace.read_registry(), tried.what)
        check_policies(workspace.repository, found, workspace.policies)
        return prepare(workspace, found, journal)
    name, artifact = _artifact_at(tried.path, workspace)
    with tempfile.TemporaryDirectory(prefix="arriving-", dir=workspace.cache) as folder:
        with journal.step("copy", tried.path):
            model = _staged(workspace.repository.root / tried.path, Path(folder))
        tree = WorkingFiles(workspace.repository.root)
        return wrapped(workspace, Path(folder), Path(model), tried.path, tree, (name, "", ""), artifact, journal)


def _artifact_at(path: str, workspace: Workspace) -> tuple[str, Artifact]:
    """The artifact whose model stands at the path, by tagboat.yaml or by the annotations of HEAD; else the file's name
    with no settings."""
    known = {name: artifact.path for name, artifact in workspace.configuration.artifacts.items()}
    head = workspace.repository.commit("HEAD")
    if head is not None:
        annotated = artifacts.annotations(workspace.repository, head)
        known = {name: said.path for name, said in annotated.items()} | {k: v for k, v in known.items() if v}
    wanted = path.removesuffix(".mlem")
    for name, at in sorted(known.items()):
        if at is not None and posixpath.normpath(at).removesuffix(".mlem") == wanted:
            return name, workspace.artifact(name)
    return Path(path).name.split(".")[0] or "model", Artifact()


def _staged(model: Path, folder: Path) -> str:
    """Put the model's files into a folder of their own, and nothing that lies beside them; the model's name there."""
    plain = model.with_name(model.name.removesuffix(".mlem"))
    pair = model.with_name(f"{plain.name}.mlem")
    if pair.is_file():
        for file in (pair, plain):
            _copy(file, folder / file.name)
        return pair.name
    _copy(model, folder / model.name)
    return model.name


def _copy(source: Path, target: Path) -> None:
    """A file or a folder; links become what they lead to, and a file that cannot change any more is not copied."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_file, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    elif source.exists():
        _copy_file(str(source), str(target))


def _copy_file(source: str, target: str) -> None:
    if not Path(source).is_file():
        raise ConfigurationError(
            "neither a file nor a folder", where=source, hint="Leave it out of the model's folder."
        )
    resolved = Path(source).resolve()
    if not resolved.stat().st_mode & 0o222:
        try:
            os.link(resolved, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(resolved, target)
