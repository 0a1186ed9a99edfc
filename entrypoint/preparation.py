"""From what the registry names to a bundle that can run: downloaded, its needs collected, scanned and wrapped."""

from __future__ import annotations

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
from entrypoint.configuration import Artifact
from entrypoint.download import Download, Progress, RemoteSettings, download
from entrypoint.errors import ConfigurationError, RefusedError
from entrypoint.journal import Journal
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import Resolution
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
        needs = collect(_sources(workspace.repository, wanted, artifact, arrived))
        for note in needs.notes:
            journal.warn(note)
        with journal.step("wrap", f"Python {needs.python} ({needs.python_source}), packages from {needs.source}"):
            return wrap(
                arrived.folder,
                arrived.model.as_posix(),
                name=wanted.artifact,
                version=wanted.version or "",
                commit=wanted.commit,
                requirements=needs,
                settings=_settings(workspace, artifact),
                store=workspace.cache / "bundles",
                cache=workspace.cache,
                environment=workspace.request.environment,
                sample=_sample(workspace.repository, wanted.commit, artifact),
                step=lambda name: journal.progress.note(f"wrap: {name}"),
                warn=journal.warn,
            )


def fetch(workspace: Workspace, wanted: Resolution, destination: Path, journal: Journal) -> Download:
    """The model's files, verified."""
    path = wanted.path or workspace.artifact(wanted.artifact).path
    repository, root = workspace.repository, workspace.repository.root
    dvc = workspace.configuration.dvc
    trusted = workspace.source.commit
    if trusted is None:
        remotes = RemoteSettings.of_checkout(repository, path or "", root=root, dvc=dvc)
    else:
        remotes = RemoteSettings.at_commit(repository, trusted, path or "", root=root, dvc=dvc)

    def told(progress: Progress) -> None:
        if progress.total:
            journal.progress.step("download", progress.file, progress=min(1.0, progress.done / progress.total))

    return download(
        repository,
        _Wanted(wanted.artifact, wanted.commit, path),
        cache=workspace.cache / "objects",
        destination=destination,
        remotes=remotes,
        limits=workspace.policies.limits,
        environment=workspace.request.environment,
        progress=told,
    )


@dataclass(frozen=True)
class _Wanted:
    """What to download, its path filled in from tagboat.yaml where the registry's annotations have none."""

    artifact: str
    commit: str
    path: str | None


def _sources(repository: Repository, wanted: Resolution, artifact: Artifact, arrived: Download) -> ModelSources:
    """The texts of the tagged commit, and of the model itself, that say what it needs."""
    path = wanted.path or artifact.path or ""
    metadata = None
    if arrived.model.suffix == ".mlem":
        metadata = (f"{path.removesuffix('.mlem')}.mlem", (arrived.folder / arrived.model).read_bytes())
    return gather(
        lambda name: repository.read(wanted.commit, name),
        path,
        configured=artifact.requirements,
        python=artifact.python,
        code=_code(repository, wanted.commit, artifact.code),
        metadata=metadata,
    )


def _code(repository: Repository, commit: str, listed: tuple[str, ...]) -> Mapping[str, bytes]:
    """The user's own modules: every plain file at or below the listed paths of the commit."""
    found: dict[str, bytes] = {}
    total = 0
    for path in listed:
        entries = [entry for entry in repository.list_tree(commit, path.strip("/")) if entry.is_file]
        single = repository.entry(commit, path)
        entries += [single] if single is not None and single.is_file else []
        if not entries:
            raise ConfigurationError(f"commit {commit[:12]} has no such file or folder", where=f"code: {path}")
        for entry in entries:
            total += entry.size or 0
            if total > MAXIMUM_CODE:
                raise RefusedError(f"more than {MAXIMUM_CODE} bytes of code", hint="List modules only under `code:`.")
            found[entry.path] = repository.read(commit, entry.path) or b""
    return found


def _settings(workspace: Workspace, artifact: Artifact) -> WrapSettings:
    policies = workspace.policies
    return WrapSettings(
        format=artifact.format,
        indexes=tuple(Index(url=index.url, default=index.default) for index in workspace.configuration.indexes),
        allow_build=policies.allow_build,
        scan=ScanPolicy(policies.scan.value),
        allowed_imports=policies.allowed_imports,
        optimize=_optimize(artifact),
    )


def _optimize(artifact: Artifact) -> Optimize | None:
    asked = artifact.optimize
    if asked is None or isinstance(asked, str):
        return None if asked is None else Optimize(to=asked)
    return Optimize(**msgspec.structs.asdict(asked))


def _sample(repository: Repository, commit: str, artifact: Artifact) -> bytes | None:
    """The sample of the commit: a body of the server's own protocol. Whether it fits is for the model to say."""
    if artifact.sample is None:
        return None
    where = f"sample: {artifact.sample}"
    content = repository.read(commit, artifact.sample)
    if content is None:
        raise ConfigurationError(f"commit {commit[:12]} has no such file", where=where)
    if len(content) > MAXIMUM_SAMPLE:
        raise RefusedError(f"the sample is larger than {MAXIMUM_SAMPLE} bytes", where=where, hint="Give fewer rows.")
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the sample is no JSON: {error}", where=where) from error
    if not isinstance(document, dict) or "data" not in document:
        raise ConfigurationError("the sample has no data", where=where, hint='Write {"data": [{"age": 3, …}, …]}.')
    return content
