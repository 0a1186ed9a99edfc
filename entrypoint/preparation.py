"""From what the registry names to a bundle that can run: downloaded, its needs collected, scanned and wrapped."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deployers.wrapping.bundle import Bundle
from deployers.wrapping.locking import Index
from deployers.wrapping.optimization import Optimize
from deployers.wrapping.requirements import MAXIMUM_CODE, ModelSources, collect, gather
from deployers.wrapping.wrap import ScanPolicy, WrapSettings, wrap
from entrypoint.configuration import Artifact, wants_grpc
from entrypoint.download import Download, Progress, RemoteSettings, download
from entrypoint.errors import ConfigurationError, RefusedError
from entrypoint.journal import Journal
from entrypoint.registry.resolve import Resolution
from entrypoint.trees import CommitTree, Tree
from entrypoint.workspace import Workspace

MAXIMUM_SAMPLE = 5_000_000
"""Bytes of a sample: it is read whole, and travels in every bundle."""


def prepare(workspace: Workspace, wanted: Resolution, journal: Journal) -> Bundle:
    """Make the bundle of a release; what was made before for the same inputs is taken from the caches.

    Raises what downloading and wrapping raise: `ConfigurationError`, `RefusedError`, `UnreachableError`.
    """
    artifact = workspace.artifact(wanted.artifact)
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arriving-", dir=workspace.cache) as folder:
        with journal.step("download", wanted.path or artifact.path or ""):
            arrived = fetch(workspace, wanted, Path(folder) / "model", journal)
        path = wanted.path or artifact.path or ""
        tree = CommitTree(workspace.repository, wanted.commit)
        named = (wanted.artifact, wanted.version or "", wanted.commit)
        return wrapped(workspace, arrived.folder, arrived.model, path, tree, named, artifact, journal)


def wrapped(
    workspace: Workspace,
    folder: Path,
    model: Path,
    path: str,
    tree: Tree,
    named: tuple[str, str, str],
    artifact: Artifact,
    journal: Journal,
) -> Bundle:
    """Make the bundle of the model at ``model`` in ``folder``, whose files are there.

    ``path``: where it stands in ``tree``, which has the texts that say what it needs. ``named``: artifact, version and
    commit, as the bundle says them.
    """
    needs = collect(_sources(tree, path, folder / model, artifact))
    for note in needs.notes:
        journal.warn(note)
    with journal.step("wrap", f"Python {needs.python} ({needs.python_source}), packages from {needs.source}"):
        return wrap(
            folder,
            model.as_posix(),
            name=named[0],
            version=named[1],
            commit=named[2],
            requirements=needs,
            settings=_settings(workspace, artifact, named[0]),
            store=workspace.cache / "bundles",
            cache=workspace.cache,
            environment=workspace.request.environment,
            sample=sample_of(tree, artifact),
            step=lambda name: journal.progress.note(f"wrap: {name}"),
            warn=journal.warn,
        )


def fetch(workspace: Workspace, wanted: Resolution, destination: Path, journal: Journal) -> Download:
    """The model's files, verified."""
    path = wanted.path or workspace.artifact(wanted.artifact).path

    def told(progress: Progress) -> None:
        if progress.total:
            journal.progress.step("download", progress.file, progress=min(1.0, progress.done / progress.total))

    return download(
        workspace.repository,
        _Wanted(wanted.artifact, wanted.commit, path),
        cache=workspace.cache / "objects",
        destination=destination,
        remotes=remote_settings(workspace, path or ""),
        limits=workspace.policies.limits,
        environment=workspace.request.environment,
        progress=told,
    )


def remote_settings(workspace: Workspace, path: str) -> RemoteSettings:
    """The remotes that a path of the repository may be downloaded from, by the configuration's own ref alone."""
    repository, root = workspace.repository, workspace.repository.root
    dvc = workspace.configuration.dvc
    trusted = workspace.source.commit
    if trusted is None:
        return RemoteSettings.of_checkout(repository, path, root=root, dvc=dvc)
    return RemoteSettings.at_commit(repository, trusted, path, root=root, dvc=dvc)


MAXIMUM_TEXT = 8_000_000
"""Bytes of a file in the model's folder that says what the model needs; a larger one is not read."""


@dataclass(frozen=True)
class _Wanted:
    """What to download, its path filled in from tagboat.yaml where the registry's annotations have none."""

    artifact: str
    commit: str
    path: str | None


def _sources(tree: Tree, path: str, model: Path, artifact: Artifact) -> ModelSources:
    """The texts of a tree, and of the model itself, that say what it needs."""
    metadata = None
    if model.suffix == ".mlem":
        metadata = (f"{path.removesuffix('.mlem')}.mlem", model.read_bytes())
    return gather(
        lambda name: _text(tree, name, path, model),
        path,
        configured=artifact.requirements,
        python=artifact.python,
        code=_code(tree, artifact.code),
        metadata=metadata,
    )


def _text(tree: Tree, name: str, path: str, model: Path) -> bytes | None:
    """A file of the tree, or of the model's own folder where DVC has that: MLflow lists requirements there."""
    content = tree.read(name)
    inside = posixpath.join(path, "")
    if content is None and path and name.startswith(inside):
        file = model / name.removeprefix(inside)
        if file.is_file() and file.stat().st_size <= MAXIMUM_TEXT:
            return file.read_bytes()
    return content


def _code(tree: Tree, listed: tuple[str, ...]) -> Mapping[str, bytes]:
    """The user's own modules: every plain file at or below the listed paths of the tree."""
    found: dict[str, bytes] = {}
    total = 0
    for path in listed:
        entries = list(tree.files(path))
        if not entries:
            raise ConfigurationError(f"{tree.name} has no such file or folder", where=f"code: {path}")
        for name, size in entries:
            total += size
            if total > MAXIMUM_CODE:
                raise RefusedError(f"more than {MAXIMUM_CODE} bytes of code", hint="List modules only under `code:`.")
            found[name] = tree.read(name) or b""
    return found


def _settings(workspace: Workspace, artifact: Artifact, name: str) -> WrapSettings:
    policies = workspace.policies
    return WrapSettings(
        format=artifact.format,
        indexes=tuple(Index(url=index.url, default=index.default) for index in workspace.configuration.indexes),
        allow_build=policies.allow_build,
        scan=ScanPolicy(policies.scan.value),
        allowed_imports=policies.allowed_imports,
        optimize=_optimize(artifact),
        grpc=wants_grpc(workspace.configuration, name),
    )


def _optimize(artifact: Artifact) -> Optimize | None:
    asked = artifact.optimize
    if asked is None or isinstance(asked, str):
        return None if asked is None else Optimize(to=asked)
    return Optimize(**msgspec.structs.asdict(asked))


def sample_of(tree: Tree, artifact: Artifact) -> bytes | None:
    """The sample of the tree: a body of the server's own protocol. Whether it fits is for the model to say."""
    if artifact.sample is None:
        return None
    where = f"sample: {artifact.sample}"
    content = tree.read(artifact.sample)
    if content is None:
        raise ConfigurationError(f"{tree.name} has no such file", where=where)
    if len(content) > MAXIMUM_SAMPLE:
        raise RefusedError(f"the sample is larger than {MAXIMUM_SAMPLE} bytes", where=where, hint="Give fewer rows.")
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the sample is no JSON: {error}", where=where) from error
    if not isinstance(document, dict) or "data" not in document:
        raise ConfigurationError("the sample has no data", where=where, hint='Write {"data": [{"age": 3, …}, …]}.')
    return content
